"""RXA (with RXR and OBX) in VXU and query answers -> Immunization. Sources: HL7 v2.8.2 section 4.14.7 (RXA), the CDC
immunization guide 2.5.1 release 1.5, FHIR R4 Immunization."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import route
from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.drug import manufacturer
from adapters.hl7v2.numbers import number, unit
from adapters.hl7v2.order_numbers import listed, numbers_of
from adapters.hl7v2.orders import common
from adapters.hl7v2.parties import location, practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import fhir_time_of, put_date, put_time
from hie.model import Resource

_ROLE = "http://terminology.hl7.org/CodeSystem/v2-0443"


def is_vaccine(d: Draft, s: Segment) -> bool:
    """RXA is a vaccine in immunization messages, and wherever its code is a CVX code."""
    if d.event[:3] in ("VXU", "VXR", "VXX") or d.event in ("RSP^K11", "RSP^K32"):
        return True
    return any(part.upper() == "CVX" for rep in s.get(5).split(d.message.repetition) for part in d.parts(rep))


def immunization(d: Draft, s: Segment) -> None:
    orc = d.now.pop("orc", None)
    placer, filler = numbers_of(d, orc, None, (0, 0))
    parts = [d.text(p) for p in d.parts(s.get(5).partition(d.message.repetition)[0])]
    key_number = next(iter(listed(filler, placer)), None)
    patient = d.patient["reference"] if d.patient else d.control_id
    if key_number and key_number["value"] not in ("9999",):
        made = d.unique("Immunization", key_number.get("system") or d.scope, key_number["value"], parts[0])
    else:
        made = d.unique("Immunization", d.scope, patient, parts[0], d.first(s.get(3)))
    for role in ("order", "report", "observation", "key", "specimen", "medication"):
        d.now.pop(role, None)
    d.now["about"] = d.owner = made
    d.source(s, made)
    route.waiting(d, orc)
    if orc is not None and filler is not None and not isinstance(filler, list) and filler["value"] == "9999":
        d.lose(orc, 3)  # the guide's value for "no order": a number of nothing
    numbers = [i for i in listed(placer, filler) if i["value"] != "9999"]
    if numbers:
        made["identifier"] = numbers
    _status(d, s, made)
    made["vaccineCode"] = concept(d, s, 5, s.get(5).partition(d.message.repetition)[0]) or d.nobody()
    for rep, part in d.repeats(s.get(5)):
        if rep > 1 and (other := concept(d, s, 5, part, rep)):
            made["vaccineCode"].setdefault("coding", []).extend(other.get("coding", ()))
    made["patient"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    if not (s.get(3) and put_time(d, s, 3, s.get(3), made, "occurrenceDateTime")):
        absent = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
        # the word beside its reason: an occurrence of an extension alone is refused by common FHIR models
        made["occurrenceString"], made["_occurrenceString"] = "unknown", {"extension": absent}
    if s.get(4) and s.get(4) != s.get(3) and fhir_time_of(d, s.get(4)) != fhir_time_of(d, s.get(3)):
        d.lose(s, 4)
    _dose(d, s, made)
    _origin(d, s, made)
    _people(d, s, made)
    for rep, part in d.repeats(s.get(15)) if s.get(15) else ():
        if rep > 1:
            d.lose(s, 15, rep)
        elif text := d.text(part):
            made["lotNumber"] = text
    if s.get(16):
        put_date(d, s, 16, s.get(16).partition(d.message.repetition)[0], made, "expirationDate")
    for rep, part in d.repeats(s.get(17)) if s.get(17) else ():
        found = None if rep > 1 else manufacturer(d, s, part)
        if found is None:
            d.lose(s, 17, rep)
        else:
            made["manufacturer"] = found
    if s.get(22):
        put_time(d, s, 22, s.get(22), made, "recorded")
    for n in (8, 12, 13, 14, 23, 24, 25):  # facts of a drug that a vaccination has no element for
        if s.get(n):
            d.lose(s, n)
    if orc is not None:
        common(d, orc, made)
        _entering(d, orc, made)
        d.source(orc, made)
    fill(d, s, made)


def _entering(d: Draft, orc: Segment, made: Resource) -> None:
    """ORC-17: the organisation that the person who entered it belongs to."""
    raw = orc.get(17).partition(d.message.repetition)[0]
    if raw and (found := manufacturer(d, orc, raw)):
        made.setdefault("performer", []).append(
            {"function": {"coding": [{"system": _ROLE, "code": "EP"}]}, "actor": found}
        )
        d.lost.pop(d.where(orc, 17), None)


def _status(d: Draft, s: Segment, made: Resource) -> None:
    completion = d.first(s.get(20)).upper()
    found = d.coded("0322", completion) if completion else None
    reasons = [c for rep, part in d.repeats(s.get(18)) if (c := concept(d, s, 18, part, rep))] if s.get(18) else []
    if d.first(s.get(21)).upper() == "D":
        made["status"] = "entered-in-error"
        if completion:
            d.lose(s, 20)
    elif found is not None:
        made["status"] = found[1]
    else:
        if completion:
            d.lose(s, 20)
        made["status"] = "not-done" if reasons else "completed"
    if completion == "PA":
        made["isSubpotent"] = True
    if reasons:
        made["statusReason"] = reasons[0]
        for rep in range(2, len(reasons) + 1):
            extra = reasons[rep - 1]
            made["statusReason"].setdefault("coding", []).extend(extra.get("coding", ()))
            if not extra.get("coding"):
                d.lose(s, 18, rep)
    elif completion in ("RE", "NA"):
        made["statusReason"] = {"coding": [{"system": THO + "v2-0322", "code": completion}]}


def _dose(d: Draft, s: Segment, made: Resource) -> None:
    amount = d.first(s.get(6))
    value = number(amount) if amount else None
    if value in (999, 9999):  # the guide's value for "amount not known"
        if s.get(7):
            d.lose(s, 7)
        return
    if value is not None:
        made["doseQuantity"] = {"value": value}
        if s.get(7):
            unit(d, s, 7, s.get(7).partition(d.message.repetition)[0], made["doseQuantity"])
    else:
        for n in (6, 7):
            if s.get(n):
                d.lose(s, n)


def _origin(d: Draft, s: Segment, made: Resource) -> None:
    """RXA-9: administered here (00) or told by others (01 ..); other repetitions are notes."""
    for rep, part in d.repeats(s.get(9)) if s.get(9) else ():
        found = concept(d, s, 9, part, rep)
        if not found:
            continue
        coding = next((c for c in found.get("coding", ()) if c.get("code", "").isdigit() and len(c["code"]) == 2), None)
        if coding is not None and "primarySource" not in made:
            made["primarySource"] = coding["code"] == "00"
            if coding["code"] != "00":
                made["reportOrigin"] = found
        elif (sent := [d.text(p) for p in d.parts(part)])[0] and sent[2:3] and sent[2].upper().endswith("IMM_ID"):
            # many registries send their own number of the vaccination here
            number_of = {"type": {"text": sent[1]}} if sent[1] else {}
            made.setdefault("identifier", []).append({**number_of, "system": d.system(sent[2]), "value": sent[0]})
            d.rest(s, 9, rep, sent, 3)
        else:
            if text := plain(d, part):
                made.setdefault("note", []).append({"text": text})
            for at, value in enumerate(sent, 1):
                if at in (1, 2, 4, 5) and value and value != text:
                    d.lose(s, 9, rep, at)  # a note says the words alone


def _people(d: Draft, s: Segment, made: Resource) -> None:
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append(
                {"function": {"coding": [{"system": _ROLE, "code": "AP"}]}, "actor": who}
            )
    if place := place_of(d, s):
        made["location"] = place


def place_of(d: Draft, s: Segment) -> dict[str, Any] | None:
    """RXA-11, else RXA-27 of later versions; where both are sent and differ, the second is listed."""
    found = where_given(d, s, 11, s.get(11)) if s.get(11) else None
    if found is None:
        return where_given(d, s, 27, s.get(27)) if s.get(27) else None
    if s.get(27) and d.parts(s.get(27))[:8] != d.parts(s.get(11))[:8]:
        d.lose(s, 27)
    return found


def where_given(d: Draft, s: Segment, n: int, raw: str) -> dict[str, Any] | None:
    """RXA-11 (LA2): point of care, room, bed, facility, ..., address; RXA-27 is a plain PL."""
    parts = raw.partition(d.message.repetition)[0].split(d.message.component)
    place = location(d, s, n, d.message.component.join(parts[:8]))
    street = [d.text(p) for p in parts[8:16]] if n == 11 else []
    if place is None and any(street):
        resource = d.add("Location", d.scope, *street)
        d.source(s, resource)
        place = d.ref(resource)
    if place is None:
        return None
    if any(street):
        street += [""] * (8 - len(street))
        address: dict[str, Any] = {}
        if lines := [t for t in street[:2] if t]:
            address["line"] = lines
        for key, text in zip(("city", "state", "postalCode", "country"), street[2:6], strict=True):
            if text:
                address[key] = text
        if address:
            d.resources[place["reference"]]["address"] = address
    return place
