"""TXA and the OBX behind it -> DocumentReference. Sources: HL7 v2.8.2 section 9.6 (TXA), FHIR R4 DocumentReference."""

from __future__ import annotations

import base64
from typing import Any

from adapters.hl7v2.attachment import media_type
from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.labels import confidentiality
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_instant, put_time
from adapters.hl7v2.values import BESIDE
from hie.model import Resource


def txa(d: Draft, s: Segment) -> None:
    number = ei(d, s, 12, s.get(12)) if s.get(12) else None
    if number:
        made = d.unique("DocumentReference", number.get("system") or d.scope, number["value"])
        made["masterIdentifier"] = number
    else:
        made = d.unique("DocumentReference", d.scope, d.control_id)
    for role in ("order", "report", "observation", "about", "key", "orc"):
        if role == "orc" and d.now.get("orc") is not None:
            continue
        d.now.pop(role, None)
    d.now["document"] = d.owner = made
    d.source(s, made)
    _status(d, s, made)
    if d.patient:
        made["subject"] = dict(d.patient)
    if (encounter := d.now.get("encounter")) is not None:
        made.setdefault("context", {})["encounter"] = [d.ref(encounter)]
    if raw := s.get(13):
        for rep, part in d.repeats(raw):
            if parent := ei(d, s, 13, part, rep):
                code = {"T06": "appends", "T05": "appends"}.get(d.event.partition("^")[2], "replaces")
                target = {"type": "DocumentReference", "identifier": parent}
                made.setdefault("relatesTo", []).append({"code": code, "target": target})
    _times(d, s, made)
    _people(d, s, made)
    for n in (14, 15):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if order := ei(d, s, n, part, rep):
                _relate(made, {"type": "ServiceRequest", "identifier": order})
    confidentiality(d, s, 18, "0272", made)
    fill(d, s, made)
    d.later.append(lambda: _close(d, s, made))


def _ordered(d: Draft, number: dict[str, Any]) -> dict[str, Any] | None:
    """The order of this message that has this number."""
    for reference, resource in d.resources.items():
        if reference.startswith("ServiceRequest/") and any(
            i["value"] == number["value"] and i.get("system") == number.get("system")
            for i in resource.get("identifier", ())
        ):
            return d.ref(resource)
    return None


def _relate(made: Resource, link: dict[str, Any]) -> None:
    known = made.setdefault("context", {}).setdefault("related", [])
    if link not in known:
        known.append(link)


def _status(d: Draft, s: Segment, made: Resource) -> None:
    completion, availability = d.first(s.get(17)).upper(), d.first(s.get(19)).upper()
    trigger = d.event.partition("^")[2]
    made["status"] = "current"
    if availability:
        found = d.coded("0273", availability)
        if found is not None and found[1] != "-":
            made["status"] = found[1]
        else:
            d.lose(s, 19)
    if trigger == "T11":
        made["status"] = "entered-in-error"
    if completion:
        found = d.coded("0271", completion)
        if found is not None:
            made["docStatus"] = found[1]
        else:
            d.lose(s, 17)


def _times(d: Draft, s: Segment, made: Resource) -> None:
    """TXA-4 activity (when the service was), TXA-6 origination, TXA-7 transcription, TXA-8 edit."""
    if raw := s.get(4):
        put_time(d, s, 4, raw, made.setdefault("context", {}).setdefault("period", {}), "start")
        if not made["context"]["period"]:
            del made["context"]["period"]
    origin = s.get(6) or s.get(7)
    if origin:
        put_instant(d, s, 6 if s.get(6) else 7, origin, made, "date")
    if s.get(6) and s.get(7) and s.get(6) != s.get(7):
        d.now[("transcribed", made["id"])] = s.get(7)


def _people(d: Draft, s: Segment, made: Resource) -> None:
    for n in (5, 9):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if (who := practitioner(d, s, n, part, rep)) and who not in (known := made.setdefault("author", [])):
                known.append(who)
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            if "authenticator" in made:
                d.lose(s, 10, rep)
            else:
                made["authenticator"] = who
    for rep, part in d.repeats(s.get(22)) if s.get(22) else ():
        parts = part.split(d.message.component)
        if (who := practitioner(d, s, 22, part, rep)) and made.setdefault("authenticator", who) != who:
            d.lose(s, 22, rep)
        if len(parts) > 14 and parts[14]:
            d.lose(s, 22, rep, 15)


