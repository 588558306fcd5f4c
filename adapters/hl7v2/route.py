"""RXR: route, site, device and method of what was ordered, dispensed, given or injected. Source: HL7 v2.8.2 section 4.14.2."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from hie.model import Resource

_TABLES = {1: "0162", 2: "0163", 3: "0164", 4: "0165"}
_DEVICE = {
    "MedicationRequest": "supportingInformation", "MedicationDispense": "supportingInformation",
    "MedicationAdministration": "device",
}  # fmt: skip


def rxr(d: Draft, s: Segment) -> None:
    about = d.now.get("about")
    target = about if about is not None else d.now.get("medication")
    if target is None and d.now.get("orc") is not None:
        d.now.setdefault("routes", []).append((d.now["orc"], s))  # stands before what is given
        return
    _put(d, s, target)
    for one in d.now.pop("given", ()):  # one RXR behind several RXA is that of all of them
        if one is not target:
            into = _slot(one)
            for n, key in ((1, "route"), (2, "site"), (4, "method")):
                if into is not None and key not in into and (found := _read(d, s, n)):
                    into[key] = found
            d.source(s, one)


def waiting(d: Draft, orc: Segment | None) -> None:
    """RXRs that came between ORC and the segment that says what was given."""
    for before, s in d.now.pop("routes", ()):
        if before is orc:
            rxr(d, s)
        else:
            _put(d, s, None)


def _put(d: Draft, s: Segment, target: Resource | None) -> None:
    into = _slot(target)
    if target is None or into is None:
        fill(d, s, target)
        for n in (1, 2, 3, 4, 5, 6):
            if s.get(n):
                d.lose(s, n)
        d.source(s, target or d.owner or d.now.get("patient"))
        return
    d.source(s, target)
    vaccine = target["resourceType"] == "Immunization"
    for n, key in ((1, "route"), (2, "site"), (4, "method")):
        found = _read(d, s, n)
        if found is not None and ((vaccine and key == "method") or not _place(into, key, found)):
            d.lose(s, n)
    if device := _read(d, s, 3):
        _device(d, s, target, device)
    if text := readable(d, s.get(5)) if s.get(5) else "":
        if vaccine:
            d.lose(s, 5)
        elif target["resourceType"] == "MedicationAdministration":
            into["text"] = f"{into['text']}\n{text}" if "text" in into else text
        else:
            into.setdefault("additionalInstruction", []).append(concept(d, s, 5, s.get(5)) or {"text": text})
    if (modifier := concept(d, s, 6, s.get(6)) if s.get(6) else None) and "site" in into:
        into["site"].setdefault("coding", []).extend(modifier.get("coding", ()))
    elif s.get(6):
        d.lose(s, 6)
    for key, nothing in (("dosage", {}), ("dosageInstruction", [{}])):
        if target.get(key) == nothing:
            del target[key]
    fill(d, s, target)


def _slot(target: Resource | None) -> dict[str, Any] | None:
    """Where this resource says how it goes into the patient."""
    kind = target["resourceType"] if target is not None else ""
    if target is None or kind == "Immunization":
        return target
    if kind == "MedicationAdministration":
        dosage: dict[str, Any] = target.setdefault("dosage", {})
        return dosage
    if kind in ("MedicationRequest", "MedicationDispense"):
        instructions: list[dict[str, Any]] = target.setdefault("dosageInstruction", [{}])
        return instructions[0]
    return None


def _read(d: Draft, s: Segment, n: int) -> dict[str, Any] | None:
    raw = s.get(n)
    if not raw:
        return None
    for rep, part in d.repeats(raw):
        if rep > 1 and part:
            d.lose(s, n, rep)
    return concept(d, s, n, raw.partition(d.message.repetition)[0], 0, _TABLES[n])


def _place(into: dict[str, Any], key: str, found: dict[str, Any]) -> bool:
    """False where another one stands there already. The order and the pharmacy may say one route with more or fewer codes."""
    before = into.setdefault(key, found)
    if before is found or before == found:
        return True
    codes = {(c.get("system"), c.get("code")) for c in before.get("coding", ())}
    if not codes & {(c.get("system"), c.get("code")) for c in found.get("coding", ())}:
        return False
    for one in found.get("coding", ()):
        if any(all(c.get(key) == value for key, value in one.items()) for c in before["coding"]):
            continue
        at = next((i for i, c in enumerate(before["coding"]) if all(one.get(k) == v for k, v in c.items())), None)
        if at is None:
            before["coding"].append(one)
        else:
            before["coding"][at] = one
    return bool("text" not in found or before.setdefault("text", found["text"]) == found["text"])


def _device(d: Draft, s: Segment, target: Resource, kind: dict[str, Any]) -> None:
    """A pump or set is known by its kind alone: a contained Device."""
    slot = _DEVICE.get(target["resourceType"])
    contained = target.setdefault("contained", [])
    known = next((c for c in contained if c["id"] == "device"), None)
    if slot is None or (known is not None and known["type"] != kind):
        d.lose(s, 3)
    elif known is None:
        contained.append({"resourceType": "Device", "id": "device", "type": kind})
        target.setdefault(slot, []).append({"reference": "#device"})
    if not contained:
        del target["contained"]
