"""FT1 -> ChargeItem; ACC -> Observation. Sources: HL7 v2.8.2 sections 6.5.1 (FT1), 6.5.9 (ACC); FHIR R4 ChargeItem."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.numbers import money, number
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import period, put_time

_LOINC = "http://loinc.org"


def ft1(d: Draft, s: Segment) -> None:
    number_sent = d.first(s.get(2))
    code = concept(d, s, 7, s.get(7)) if s.get(7) else None
    seed = (code or {}).get("coding", [{}])[0].get("code", "")
    made = d.unique(
        "ChargeItem",
        d.scope,
        d.patient["reference"] if d.patient else d.control_id,
        number_sent or d.control_id,
        seed,
        d.first(s.get(4)),
    )
    if number_sent:
        made["identifier"] = [{"value": number_sent}]
    kind = d.first(s.get(6)).upper()
    known = d.coded("0017", kind) if kind else None
    made["status"] = known[1] if known and known[1] != "-" else "unknown"
    if kind and not (known and known[1] != "-"):
        d.lose(s, 6)
    text = d.first(s.get(8))
    made["code"] = code or ({"text": text} if text else d.nobody())
    if code and text and text not in {c.get("display") for c in code.get("coding", ())}:
        code.setdefault("text", text)
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["context"] = d.ref(encounter)
    if (account := d.now.get("account")) is not None:
        made["account"] = [d.ref(account)]
    d.owner = d.now["about"] = made
    d.source(s, made)
    if raw := s.get(4):
        span = period(d, s, 4, raw) if d.message.component in raw else None
        if span and len(span) > 1 and "end" in span:
            made["occurrencePeriod"] = span
        elif raw:
            put_time(d, s, 4, raw, made, "occurrenceDateTime")
    if raw := s.get(5):
        put_time(d, s, 5, raw, made, "enteredDate")
    _amounts(d, s, made)
    for rep, part in d.repeats(s.get(25)) if s.get(25) else ():
        if procedure := concept(d, s, 25, part, rep):
            codings = made["code"].setdefault("coding", [])
            codings.extend(c for c in procedure.get("coding", ()) if c not in codings)
            if not codings:
                del made["code"]["coding"]
            made["code"].pop("extension", None)
    for n, role in ((20, "performed by"), (21, "ordered by"), (24, "entered by")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if who := practitioner(d, s, n, part, rep):
                if n == 24 and "enterer" not in made:
                    made["enterer"] = who
                else:
                    made.setdefault("performer", []).append({"function": {"text": role}, "actor": who})
    for n in (13,):
        if (raw := s.get(n)) and (unit_of := concept(d, s, n, raw)):
            name = unit_of.get("coding", [{}])[0]
            made["performingOrganization"] = {
                **({"identifier": {"value": name["code"]}} if name.get("code") and name.get("display") else {}),
                "type": "Organization",
                "display": unit_of.get("text") or name.get("display") or name.get("code", ""),
            }
    for n in (23,):
        if (raw := s.get(n)) and (order := ei(d, s, n, raw)):
            made.setdefault("supportingInformation", []).append({"type": "ServiceRequest", "identifier": order})
    if raw := s.get(14):
        d.lose(s, 14)
    fill(d, s, made)


def _amounts(d: Draft, s: Segment, made: dict[str, Any]) -> None:
    if (raw := s.get(10)) and (count := number(d.first(raw))) is not None:
        made["quantity"] = {"value": count}
    elif s.get(10):
        d.lose(s, 10)
    total = money(d, s, 11, s.get(11)) if s.get(11) else None
    each = money(d, s, 12, s.get(12)) if s.get(12) else None
    one = money(d, s, 22, s.get(22)) if s.get(22) else None
    price = total or each
    if price is not None:
        made["priceOverride"] = price
    for n, value in ((12, each), (22, one)):
        if value is not None and value != price:
            d.lose(s, n)


def accident(d: Draft, s: Segment) -> None:
    """ACC: the accident behind the visit, an Observation about its circumstances."""
    code = concept(d, s, 2, s.get(2), 0, "0050") if s.get(2) else None
    place = d.text(s.get(3))
    if not code and not place:
        fill(d, s)
        if s.get(1):
            d.lose(s, 1)
        d.source(s, d.now.get("encounter") or d.now.get("patient"))
        return
    made = d.unique(
        "Observation", d.scope, d.patient["reference"] if d.patient else d.control_id, d.control_id, "accident"
    )
    made["status"] = "unknown"
    made["code"] = {"coding": [{"system": _LOINC, "code": "11374-6"}]}
    if d.patient:
        made["subject"] = dict(d.patient)
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    if code:
        made["valueCodeableConcept"] = code
    if s.get(1):
        put_time(d, s, 1, s.get(1), made, "effectiveDateTime")
    if place:
        made["component"] = [{"code": {"coding": [{"system": _LOINC, "code": "11376-1"}]}, "valueString": place}]
    d.owner = made
    d.source(s, made)
    fill(d, s, made)
