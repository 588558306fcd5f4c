"""PDA -> Condition: what somebody died of, and who certified it. Source: HL7 v2.8.2 section 3.4.9; FHIR R4 Condition."""

from __future__ import annotations

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concepts
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource


def pda(d: Draft, s: Segment) -> None:
    """PDA-1 cause (each repetition), PDA-4 time of the certificate, PDA-5 who signed it."""
    causes = concepts(d, s, 1, s.get(1)) if s.get(1) else []
    first: Resource | None = None
    for cause in causes:
        code = cause.get("coding", [{}])[0].get("code", "") or cause.get("text", "")
        made = d.unique("Condition", d.scope, d.patient["reference"] if d.patient else d.control_id, "death", code)
        made["subject"] = dict(d.patient) if d.patient else d.nobody()
        made["code"] = cause
        made["category"] = [{"coding": [{"system": THO + "condition-category", "code": "encounter-diagnosis"}]}]
        if (encounter := d.now.get("encounter")) is not None:
            made["encounter"] = d.ref(encounter)
        if s.get(4):
            put_time(d, s, 4, s.get(4), made, "recordedDate")
        if s.get(5) and (who := practitioner(d, s, 5, s.get(5).partition(d.message.repetition)[0])):
            made["asserter"] = who
        d.source(s, made)
        first = first or made
    if first is None:
        for n in (4, 5):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.now.get("patient"))
    elif d.message.repetition in s.get(5):
        d.lose(s, 5, 2)
    fill(d, s)
