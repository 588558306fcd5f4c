"""The laboratory that made a result: OBX-15 (producer), OBX-23 (organisation), OBX-24 (address), OBX-25 (director).

Source: HL7 v2.8.2 section 7.4.2.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.contacts import xad
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import named, organization, practitioner
from adapters.hl7v2.reader import Segment
from hie.model import Resource


def producer_of(d: Draft, s: Segment) -> dict[str, Any] | None:
    """OBX-15 (CE): the laboratory by code and name."""
    parts = [d.text(p) for p in d.single(s, 15).split(d.message.component)]
    parts += [""] * (6 - len(parts))
    code, name, system = parts[:3]
    if not (code or name):
        return None
    identifier: dict[str, Any] | None = None
    if code:
        identifier = {"value": code}
        if system:
            identifier = {
                "system": "urn:oid:2.16.840.1.113883.4.7" if system.upper() == "CLIA" else d.system(system),
                "value": code,
            }
    second = {"value": parts[3], **({"system": d.system(parts[5])} if parts[5] else {})} if parts[3] else None
    if second is not None and not name:
        d.lose(s, 15, 0, 4)
    if name:
        resource = d.add("Organization", (identifier or {}).get("system", d.scope), code or name)
        named(resource, name)
        if parts[4] and parts[4] != name:
            named(resource, parts[4])
        if identifier:
            resource.setdefault("identifier", [identifier])
        if second is not None and second not in resource.setdefault("identifier", []):
            resource["identifier"].append(second)
        d.source(s, resource)
        return d.ref(resource)
    return {"type": "Organization", "identifier": identifier}


def performing(d: Draft, s: Segment, performers: list[dict[str, Any]]) -> None:
    """OBX-23 organisation, OBX-24 its address, OBX-25 its medical director. A laboratory repeats them in every OBX."""
    fields = s.fields
    producer = performers[-1] if performers and not fields[23] else {}
    key: Any = (*fields[23:26], producer.get("reference")) if producer else tuple(fields[23:26])
    found = d.cache.get(key)
    if found is None:
        said = len(d.lost)
        found = []
        _once(d, s, found, producer)
        d.cache[key] = found, tuple(place.partition("-")[2] for place in list(d.lost)[said:])
    else:
        found, lost = found
        for place in lost:
            d.lost[f"OBX[{s.ordinal}]-{place}"] = 1
    if producer.get("identifier") and s.get(24):
        performers.remove(producer)  # known by its number alone so far
    for who in found:
        if who not in performers:
            performers.append(dict(who))
        if "reference" in who:
            d.source(s, d.resources[who["reference"]])


def _once(d: Draft, s: Segment, performers: list[dict[str, Any]], producer: dict[str, Any]) -> None:
    organisation = organization(d, s, 23, d.single(s, 23)) if s.get(23) else None
    if s.get(24):
        # without a name of its own the address is that of the producer
        held = _held(d, s, organisation or producer)
        address = xad(d, s, 24, d.single(s, 24))
        if held is None:
            d.lose(s, 24)
        elif address:
            if address not in (known := held.setdefault("address", [])):
                known.append(address)
            organisation = d.ref(held)
    if organisation is not None:
        performers.append(organisation)
    director = practitioner(d, s, 25, d.single(s, 25)) if s.get(25) else None
    if director and director not in performers:
        performers.append(director)


def _held(d: Draft, s: Segment, organisation: dict[str, Any]) -> Resource | None:
    """The Organization resource; one is made of what was known by its number alone."""
    if "reference" in organisation:
        found = d.resources.get(organisation["reference"])
        return found if found is not None and found["resourceType"] == "Organization" else None
    if organisation.get("type") != "Organization":
        return None
    identifier = organisation["identifier"]
    held = d.add("Organization", identifier.get("system", d.scope), identifier["value"])
    held.setdefault("identifier", [identifier])
    d.source(s, held)
    return held
