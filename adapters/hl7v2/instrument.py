"""Equipment that made a result: OBX-18, and PRT-10 with the device's own identification (PRT-16 to 22) since v2.7.

Sources: HL7 v2.8.2 sections 7.4.2 (OBX-18), 7.4.4 (PRT); FHIR R4 Device.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import put_time
from hie.model import Resource


def equipment(d: Draft, s: Segment, raw: str, observation: Resource) -> None:
    """OBX-18: the lowest level first (a module), then what it is part of (the analyser, the group of analysers)."""
    found = [made for rep, part in d.repeats(raw) if (made := ei(d, s, 18, part, rep))]
    if not found:
        return
    device: dict[str, Any] = {"type": "Device", "identifier": found[0]}
    if len(found) > 1:
        parent: dict[str, Any] = {"type": "Device", "identifier": found[-1]}
        inner: list[Resource] = []
        for at in range(len(found) - 2, 0, -1):
            inner.append({"resourceType": "Device", "id": f"level{at}", "identifier": [found[at]], "parent": parent})
            parent = {"reference": f"#level{at}"}
        made = d.add("Device", d.scope, *(f"{one.get('system', '')}|{one['value']}" for one in found))
        if inner:
            made["contained"] = inner
        made["identifier"] = [found[0]]
        made["parent"] = parent
        d.source(s, made)
        device = d.ref(made)
    observation["device"] = device


def instrument(d: Draft, s: Segment, owner: Resource | None) -> bool:
    """A device that takes part (PRT). False where `owner` has no element for one: then it is listed."""
    if owner is None or owner["resourceType"] != "Observation" or "device" in owner:
        for n in (10, *range(16, 23)):
            if s.get(n):
                d.lose(s, n)
        return False
    identifier = ei(d, s, 10, d.single(s, 10)) if s.get(10) else None
    if not any(s.fields[16:23]):
        if identifier is not None:
            owner["device"] = {"type": "Device", "identifier": identifier}
        return identifier is not None
    udi = d.first(s.get(16))
    known = udi or (identifier or {}).get("value", "")
    made = d.add("Device", d.scope, owner["id"] if not known else "", known)
    if identifier is not None:
        made["identifier"] = [identifier]
    if udi:
        made["udiCarrier"] = [{"carrierHRF": udi}]
        d.rest(s, 16, 0, d.parts(s.get(16)), 1)
    for n, key in ((17, "manufactureDate"), (18, "expirationDate")):
        if s.get(n):
            put_time(d, s, n, s.get(n), made, key)
    for n, key in ((19, "lotNumber"), (20, "serialNumber"), (21, "distinctIdentifier")):
        if value := d.first(s.get(n)):
            made[key] = value
    if (raw := s.get(22)) and (kind := concept(d, s, 22, raw)):
        made["type"] = kind
    d.source(s, made)
    owner["device"] = d.ref(made)
    return True
