"""RXO, RXE, RXG -> MedicationRequest, and what it shares with the other medication resources.

Sources: HL7 v2.8.2 sections 4.14.1 (RXO), 4.14.4 (RXE), 4.14.6 (RXG); FHIR R4 medication resources.
"""

from __future__ import annotations

import re
from typing import Any

from adapters.hl7v2 import drug, order_parties, route, timing
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import telecoms, xad
from adapters.hl7v2.dose import dose_of, highest, rate, texts
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.drug import amount_of
from adapters.hl7v2.order_numbers import key_of, listed, numbers_of
from adapters.hl7v2.orders import common, status_of
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import fhir_time_of, put_time
from hie.model import Resource

_SUBSTITUTION = "http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution"
_ALLOWED = {"N": "N", "G": "G", "T": "TE", "1": "N"}
"""Tables 0161 and 0167 -> v3-substanceAdminSubstitution, where it has the same meaning; 2 to 8 say why, not whether."""


def start(d: Draft, s: Segment, kind: str, code: str, at: tuple[int, int]) -> tuple[Resource, Segment | None]:
    """A new medication resource with the numbers of its order."""
    orc = d.now.pop("orc", None)
    if orc is not None:
        d.now["rx-orc"] = orc
    placer, filler = numbers_of(d, orc, s, at)
    key = key_of(d, placer, filler, code, d.control_id)
    made = d.unique(kind, *key)
    numbers = listed(placer, filler)
    if numbers:
        made["identifier"] = numbers
    for role in ("report", "observation", "specimen", "key", "asked"):
        d.now.pop(role, None)
    if orc is not None or (kind == "MedicationRequest" and s.name != "RXG"):
        for role in ("carried-out", "given"):
            d.now.pop(role, None)
    d.now["medication"] = d.now["about"] = d.owner = made
    d.source(s, made)
    route.waiting(d, orc)
    return made, orc


def ordered_by(d: Draft) -> Resource | None:
    """The order that what follows (a dispense, a giving, an administration) carries out; several may follow one order."""
    if d.now.get("orc") is not None:
        return None
    found: Resource | None = d.now.get("carried-out") or d.now.get("medication")
    return found if found is not None and found["resourceType"] == "MedicationRequest" else None


def _request(d: Draft, s: Segment, code: int, intent: str) -> tuple[Resource, Segment | None]:
    made, orc = start(d, s, "MedicationRequest", d.first(s.get(code)), (0, 0))
    made["status"] = status_of(d, d.now.get("rx-orc") if intent == "instance-order" else orc, None, "m")
    made["intent"] = intent
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    return made, orc