def add_text(d: Draft, s: Segment, made: Resource) -> None:
    """A text OBX is a piece of the document: pieces under one OBX-3 are one text."""
    raw = s.get(5)
    text = "\n".join(part.strip() for part in raw.split(d.message.repetition)) if d.message.repetition in raw else raw
    text = d.text(text)
    name = plain(d, s.get(3)) if s.get(3) else ""
    parts = d.now.setdefault(("text", made["id"]), {})
    if not name and parts:
        name = next(reversed(parts))  # senders that name only the first line of many
    parts.setdefault(name, []).append(text)
    d.now.setdefault(("shape", made["id"]), {}).setdefault(name, s)
    d.source(s, made)
    d.owner = made
    fill(d, s)
    categorise(d, s, made)
    for n in (*BESIDE, 14, 15, 16, 23, 24, 25):
        if s.get(n):
            if n == 16 and (who := practitioner(d, s, 16, s.get(16).partition(d.message.repetition)[0])):
                if who not in (known := made.setdefault("author", [])):
                    known.append(who)
            elif n != 14:
                d.lose(s, n)


def categorise(d: Draft, s: Segment, made: Resource) -> None:
    """OBX-3 behind a TXA: the code of the part is a category of the document, its name the title; OBX-4 is listed."""
    found = concept(d, s, 3, s.get(3)) if s.get(3) else None
    if found and found.get("coding") and found not in (known := made.setdefault("category", [])):
        known.append(found)
    if s.get(4):
        d.lose(s, 4)


def _close(d: Draft, s: Segment, made: Resource) -> None:
    """Texts become attachments; a document without content (T01) says so by a reference-free attachment."""
    related = made.get("context", {}).pop("related", ())
    for link in related:
        _relate(made, (_ordered(d, link["identifier"]) if "identifier" in link else None) or link)
    for name, lines in d.now.get(("text", made["id"]), {}).items():
        text = "\n".join(lines)
        if not text.strip():
            continue
        one: dict[str, Any] = {
            "contentType": "text/plain; charset=utf-8",
            "data": base64.b64encode(text.encode()).decode(),
        }
        if name:
            one["title"] = name
        shape = d.now[("shape", made["id"])][name]
        if shape.get(14):
            put_time(d, shape, 14, shape.get(14), one, "creation")
        made.setdefault("content", []).append({"attachment": one})
    if made.get("context") == {}:
        del made["context"]
    _presented(d, s, made)
    if (file := d.first(s.get(16))) and made["content"][0]["attachment"].setdefault("title", file) != file:
        made["identifier"] = [{"value": file}]  # a name by which the sender finds the document again
    if raw := d.now.get(("transcribed", made["id"])):
        first = made["content"][0]["attachment"]
        if "creation" in first or not put_time(d, s, 7, raw, first, "creation"):
            d.lose(s, 7)
    if kind := (concept(d, s, 2, s.get(2), 0, "0270") if s.get(2) else None):
        made["type"] = kind


def _presented(d: Draft, s: Segment, made: Resource) -> None:
    """TXA-3 is the form of the content where no OBX says more."""
    presentation = d.first(s.get(3)).upper()
    shown = media_type("", presentation) or _PRESENTED.get(presentation, "")
    if "content" not in made:
        made["content"] = [{"attachment": {"contentType": shown} if shown else d.nobody()}]
        if presentation and not shown:
            d.lose(s, 3)
        return
    kinds = {c["attachment"].get("contentType", "").partition(";")[0] for c in made["content"]}
    if s.get(3) and shown not in kinds and presentation.lower() not in {kind.partition("/")[0] for kind in kinds}:
        d.lose(s, 3)


_PRESENTED = {"TX": "text/plain", "TEXT": "text/plain", "FT": "text/plain", "ST": "text/plain"}
