"""FT1 -> ChargeItem; ACC -> Observation. Sources: HL7 v2.8.2 sections 6.5.1 (FT1), 6.5.9 (ACC); FHIR R4 ChargeItem."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.numbers import money, number
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import period, put_time

INCIDENT = (THO + "v3-ActClass", "INC")
"""v3 has a code for an event outside of anybody's control, accidents among them; the kind of accident is its value."""
PERFORMER = (THO + "v3-ParticipationType", "PRF")
ORDERER = (THO + "v2-0443", "OP")
PLACE = "http://hl7.org/fhir/StructureDefinition/event-location"
UNIT_PRICE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ChargeItem.unitPriceComponent"
"""R4's ChargeItem has one price; the standard extension carries R5's price of one unit."""


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
    if kind and (known is None or made["status"] != "billable"):
        d.lose(s, 6)
        if (
            known is not None
        ):  # money that came in or was given back: R4 has no statement of it that a charge fits beside
            d.warn("charge-not-one", s, 6, "a payment, credit or adjustment: nothing that can be billed")
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
    for n, role in ((20, PERFORMER), (21, ORDERER), (24, None)):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if who := practitioner(d, s, n, part, rep):
                if role is not None:
                    function = {"coding": [{"system": role[0], "code": role[1]}]}
                    made.setdefault("performer", []).append({"function": function, "actor": who})
                elif made.setdefault("enterer", who) != who:
                    d.lose(s, n, rep)
    for rep, part in d.repeats(s.get(26)) if s.get(26) else ():
        for coding in (concept(d, s, 26, part, rep) or {}).get("coding", ()):
            if coding not in (known := made["code"].setdefault("coding", [])):
                known.append(coding)
    if (raw := s.get(13)) and (unit_of := concept(d, s, 13, raw)):
        _department(made, unit_of)
    if (raw := s.get(23)) and (order := ei(d, s, 23, raw)):
        made.setdefault("supportingInformation", []).append({"type": "ServiceRequest", "identifier": order})
    fill(d, s, made)


def _department(made: dict[str, Any], unit_of: dict[str, Any]) -> None:
    """FT1-13: a department by its code, under its name."""
    first = unit_of.get("coding", [{}])[0]
    party: dict[str, Any] = {"type": "Organization"}
    if first.get("code") and (first.get("display") or first.get("system")):
        party["identifier"] = {
            key: value for key, value in (("system", first.get("system")), ("value", first["code"])) if value
        }
    if shown := unit_of.get("text") or first.get("display") or ("" if "identifier" in party else first.get("code", "")):
        party["display"] = shown
    made["performingOrganization"] = party


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
    if each is not None and each is not price:
        made["extension"] = [{"url": UNIT_PRICE, "extension": [{"url": "amount", "valueMoney": each}]}]
    if one is not None and one != price:
        d.lose(s, 22)


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
    made["code"] = {"coding": [{"system": INCIDENT[0], "code": INCIDENT[1]}]}
    if d.patient:
        made["subject"] = dict(d.patient)
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    if code:
        made["valueCodeableConcept"] = code
    if s.get(1):
        put_time(d, s, 1, s.get(1), made, "effectiveDateTime")
    if place:
        made["extension"] = [{"url": PLACE, "valueReference": {"type": "Location", "display": place}}]
    _told(d, s, made)
    d.owner = made
    d.source(s, made)
    fill(d, s, made)


def _told(d: Draft, s: Segment, made: dict[str, Any]) -> None:
    """ACC-7 who entered it, ACC-8 what happened."""
    if text := d.text(s.get(8)):
        made["note"] = [{"text": text}]
    for rep, part in d.repeats(s.get(7)) if s.get(7) else ():
        if who := practitioner(d, s, 7, part, rep):
            made.setdefault("performer", []).append(who)