def rxo(d: Draft, s: Segment) -> None:
    """What was asked for."""
    made, orc = _request(d, s, 1, "order")
    d.now["asked"] = made, s
    drug.named(d, s, 1, made)
    slot = made.setdefault("dosageInstruction", [{}])[0]
    dose_of(d, s, slot, 2, 3, 4)
    _ordered(d, orc, made)
    drug.form_of(d, s, 5, made)
    texts(d, s, (6, 7), slot)
    _substitution(d, s, 9, "0161", made)
    _supply(d, s, made, 11, 12, 13)
    prescriber(d, s, 14, made)
    drug.strength(d, s, 18, 19, made, 25, 26)
    _reasons(d, s, 20, made)
    rate(d, s, 21, 22, 17, slot)
    highest(d, s, 23, slot)
    drug.supplementary(d, s, 24, made)
    if (s.get(28)) and (days := amount_of(d, s, 28, 0)):
        days |= {"unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
        made.setdefault("dispenseRequest", {})["dispenseInterval"] = days
    pharmacy(d, s, made, 32, 33, 36)
    fill(d, s, made)
    _tidy(d, made)


def rxe(d: Draft, s: Segment) -> None:
    """As the pharmacy encoded it: the same MedicationRequest as the RXO before it, unless the drug is another one."""
    asked = d.now.pop("asked", None) if d.now.get("orc") is None else None
    basis: Resource | None = None
    if asked is None:
        made, orc = _request(d, s, 2, "order")
    elif _another_drug(d, asked[1], s):
        d.now["orc"] = d.now.get("rx-orc")
        basis = asked[0]
        made, orc = _request(d, s, 2, "filler-order")
    else:
        made, orc = asked[0], None
        d.now["asked supply"] = asked[1]  # what the pharmacy supplies otherwise is listed at the order
        d.source(s, made)
        d.owner = d.now["about"] = made
    drug.named(d, s, 2, made)
    slot = made.setdefault("dosageInstruction", [{}])[0]
    dose_of(d, s, slot, 3, 4, 5)
    _ordered(d, orc, made)
    if basis is not None:
        made.setdefault("basedOn", []).append(d.ref(basis))
    if raw := s.get(1):
        timing.of_order(d, s, 1, raw, made)
    drug.form_of(d, s, 6, made)
    texts(d, s, (7, 21), slot)
    _substitution(d, s, 9, "0167", made)
    _supply(d, s, made, 10, 11, 12)
    prescriber(d, s, 13, made)
    prescription(d, s, 15, made)
    highest(d, s, 19, slot)
    rate(d, s, 23, 24, 22, slot)
    drug.strength(d, s, 25, 26, made, 33, 34)
    _reasons(d, s, 27, made)
    drug.package(d, s, 28, 29, made)
    drug.supplementary(d, s, 31, made)
    if raw := s.get(32):
        _authored(d, s, raw, made)
    if s.get(39) and (amount := amount_of(d, s, 39, 0)):
        if s.get(11) and (shared := amount_of(d, s, 10, 11)):
            amount = {**shared, **amount}
        made.setdefault("dispenseRequest", {})["initialFill"] = {"quantity": amount}
    pharmacy(d, s, made, 40, 41, 45)
    fill(d, s, made)
    _tidy(d, made)


def _another_drug(d: Draft, asked: Segment, s: Segment) -> bool:
    """Whether RXE-2 has no code of RXO-1 and another name or strength: then the codes of both must not stand for one drug."""
    one, other = (_said(d, segment.get(n)) for segment, n in ((asked, 1), (s, 2)))
    if not one[1] or not other[1] or one[0] & other[0]:
        return False
    return not one[1] & other[1] or bool(one[2] and other[2] and not one[2] & other[2])


def _said(d: Draft, raw: str) -> tuple[set[str], set[str], set[str]]:
    """Codes, longer words and numbers (a strength) of a drug."""
    parts = [d.text(p).upper() for p in d.parts(raw.partition(d.message.repetition)[0])]
    words = " ".join(parts[at] for at in ((1, 4, 8) if parts[1:] else (0,)) if at < len(parts))
    codes = {parts[at] for at in (0, 3) if at < len(parts) and parts[at]}
    return codes, {w for w in _WORD.findall(words) if w not in _FORMS}, set(_NUMBER.findall(words))


_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"[A-Z]{4,}")
_FORMS = frozenset(
    ("TABLET", "TABLETS", "TABS", "CAPSULE", "CAPSULES", "CAPS", "ORAL", "SOLUTION", "INJECTION", "CREAM", "SUSPENSION", "INFUSION", "EXTENDED",
     "RELEASE", "UNIT", "UNITS", "DOSE", "SODIUM", "CHLORIDE", "SYRINGE", "VIAL", "DROPS", "POWDER", "WITH")
)  # fmt: skip


