"""RXD -> MedicationDispense, RXA that is no vaccine -> MedicationAdministration.

Sources: HL7 v2.8.2 sections 4.14.5 (RXD), 4.14.7 (RXA); FHIR R4 medication resources.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import timing
from adapters.hl7v2.concepts import concept, concepts
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import quantity
from adapters.hl7v2.orders import common
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.pharmacy import amount_of, drug_of, form_of, start, strength, texts
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from adapters.hl7v2.vaccine import immunization, is_vaccine


def rxd(d: Draft, s: Segment) -> None:
    asked = d.now.get("medication")
    made, orc = start(d, s, "MedicationDispense", d.first(s.get(2)), (0, 0))
    if asked is not None and asked["resourceType"] == "MedicationRequest":
        made["authorizingPrescription"] = [d.ref(asked)]
    made["status"] = "unknown"
    made["medicationCodeableConcept"] = (concept(d, s, 2, s.get(2)) if s.get(2) else None) or d.nobody()
    if d.patient:
        made["subject"] = dict(d.patient)
    if (encounter := d.now.get("encounter")) is not None:
        made["context"] = d.ref(encounter)
    if orc is not None:
        common(d, orc, made)
    if s.get(3):
        put_time(d, s, 3, s.get(3), made, "whenHandedOver")
    if (s.get(4) or s.get(5)) and (amount := amount_of(d, s, 4, 5)):
        made["quantity"] = amount
    if raw := s.get(6):
        form_of(d, s, 6, raw, made)
    if number_sent := d.first(s.get(7)):
        known = made.setdefault("identifier", [])
        if not any(i["value"] == number_sent for i in known):
            known.append({"value": number_sent})
    if text := "\n".join(t for p in s.get(9).split(d.message.repetition) if (t := readable(d, p))):
        made["note"] = [{"text": text}]
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append({"actor": who})
    if (raw := s.get(12)) and (amount := quantity(d, s, 12, raw)):
        made.setdefault("dosageInstruction", [{}])[0].setdefault("doseAndRate", [{}])[0]["doseQuantity"] = amount
    if s.get(15):
        slot = made.setdefault("dosageInstruction", [{}])[0]
        texts(d, s, (15,), slot)
    strength(d, s, 16, 17, made)
    for rep, part in d.repeats(s.get(18)) if s.get(18) else ():
        if rep > 1:
            d.lose(s, 18, rep)
        elif lot := d.text(part):
            drug_of(made).setdefault("batch", {})["lotNumber"] = lot
    if s.get(19):
        put_time(
            d,
            s,
            19,
            s.get(19).partition(d.message.repetition)[0],
            drug_of(made).setdefault("batch", {}),
            "expirationDate",
        )
        if not drug_of(made)["batch"]:
            del drug_of(made)["batch"]
    timing.waiting(d, made)
    fill(d, s, made)


def given(d: Draft, s: Segment) -> None:
    """RXA that is no vaccine -> MedicationAdministration; RXG -> MedicationRequest's give instructions."""
    if is_vaccine(d, s):
        immunization(d, s)
        return
    asked = d.now.get("medication")
    made, orc = start(d, s, "MedicationAdministration", d.first(s.get(5)), (0, 0))
    if asked is not None and asked["resourceType"] == "MedicationRequest":
        made["request"] = d.ref(asked)
    completion = d.first(s.get(20)).upper()
    made["status"] = {"CP": "completed", "RE": "not-done", "NA": "not-done", "PA": "stopped"}.get(completion, "unknown")
    if d.first(s.get(21)).upper() == "D":
        made["status"] = "entered-in-error"
    found = concepts(d, s, 5, s.get(5)) if s.get(5) else []
    made["medicationCodeableConcept"] = found[0] if found else d.nobody()
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["context"] = d.ref(encounter)
    begin, end = s.get(3), s.get(4)
    if begin and end and begin != end:
        span: dict[str, Any] = {}
        put_time(d, s, 3, begin, span, "start")
        put_time(d, s, 4, end, span, "end")
        made["effectivePeriod"] = span
    elif begin:
        put_time(d, s, 3, begin, made, "effectiveDateTime")
    if not any(k.startswith("effective") and made[k] for k in made):
        made.pop("effectivePeriod", None)
        made["_effectiveDateTime"] = d.nobody()
    if s.get(6) and (amount := amount_of(d, s, 6, 7)):
        made.setdefault("dosage", {})["dose"] = amount
    for _, part in d.repeats(s.get(9)) if s.get(9) else ():
        if text := readable(d, part):
            made.setdefault("note", []).append({"text": text})
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append({"actor": who})
    for rep, part in d.repeats(s.get(18)) if s.get(18) else ():
        if why := concept(d, s, 18, part, rep):
            made.setdefault("statusReason", []).append(why)
    for n in (11, 15, 16, 17, 22, 27):
        if s.get(n):
            d.lose(s, n)
    if orc is not None:
        common(d, orc, made)
    fill(d, s, made)
