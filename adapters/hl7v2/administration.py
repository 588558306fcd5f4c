"""RXA that is no vaccine -> MedicationAdministration. Sources: HL7 v2.8.2 section 4.14.7 (RXA); FHIR R4 MedicationAdministration."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import drug
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.dose import per
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.drug import amount_of
from adapters.hl7v2.numbers import number
from adapters.hl7v2.orders import common
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.pharmacy import note, ordered_by, start
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import fhir_time_of, put_time
from adapters.hl7v2.vaccine import immunization, is_vaccine, place_of
from hie.model import Resource

_PLACE = "http://hl7.org/fhir/StructureDefinition/event-location"
"""Standard extension: MedicationAdministration has no element for where it happened."""
_STATUS = {"CP": "completed", "RE": "not-done", "NA": "not-done", "PA": "stopped"}


def given(d: Draft, s: Segment) -> None:
    if is_vaccine(d, s):
        immunization(d, s)
        return
    asked = ordered_by(d)
    made, orc = start(d, s, "MedicationAdministration", d.first(s.get(5)), (0, 0))
    if asked is not None:
        made["request"] = d.ref(asked)
        d.now["carried-out"] = asked
    completion = d.first(s.get(20)).upper()
    made["status"] = _STATUS.get(completion, "unknown")
    if completion and completion not in _STATUS:
        d.lose(s, 20)
    if d.first(s.get(21)).upper() == "D":
        made["status"] = "entered-in-error"
        if completion in _STATUS:
            d.lose(s, 20)
    d.now.setdefault("given", []).append(made)
    drug.named(d, s, 5, made)
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["context"] = d.ref(encounter)
    _times(d, s, made)
    _dose(d, s, made)
    drug.form_of(d, s, 8, made)
    for rep, part in d.repeats(s.get(9)) if s.get(9) else ():
        note(d, s, 9, part, rep, made)
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append({"actor": who})
    if place := place_of(d, s):
        made["extension"] = [{"url": _PLACE, "valueReference": place}]
    drug.strength(d, s, 13, 14, made, 23, 24)
    drug.batch(d, s, 15, 16, made)
    drug.maker(d, s, 17, made)
    for rep, part in d.repeats(s.get(18)) if s.get(18) else ():
        if why := concept(d, s, 18, part, rep):
            made.setdefault("statusReason", []).append(why)
    if s.get(22):
        d.lose(s, 22)
    if (raw := s.get(25)) and (code := d.first(raw)):  # the bar code that was scanned
        drug.drug_of(made).setdefault("identifier", []).append({"value": code})
        d.rest(s, 25, 0, d.parts(raw.partition(d.message.repetition)[0]), 1)
    if orc is not None:
        common(d, orc, made)
    fill(d, s, made)


def _times(d: Draft, s: Segment, made: Resource) -> None:
    begin, end = s.get(3), s.get(4)
    if begin and end and fhir_time_of(d, begin) != fhir_time_of(d, end):
        span: dict[str, Any] = {}
        put_time(d, s, 3, begin, span, "start")
        put_time(d, s, 4, end, span, "end")
        made["effectivePeriod"] = span
    elif begin:
        put_time(d, s, 3, begin, made, "effectiveDateTime")
    elif end:
        span = {}
        if put_time(d, s, 4, end, span, "end"):
            made["effectivePeriod"] = span
    if not any(k.startswith("effective") and made[k] for k in made):
        made["effectivePeriod"] = d.nobody()


def _dose(d: Draft, s: Segment, made: Resource) -> None:
    """RXA-6, RXA-7 and, where RXA-12 names a time, the rate that they make with it."""
    amount = None
    if number(d.first(s.get(6))) in (999, 9999):  # the guide's value for "amount not known"
        if s.get(7):
            d.lose(s, 7)
    elif s.get(6) or s.get(7):
        amount = amount_of(d, s, 6, 7)
    if amount is not None:
        made.setdefault("dosage", {})["dose"] = amount
    if not s.get(12):
        return
    time = per(d.first(s.get(12)))
    if amount is None or time is None:
        d.lose(s, 12)
    else:
        made["dosage"]["rateRatio"] = {"numerator": dict(amount), "denominator": time}