def rxg(d: Draft, s: Segment) -> None:
    """One giving of an order: an instance order of its own, based on the order."""
    asked = ordered_by(d)
    made, orc = _request(d, s, 4, "instance-order")
    if asked is not None:
        made["basedOn"] = [d.ref(asked)]
        d.now["carried-out"] = asked
    drug.named(d, s, 4, made)
    slot = made.setdefault("dosageInstruction", [{}])[0]
    dose_of(d, s, slot, 5, 6, 7)
    _ordered(d, orc, made)
    if raw := s.get(3):
        timing.of_order(d, s, 3, raw, made)
    drug.form_of(d, s, 8, made)
    for rep, part in d.repeats(s.get(9)) if s.get(9) else ():
        note(d, s, 9, part, rep, made)
    _substitution(d, s, 10, "0167", made)
    texts(d, s, (13,), slot)
    rate(d, s, 15, 16, 14, slot)
    drug.strength(d, s, 17, 18, made, 23, 24)
    drug.batch(d, s, 19, 20, made)
    drug.maker(d, s, 21, made)
    _reasons(d, s, 22, made)
    pharmacy(d, s, made, 27, 28, 0)
    fill(d, s, made)
    _tidy(d, made)


def note(d: Draft, s: Segment, n: int, part: str, rep: int, made: Resource) -> None:
    """A coded note: its words are the note; a code that is not said by them is listed."""
    found = concept(d, s, n, part, rep) or {}
    words = [found["text"]] if "text" in found else []
    for at, one in zip((1, 4), found.get("coding", ()), strict=False):
        text = one.get("display") or one.get("code", "")
        if text and text not in words:
            words.append(text)
        if "display" in one and "code" in one:
            d.lose(s, n, rep, at)
    if words:
        made.setdefault("note", []).append({"text": "\n".join(words)})


def _ordered(d: Draft, orc: Segment | None, made: Resource) -> None:
    if orc is not None:
        common(d, orc, made)
    timing.waiting(d, made)


def _tidy(d: Draft, made: Resource) -> None:
    """A dosage that nothing was put into is none."""
    if made.get("dosageInstruction") == [{}]:
        d.later.append(lambda: made.pop("dosageInstruction", None) if made.get("dosageInstruction") == [{}] else None)


def _supply(d: Draft, s: Segment, made: Resource, amount_field: int, unit_field: int, refills: int) -> None:
    request: dict[str, Any] = made.get("dispenseRequest", {})
    asked: Segment | None = d.now.pop("asked supply", None)
    if (s.get(amount_field) or s.get(unit_field)) and (amount := amount_of(d, s, amount_field, unit_field)):
        before = request.get("quantity", amount)
        request["quantity"] = amount
        for n, key in ((11, "value"), (12, "unit")):
            if asked is not None and before.get(key) not in (None, amount.get(key)):
                d.lose(asked, n)
    if text := d.first(s.get(refills)):
        if text.isdigit():
            if asked is not None and request.get("numberOfRepeatsAllowed", int(text)) != int(text):
                d.lose(asked, 13)
            request["numberOfRepeatsAllowed"] = int(text)
        else:
            d.lose(s, refills)
    if request:
        made["dispenseRequest"] = request


def prescription(d: Draft, s: Segment, n: int, made: Resource) -> None:
    """The number on the prescription."""
    if number_sent := d.first(s.get(n)):
        known = made.setdefault("identifier", [])
        if not any(i["value"] == number_sent for i in known):
            known.append({"value": number_sent})


def prescriber(d: Draft, s: Segment, n: int, made: Resource) -> None:
    """The prescriber with the number that controlled drugs need. Usually whom ORC-12 names under another number."""
    if not s.get(n):
        return
    before = _person(d, s, made)
    known = set(d.resources)
    order_parties.requester(d, s, n, made)
    if before is None or before != made.get("requester"):
        return
    for reference in [r for r in d.resources if r not in known and r.startswith("Practitioner/")]:
        if not _same(d, s, before, reference):
            made.setdefault("supportingInformation", []).append({"reference": reference})
            d.lost.pop(d.where(s, n), None)


