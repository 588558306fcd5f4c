"""RXO, RXE, RXR, RXC -> MedicationRequest, and what it shares with the other medication resources.

Sources: HL7 v2.8.2 sections 4.14.1 (RXO), 4.14.4 (RXE), 4.14.5 (RXD), 4.14.2 (RXR), 4.14.3 (RXC); FHIR R4 medication resources.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import timing
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, quantity, unit
from adapters.hl7v2.order_numbers import key_of, listed, numbers_of
from adapters.hl7v2.orders import common, status_of
from adapters.hl7v2.parties import practitioners
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from hie.model import Resource

_DOSE = {  # segment -> fields of: drug, minimum, maximum, unit, form
    "RXO": (1, 2, 3, 4, 5), "RXE": (2, 3, 4, 5, 6), "RXD": (2, 12, 0, 0, 6), "RXG": (4, 5, 6, 7, 8),
}  # fmt: skip


def start(d: Draft, s: Segment, kind: str, code: str, at: tuple[int, int]) -> tuple[Resource, Segment | None]:
    """A new medication resource with the numbers of its order."""
    orc = d.now.pop("orc", None)
    placer, filler = numbers_of(d, orc, s, at)
    key = key_of(d, placer, filler, "", d.control_id)
    made = d.unique(kind, *key)
    numbers = listed(placer, filler)
    if numbers:
        made["identifier"] = numbers
    for role in ("report", "observation", "specimen", "key"):
        d.now.pop(role, None)
    d.now["medication"] = d.now["about"] = d.owner = made
    d.source(s, made)
    return made, orc


def rx_order(d: Draft, s: Segment) -> None:
    """RXO (as asked) and RXE (as encoded by the pharmacy) are one MedicationRequest when they come under one ORC."""
    before = d.now.get("medication")
    drug, low, high, unit_field, form = _DOSE[s.name]
    if (
        before is not None
        and before["resourceType"] == "MedicationRequest"
        and d.now.get("orc") is None
        and s.name == "RXE"
    ):
        made, orc = before, None
        d.source(s, made)
        d.owner = made
    else:
        made, orc = start(d, s, "MedicationRequest", d.first(s.get(drug)), (0, 0))
        made["status"] = status_of(d, orc, None, "m")
        made["intent"] = "order"
        made["subject"] = dict(d.patient) if d.patient else d.nobody()
        if (encounter := d.now.get("encounter")) is not None:
            made["encounter"] = d.ref(encounter)
    found = concept(d, s, drug, s.get(drug)) if s.get(drug) else None
    held = made.get("medicationCodeableConcept")
    if held is None:  # an order before gave a form, so its drug is contained
        held = next((c["code"] for c in made.get("contained", ()) if c["id"] == "drug" and "code" in c), None)
    if found and held:
        for one in found.get("coding", ()):
            if one not in held.setdefault("coding", []):
                held["coding"].append(one)
        if "text" in found and held.setdefault("text", found["text"]) != found["text"]:
            held.setdefault("coding", []).append({"display": found["text"]})  # the drug in the pharmacy's own words
    elif found:
        made["medicationCodeableConcept"] = found
    elif not held:
        made["medicationCodeableConcept"] = d.nobody()
    slot = made.setdefault("dosageInstruction", [{}])
    dose_of(d, s, slot[0], low, high, unit_field)
    if orc is not None:
        common(d, orc, made)
    timing.waiting(d, made)
    _dispense(d, s, made)
    if raw := s.get(form):
        form_of(d, s, form, raw, made)
    if s.name == "RXE":
        _encoded(d, s, made, slot[0])
    else:
        _asked(d, s, made, slot[0])
    fill(d, s, made)
    if not slot[0] and "dosageInstruction" in made:
        d.later.append(lambda: made.pop("dosageInstruction", None) if made.get("dosageInstruction") == [{}] else None)


def dose_of(d: Draft, s: Segment, dose: dict[str, Any], low: int, high: int, unit_field: int) -> None:
    least = number(d.first(s.get(low))) if s.get(low) else None
    most = number(d.first(s.get(high))) if high and s.get(high) else None
    for n, value in ((low, least), (high, most)):
        if n and s.get(n) and value is None:
            d.lose(s, n)
    shared: dict[str, Any] = {}
    if unit_field and s.get(unit_field):
        if least is None and most is None:
            d.lose(s, unit_field)
        else:
            unit(d, s, unit_field, s.get(unit_field), shared)
    if least is None and most is None:
        return
    rate = dose.setdefault("doseAndRate", [{}])[0]
    before = d.now.get("dose")
    if before is not None and before[0] is dose and before[1] is not s:
        for n, mine in zip(
            before[2], (low, high, unit_field), strict=True
        ):  # the pharmacy's dose replaces the one asked for
            if n and before[1].get(n) and (not mine or before[1].get(n) != s.get(mine)):
                d.lose(before[1], n)
    d.now["dose"] = (dose, s, (low, high, unit_field))
    if most is not None and least is not None and most != least:
        rate.pop("doseQuantity", None)
        rate["doseRange"] = {"low": {"value": least, **shared}, "high": {"value": most, **shared}}
    else:
        rate["doseQuantity"] = {"value": least if least is not None else most, **shared}


def form_of(d: Draft, s: Segment, n: int, raw: str, made: Resource) -> None:
    """The dosage form lives on Medication: contained, since nobody knows it by a number."""
    form = concept(d, s, n, raw)
    if form is None:
        return
    contained = made.setdefault("contained", [])
    if contained:
        if contained[0].setdefault("form", form) != form:
            d.lose(s, n)
        return
    drug = made.pop("medicationCodeableConcept")
    contained.append(
        {
            "resourceType": "Medication",
            "id": "drug",
            **({"code": drug} if "coding" in drug or "text" in drug else {}),
            "form": form,
        }
    )
    made["medicationReference"] = {"reference": "#drug"}


def drug_of(made: Resource) -> dict[str, Any]:
    """The contained Medication, made from the plain code where it is not there yet."""
    contained = made.setdefault("contained", [])
    if not contained:
        drug = made.pop("medicationCodeableConcept", {})
        contained.append(
            {
                "resourceType": "Medication",
                "id": "drug",
                **({"code": drug} if "coding" in drug or "text" in drug else {}),
            }
        )
        made["medicationReference"] = {"reference": "#drug"}
    found: dict[str, Any] = contained[0]
    return found


def amount_of(d: Draft, s: Segment, n: int, unit_field: int) -> dict[str, Any] | None:
    value = number(d.first(s.get(n))) if s.get(n) else None
    if value is None:
        for one in (n, unit_field):
            if s.get(one):
                d.lose(s, one)
        return None
    made: dict[str, Any] = {"value": value}
    if s.get(unit_field):
        unit(d, s, unit_field, s.get(unit_field), made)
    return made


def _dispense(d: Draft, s: Segment, made: Resource) -> None:
    amount_field, unit_field, refills = (11, 12, 13) if s.name == "RXO" else (10, 11, 12)
    request: dict[str, Any] = made.get("dispenseRequest", {})
    if (s.get(amount_field) or s.get(unit_field)) and (amount := amount_of(d, s, amount_field, unit_field)):
        request["quantity"] = amount
    if text := d.first(s.get(refills)):
        if text.isdigit():
            request["numberOfRepeatsAllowed"] = int(text)
        else:
            d.lose(s, refills)
    if request:
        made["dispenseRequest"] = request


def texts(d: Draft, s: Segment, fields: tuple[int, ...], dose: dict[str, Any]) -> None:
    """Pharmacy and administration instructions: a code is an additional instruction, a text the sig."""
    for n in fields:
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            found = concept(d, s, n, part, rep)
            if found and found.get("coding") and d.message.component in part:
                dose.setdefault("additionalInstruction", []).append(found)
            elif text := readable(d, part):
                dose["text"] = f"{dose['text']}\n{text}" if "text" in dose and dose["text"] != text else text


def _asked(d: Draft, s: Segment, made: Resource, dose: dict[str, Any]) -> None:
    texts(d, s, (6, 7), dose)
    _substitution(d, s, 9, made)
    if (raw := s.get(14)) and (who := practitioners(d, s, 14, raw)):
        made.setdefault("requester", who[0])
    strength(d, s, 18, 19, made)
    for rep, part in d.repeats(s.get(20)) if s.get(20) else ():
        if why := concept(d, s, 20, part, rep):
            made.setdefault("reasonCode", []).append(why)
    rate(d, s, 21, 22, dose)


def _encoded(d: Draft, s: Segment, made: Resource, dose: dict[str, Any]) -> None:
    if raw := s.get(1):
        timing.of_order(d, s, 1, raw, made)
    texts(d, s, (7, 21), dose)
    _substitution(d, s, 9, made)
    who = practitioners(d, s, 13, s.get(13)) if s.get(13) else []
    if who and made.setdefault("requester", who[0]) != who[0]:
        d.lose(s, 13)
    if raw := s.get(15):
        number_sent = {"value": d.first(raw)}
        identifiers = made.setdefault("identifier", [])
        if not any(i["value"] == number_sent["value"] for i in identifiers):
            identifiers.append(number_sent)
    strength(d, s, 25, 26, made)
    rate(d, s, 23, 24, dose)
    for rep, part in d.repeats(s.get(27)) if s.get(27) else ():
        if why := concept(d, s, 27, part, rep):
            made.setdefault("reasonCode", []).append(why)
    if s.get(19) and (amount := quantity(d, s, 19, s.get(19))):
        dose["maxDosePerPeriod"] = {
            "numerator": amount,
            "denominator": {"value": 1, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"},
        }


def _substitution(d: Draft, s: Segment, n: int, made: Resource) -> None:
    sent = d.first(s.get(n)).upper()
    if sent in ("N", "0", "1"):
        made["substitution"] = {"allowedBoolean": sent == "0"} if sent != "N" else {"allowedBoolean": False}
    elif sent in ("G", "T", "Y"):
        made["substitution"] = {"allowedBoolean": True}
    elif sent:
        d.lose(s, n)


def strength(d: Draft, s: Segment, n: int, unit_field: int, made: Resource) -> None:
    if not (s.get(n) or s.get(unit_field)):
        return
    if amount := amount_of(d, s, n, unit_field):
        drug = drug_of(made)
        ingredient = drug.setdefault("ingredient", [])
        entry: dict[str, Any] = {
            "itemCodeableConcept": dict(drug["code"]) if "code" in drug else d.nobody(),
            "strength": {"numerator": amount, "denominator": {"value": 1}},
        }
        if not ingredient:
            ingredient.append(entry)


def rate(d: Draft, s: Segment, n: int, unit_field: int, dose: dict[str, Any]) -> None:
    if (s.get(n) or s.get(unit_field)) and (amount := amount_of(d, s, n, unit_field)):
        dose.setdefault("doseAndRate", [{}])[0]["rateQuantity"] = amount


def rxr(d: Draft, s: Segment) -> None:
    """Route, site, device and method of what was ordered, dispensed, given or injected."""
    made = d.now.get("about")
    target = made if made is not None else d.now.get("medication")
    if target is None:
        fill(d, s)
        for n in (1, 2, 3, 4):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.owner or d.now.get("patient"))
        return
    d.source(s, target)
    kind = target["resourceType"]
    found = {
        n: concept(d, s, n, s.get(n), 0, table)
        for n, table in ((1, "0162"), (2, "0163"), (3, "0164"), (4, "0165"))
        if s.get(n)
    }
    if kind == "Immunization":
        into = target
    elif kind == "MedicationAdministration":
        into = target.setdefault("dosage", {})
    elif kind in ("MedicationRequest", "MedicationDispense"):
        into = target.setdefault("dosageInstruction", [{}])[0]
    else:
        into = {}
    for n, key in ((1, "route"), (2, "site"), (4, "method")):
        if found.get(n) and (
            (
                not into
                and kind
                not in (
                    "Immunization",
                    "MedicationAdministration",
                    "MedicationRequest",
                    "MedicationDispense",
                )
            )
            or (key == "method" and kind == "Immunization")
            or into.setdefault(key, found[n]) != found[n]
        ):
            d.lose(s, n)
    if 3 in found:
        d.lose(s, 3)
    if (modifier := concept(d, s, 6, s.get(6)) if s.get(6) else None) and "site" in into:
        into["site"].setdefault("coding", []).extend(modifier.get("coding", ()))
    elif s.get(6):
        d.lose(s, 6)
    fill(d, s, target)


def rxc(d: Draft, s: Segment) -> None:
    """A component of a mixture: an ingredient of the contained Medication."""
    target = d.now.get("medication")
    if target is None:
        fill(d, s)
        for n in (1, 2, 3, 4):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.owner or d.now.get("patient"))
        return
    d.source(s, target)
    entry: dict[str, Any] = {"itemCodeableConcept": (concept(d, s, 2, s.get(2)) if s.get(2) else None) or d.nobody()}
    if (kind := d.first(s.get(1)).upper()) in ("A", "B"):
        entry["isActive"] = kind == "A"
    elif kind:
        d.lose(s, 1)
    if amount := amount_of(d, s, 3, 4) if s.get(3) or s.get(4) else None:
        entry["strength"] = {"numerator": amount, "denominator": {"value": 1}}
    drug_of(target).setdefault("ingredient", []).append(entry)
    fill(d, s, target)
