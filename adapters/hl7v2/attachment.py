"""OBX with ED or RP -> DocumentReference with an Attachment. Sources: HL7 v2.8.2 sections 2A.2.24 (ED), 2A.2.64 (RP)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.performer import performing, producer_of
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from adapters.hl7v2.values import BESIDE
from hie.model import Resource

_TYPES = {
    "PDF": "application/pdf", "HTML": "text/html", "XML": "text/xml", "RTF": "application/rtf", "JPEG": "image/jpeg",
    "JPG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "TIFF": "image/tiff", "TIF": "image/tiff",
    "PLAIN": "text/plain", "TXT": "text/plain", "TEXT": "text/plain", "DICOM": "application/dicom", "BASIC": "audio/basic",
    "SGML": "text/sgml", "X-HL7-CDA-LEVEL-ONE": "text/xml", "CDA": "text/xml", "DOC": "application/msword",
    "OCTET-STREAM": "application/octet-stream", "MSWORD": "application/msword",
}  # fmt: skip
"""Subtype as senders write it -> media type."""
_MAIN = frozenset(("application", "audio", "image", "text", "video", "multipart"))


_LUMP = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\Z")


def media_type(main: str, sub: str) -> str:
    """Table 0191 main type and table 0291 subtype -> media type; "" where they name none."""
    if "/" in sub:
        return sub.lower()
    if "/" in main:
        return main.lower()
    known = _TYPES.get(sub.upper()) or _TYPES.get(main.upper())
    if known:
        return known
    if main.lower() in _MAIN and sub:
        return f"{main.lower()}/{sub.lower()}"
    return ""


def content(d: Draft, s: Segment, kind: str, raw: str, rep: int = 0) -> dict[str, Any] | None:
    """The Attachment of an ED (application, type, subtype, encoding, data) or RP (pointer, application, type, subtype)."""
    parts = raw.split(d.message.component)
    parts += [""] * (5 - len(parts))
    made: dict[str, Any] = {}
    if kind == "RP":
        if found := media_type(d.text(parts[2]), d.text(parts[3])):
            made["contentType"] = found
            if (sub := d.text(parts[3])) and media_type("", sub) != found and sub.lower() not in found:
                d.lose(s, 5, rep, 4)
        else:
            _unknown(d, s, rep, parts, 2)
        url = d.text(parts[0])
        if not url:
            return None
        made["url"] = re.sub(r"\s", "%20", url)
        d.rest(s, 5, rep, parts, 4)
        return made
    if found := media_type(d.text(parts[1]), d.text(parts[2])):
        made["contentType"] = found
        if (sub := d.text(parts[2])) and media_type("", sub) != found and sub.lower() not in found:
            d.lose(s, 5, rep, 3)
    else:
        _unknown(d, s, rep, parts, 1)
    if d.message.sub in parts[0].rstrip(d.message.sub):  # an application by its name only
        d.lose(s, 5, rep, 1)
    encoding = d.text(parts[3]).lower()
    data = d.message.component.join(parts[4:]).rstrip(d.message.component)
    if not data:
        lump = max(parts, key=len)
        if len(lump) < 40 or not _LUMP.match(lump):
            return None
        d.warn("attachment-damaged", s, 5, "the data stands in another component than the fifth", rep)
        data, encoding = lump, "base64"
        if data.startswith("JVBERi0"):  # %PDF-
            made["contentType"] = "application/pdf"
    if encoding in ("base64", "b64"):
        packed = re.sub(r"\s+", "", d.text(data))
        try:
            base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError):
            d.warn("attachment-damaged", s, 5, "not base64: kept as text", rep)
            packed = base64.b64encode(d.text(data).encode()).decode()
    elif encoding == "hex":
        try:
            packed = base64.b64encode(bytes.fromhex(d.text(data))).decode()
        except ValueError:
            d.warn("attachment-damaged", s, 5, "not hexadecimal: kept as text", rep)
            packed = base64.b64encode(d.text(data).encode()).decode()
    else:
        if encoding not in ("", "a"):
            d.lose(s, 5, rep, 4)
        packed = base64.b64encode(d.text(data).encode()).decode()
    made["data"] = packed
    return made


def _unknown(d: Draft, s: Segment, rep: int, parts: list[str], main: int) -> None:
    """Lists a type and a subtype that make no media type."""
    for at in (main, main + 1):
        if d.text(parts[at]):
            d.lose(s, 5, rep, at + 1)


_DOC_STATUS = {
    "F": "final",
    "C": "amended",
    "P": "preliminary",
    "D": "entered-in-error",
    "W": "entered-in-error",
    "A": "amended",
    "R": "preliminary",
    "S": "preliminary",
}


def _application(d: Draft, raw: str, kind: str) -> dict[str, Any] | None:
    """ED-1, RP-2: the application that made the data."""
    at = 1 if kind == "RP" else 0
    parts = raw.split(d.message.component)
    name = d.text(parts[at].partition(d.message.sub)[0]) if at < len(parts) else ""
    return {"type": "Device", "display": name} if name else None


def attach(d: Draft, s: Segment, kind: str) -> bool:
    """False where nothing is attached. An attachment joins the document that a TXA opened; else it is a document of its own, tied to the report."""
    found = [made for rep, part in d.repeats(s.get(5)) if (made := content(d, s, kind, part, rep))]
    if not found:
        d.warn("attachment-damaged", s, 5, "no data and no pointer: kept as text")
        return False
    document = d.now.get("document")
    if document is None:
        document = _own(d, s)
    name = plain(d, s.get(3)) if s.get(3) else ""
    for one in found:
        if name:
            one.setdefault("title", name)
        if s.get(14):
            put_time(d, s, 14, s.get(14), one, "creation")
        document.setdefault("content", []).append({"attachment": one})
    for _, part in d.repeats(s.get(5)):
        if (maker := _application(d, part, kind)) and maker not in (known := document.setdefault("author", [])):
            known.append(maker)
    d.source(s, document)
    d.owner = document
    fill(d, s)
    own = d.now.get("document") is None
    _listed(d, s, own)
    if not own and s.get(11) and _DOC_STATUS.get(d.first(s.get(11))) != document.get("docStatus"):
        d.lose(s, 11)  # the document's own status, of its TXA, is another
    code = concept(d, s, 3, d.single(s, 3)) if s.get(3) and not own else None
    if code and code.get("coding") and code not in (known := document.setdefault("category", [])):
        known.append(code)
    return True


def _own(d: Draft, s: Segment) -> Resource:
    key = d.now.get("key") or (d.scope, d.control_id)
    document = d.unique("DocumentReference", key[0], *key[1:], d.first(s.get(3)), d.text(s.get(4)))
    sent = d.first(s.get(11))
    document["status"] = "entered-in-error" if sent in ("D", "W") else "current"
    if sent in _DOC_STATUS:
        document["docStatus"] = _DOC_STATUS[sent]
    elif sent:
        d.lose(s, 11)
    if kind := (concept(d, s, 3, d.single(s, 3)) if s.get(3) else None):
        document["type"] = kind
    if d.patient:
        document["subject"] = dict(d.patient)
    context: dict[str, Any] = {}
    encounter, report = d.now.get("encounter"), d.now.get("report") or d.now.get("about")
    if encounter is not None:
        context["encounter"] = [d.ref(encounter)]
    if report is not None and report is not encounter and report["resourceType"] != "Patient":
        context["related"] = [d.ref(report)]
    if context:
        document["context"] = context
    authors: list[dict[str, Any]] = []
    for rep, part in d.repeats(s.get(16)) if s.get(16) else ():
        if (who := practitioner(d, s, 16, part, rep)) and who not in authors:
            authors.append(who)
    if s.get(15) and (producer := producer_of(d, s)):
        authors.append(producer)
    if any(s.fields[23:26]):
        performing(d, s, authors)
    for rep, part in d.repeats(s.get(18)) if s.get(18) else ():  # the instrument that took the picture
        if number := ei(d, s, 18, part, rep):
            authors.append({"type": "Device", "identifier": number})
    if authors:
        document["author"] = authors
    return document


def _listed(d: Draft, s: Segment, own: bool) -> None:
    """Fields of the OBX that a document has no element for."""
    for n in (4, *BESIDE, *(() if own else (15, 16, 23, 24, 25))):
        if s.get(n) and not (own and n == 18):
            d.lose(s, n)
