"""Identifiers: CX, EI, HD -> Identifier. Sources: HL7 v2.8.2 sections 2A.2.14 (CX), 2A.2.28 (EI), table 0203."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import put_time
from hie.model import Identifier

TYPES = THO + "v2-0203"
CHECK_DIGIT = "http://hl7.org/fhir/StructureDefinition/identifier-checkDigit"
BY_TYPE = {
    "NPI": "http://hl7.org/fhir/sid/us-npi",
    "SS": "http://hl7.org/fhir/sid/us-ssn",
    "MC": "http://hl7.org/fhir/sid/us-medicare",
    "MBI": "http://hl7.org/fhir/sid/us-mbi",
}
"""Type code -> system, where the type itself names the one issuer and no assigner was sent."""


def typed(code: str) -> dict[str, Any]:
    return {"coding": [{"system": TYPES, "code": code}]}


def cx(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, kind: str = "") -> dict[str, Any] | None:
    """One repetition of a CX -> Identifier. `kind` is the type (table 0203) that the field itself implies."""
    parts = raw.split(d.message.component)
    size = len(parts)
    value = d.text(parts[0])
    if not value:
        d.rest(s, n, rep, parts, 0)
        return None
    made: dict[str, Any] = {}
    code = (d.text(parts[4]) if size > 4 else "") or kind
    if code:
        made["type"] = typed(code)
    authority = namespace = ""
    if size > 3 and parts[3]:
        authority, namespace = d.authority(parts[3])
    if not authority:
        authority = BY_TYPE.get(code, "")
    if not authority and s.name in ("PID", "MRG") and d.context.default_authority:
        authority = d.context.default_authority
    if authority:
        made["system"] = authority
    made["value"] = value
    if size > 1 and parts[1] and parts[1] != '""':
        made["_value"] = {"extension": [{"url": CHECK_DIGIT, "valueString": d.text(parts[1])}]}
    if size > 5:
        facility = d.text(parts[5].partition(d.message.sub)[0])
        if parts[5]:
            assigner = assigned_by(d, parts[5], namespace)
            if assigner:
                made["assigner"] = assigner
                namespace = ""
        if not facility and _names(namespace, authority):
            made["assigner"] = {"display": namespace}
        if size > 6:
            span: dict[str, Any] = {}
            if parts[6]:
                put_time(d, s, n, parts[6], span, "start", rep, 7)
            if size > 7 and parts[7]:
                put_time(d, s, n, parts[7], span, "end", rep, 8)
            if span:
                made["period"] = span
            if size > 8:
                d.rest(s, n, rep, parts, 8)
    elif _names(namespace, authority):
        made["assigner"] = {"display": namespace}
    if size > 3 and d.message.sub in parts[3]:
        also(d, made, parts[3].split(d.message.sub)[1])
    if size > 2 and parts[2] and parts[2] != '""':
        d.lose(s, n, rep, 3)
    return made


def _names(namespace: str, uri: str) -> bool:
    """Whether a namespace says something that the URI does not."""
    return bool(namespace) and not uri.endswith(namespace) and namespace not in ("NPI", "SSA", "USSSA")


def assigned_by(d: Draft, raw: str, namespace: str) -> dict[str, Any] | None:
    """The facility that gave a number (an HD) -> Reference(Organization): its name, and its universal id."""
    uri, name = d.authority(raw)
    made: dict[str, Any] = {}
    if uri and not uri.endswith(name or "\x00"):
        made["identifier"] = {"system": "urn:ietf:rfc:3986", "value": uri}
    elif d.message.sub in raw and (universal := d.text(raw.split(d.message.sub)[1])):
        made["identifier"] = {"value": universal}
    shown = name or namespace
    if shown:
        made["display"] = shown
    return made or None


def also(d: Draft, made: dict[str, Any], universal: str) -> None:
    """A universal id that the system's URI does not show (a DNS name beside a namespace, no OID) is the assigner's."""
    text, system = d.text(universal) if universal else "", made.get("system", "")
    if not text or text.lower() in system.lower() or d.context.authorities.get(text):
        return
    if not system or d.oid_system(text) != system:  # an OID whose URI is the system says no more
        made.setdefault("assigner", {}).setdefault("identifier", {"value": text})


def ei(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, kind: str = "") -> dict[str, Any] | None:
    """An EI (value, namespace, universal id, its type) -> Identifier."""
    message = d.message
    mark = message.component if message.component in raw else message.sub
    parts = raw.split(mark)
    value = d.text(parts[0])
    if not value:
        if len(parts) > 1:
            d.rest(s, n, rep, parts, 0)
        return None
    made: dict[str, Any] = {}
    if kind:
        made["type"] = typed(kind)
    if len(parts) > 1 and any(parts[1:4]):
        uri, namespace = d.authority(message.sub.join(parts[1:4]))
        if uri:
            made["system"] = uri
            if namespace and not uri.endswith(namespace):
                made["assigner"] = {"display": namespace}
            also(d, made, parts[2] if len(parts) > 2 else "")
        if len(parts) > 4 and mark == message.component:
            d.rest(s, n, rep, parts, 4)
    made["value"] = value
    return made


def hd_identifier(d: Draft, raw: str) -> tuple[dict[str, Any] | None, str]:
    """A facility or application (HD, components) -> (Identifier of its universal id or None, name)."""
    parts = [d.text(p) for p in raw.split(d.message.component)]
    name = parts[0]
    if len(parts) > 1 and parts[1]:
        kind = parts[2].upper() if len(parts) > 2 else ""
        if kind in ("CLIA",):
            return {"system": "urn:oid:2.16.840.1.113883.4.7", "value": parts[1]}, name
        if kind == "NPI":
            return {"system": BY_TYPE["NPI"], "value": parts[1]}, name
        uri, _ = d.authority(d.message.sub.join(["", *parts[1:3]]))
        if uri and not uri.startswith("urn:hie:authority:"):
            return {"system": "urn:ietf:rfc:3986", "value": uri}, name
        made: dict[str, Any] = {"value": parts[1]}
        if kind:
            made["type"] = {"text": parts[2]}
        return made, name
    return None, name


def as_key(identifier: dict[str, Any]) -> Identifier:
    """The identity of a FHIR Identifier that this module made."""
    coding = identifier.get("type", {}).get("coding", ())
    return Identifier(identifier.get("system", ""), coding[0]["code"] if coding else "", identifier["value"])