def _person(d: Draft, s: Segment, made: Resource) -> dict[str, Any] | None:
    """The requester; where only the organisation is known so far, its role, so that the person finds room."""
    who: dict[str, Any] | None = made.get("requester")
    if who is None or not (who.get("type") == "Organization" or who.get("reference", "").startswith("Organization/")):
        return who
    role = d.add("PractitionerRole", d.scope, made["id"], "requester")
    role["organization"] = who
    d.source(s, role)
    made["requester"] = d.ref(role)
    return None


def _same(d: Draft, s: Segment, before: dict[str, Any], reference: str) -> bool:
    """Drops a second Practitioner whose numbers and names the requester took over."""
    one = d.resources.get(before.get("reference", ""))
    if one is not None and one["resourceType"] == "PractitionerRole":
        one = d.resources.get(one.get("practitioner", {}).get("reference", ""))
    other = d.resources[reference]
    if one is None or one["resourceType"] != "Practitioner":
        return False
    if one is other:
        return True  # the organisation's role took this very person
    if not all(item in one.get(key, ()) for key in ("identifier", "name") for item in other.get(key, ())):
        return False
    del d.resources[reference]
    for key in [k for k in d.sources if k[0] == reference]:
        del d.sources[key]
    for cached in [k for k, v in d.cache.items() if isinstance(v, dict) and v.get("reference") == reference]:
        d.cache[cached] = d.ref(one)
    d.source(s, one)
    return True


def _authored(d: Draft, s: Segment, raw: str, made: Resource) -> None:
    if "authoredOn" not in made:
        put_time(d, s, 32, raw, made, "authoredOn")
    elif made["authoredOn"] != fhir_time_of(d, raw):
        d.lose(s, 32)


def _reasons(d: Draft, s: Segment, n: int, made: Resource) -> None:
    for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
        if (why := concept(d, s, n, part, rep)) and why not in (known := made.setdefault("reasonCode", [])):
            known.append(why)


def _substitution(d: Draft, s: Segment, n: int, table: str, made: Resource) -> None:
    sent = d.first(s.get(n)).upper()
    if not sent:
        return
    if sent == "Y":
        allowed: dict[str, Any] = {"allowedBoolean": True}
    elif sent in "NGT012345678":
        mapped = [{"system": _SUBSTITUTION, "code": _ALLOWED[sent]}] if sent in _ALLOWED else []
        own = (concept(d, s, n, s.get(n).partition(d.message.repetition)[0]) or {}).get("coding", [{}])
        own[0].setdefault("system", f"http://terminology.hl7.org/CodeSystem/v2-{table}")
        allowed = {"allowedCodeableConcept": {"coding": [*mapped, *own]}}
    else:
        d.lose(s, n)
        return
    before = made.get("substitution")
    if before is None:
        made["substitution"] = allowed
        return
    held = before.get("allowedCodeableConcept", {}).get("coding", ())
    mine = allowed.get("allowedCodeableConcept", {}).get("coding", ())
    if {c["code"] for c in held} != {c["code"] for c in mine}:
        d.lose(s, n)


def pharmacy(d: Draft, s: Segment, made: Resource, name: int, address: int, phone: int) -> None:
    """The pharmacy that is to dispense: code and name, address, phone."""
    found = None
    for rep, part in d.repeats(s.get(name)) if s.get(name) else ():
        if rep > 1:
            d.lose(s, name, rep)
        else:
            found = drug.manufacturer(d, s, part)
    if found is not None:
        made.setdefault("dispenseRequest", {})["performer"] = found
    shop = d.resources.get((found or {}).get("reference", ""))
    for n in (address, phone):
        if not n or not s.get(n):
            continue
        raw = s.get(n)
        if shop is None:
            d.lose(s, n)
        elif n == address:
            if place := xad(d, s, n, raw.partition(d.message.repetition)[0]):
                shop["address"] = [place]
        elif points := telecoms(d, s, n, raw, "work"):
            shop["telecom"] = points
