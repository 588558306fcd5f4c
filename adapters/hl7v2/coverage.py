"""IN1, IN2 -> Coverage, payer and subscriber. Sources: HL7 v2.8.2 sections 6.5.6 (IN1), 6.5.7 (IN2); FHIR R4 Coverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import names, written
from adapters.hl7v2.numbers import money
from adapters.hl7v2.parties import merge, organization
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_date
from hie.model import Resource

_CLASS = THO + "coverage-class"
_COST = THO + "coverage-copay-type"
_SELF = frozenset(("SEL", "SELF", "18"))
_DOUBTFUL = frozenset(("01", "S"))
"""Self to some senders and spouse to others (UB-92 and X12 differ about 01): self only under the patient's own name."""


def first_of(d: Draft, s: Segment, n: int) -> str:
    """The first repetition of a field whose element holds one; the others are listed."""
    first, _, others = s.get(n).partition(d.message.repetition)
    for rep, part in enumerate(others.split(d.message.repetition) if others else (), 2):
        if part:
            d.lose(s, n, rep)
    return first


def in1(d: Draft, s: Segment) -> None:
    if not any(raw and raw != '""' for raw in s.fields[2:]):  # nothing is said of a plan, or it is deleted: no coverage
        d.now.pop("coverage", None)
        d.now.pop("insured", None)
        d.source(s, d.now.get("patient") or d.now.get("header"))
        return
    d.now.pop("insured", None)
    plan = d.first(s.get(2))
    policy, insured = d.first(s.get(36)), d.first(s.get(49))
    payer_name = d.first(s.get(4)) or d.first(s.get(3))
    seed = policy or insured or d.first(s.get(8))
    made = d.unique("Coverage", d.scope, d.patient["reference"] if d.patient else d.control_id, payer_name, plan, seed)
    _status(d, s, made)
    made["beneficiary"] = dict(d.patient) if d.patient else d.nobody()
    d.now["coverage"] = d.owner = made
    d.source(s, made)
    payer = _payer(d, s)
    made["payor"] = [d.ref(payer) if payer is not None else d.nobody()]
    _classes(d, s, made)
    _order(d, s, made)
    if policy:
        made["identifier"] = [{"value": policy}]
        if not insured:
            made["subscriberId"] = policy
    for rep, part in d.repeats(s.get(49)) if insured else ():
        if number := cx(d, s, 49, part, rep):
            made.setdefault("subscriberId", number["value"])
            if number.get("system") or number.get("type") or number["value"] != made["subscriberId"]:
                typed = {**number, "type": number.get("type", {"coding": [{"system": THO + "v2-0203", "code": "SN"}]})}
                merge(made.setdefault("identifier", []), typed)
    _subscriber(d, s, made)
    _employer(d, s, made)
    if s.get(37) and (deductible := money(d, s, 37, first_of(d, s, 37))) is not None:
        kind = {"coding": [{"system": _COST, "code": "deductible"}]}
        made["costToBeneficiary"] = [{"type": kind, "valueMoney": deductible}]
    fill(d, s, made)
    account = d.now.get("account")
    if account is not None:
        account.setdefault("coverage", []).append({"coverage": d.ref(made)})


def _status(d: Draft, s: Segment, made: Resource) -> None:
    """IN1 does not say whether the plan is in force and R4's required status has no `unknown`: the value is absent, with
    its reason. IN1-55 (from 2.8 on) can say that the plan is to be deleted."""
    action = d.first(s.get(55)).upper()
    if action == "D":
        made["status"] = "cancelled"
    else:
        made["_status"] = d.nobody()
        if action not in ("", "A", "U", "X"):
            d.lose(s, 55)


def _employer(d: Draft, s: Segment, made: Resource) -> None:
    """IN1-10 number, IN1-11 name, IN1-44 address of the employer through whom the group is insured."""
    holder = organization(d, s, 11, first_of(d, s, 11)) if s.get(11) else None
    if holder is not None:
        made["policyHolder"] = holder
    held = d.resources.get((holder or {}).get("reference", ""))
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        number = cx(d, s, 10, part, rep)
        if number and held is not None:
            merge(held.setdefault("identifier", []), number)
        elif (
            number and made.setdefault("policyHolder", found := {"type": "Organization", "identifier": number}) != found
        ):
            d.lose(s, 10, rep)
    if s.get(44):
        if held is None:
            d.lose(s, 44)
            return
        for address in addresses(d, s, 44, s.get(44)):
            merge(held.setdefault("address", []), address)


def _payer(d: Draft, s: Segment) -> Resource | None:
    """IN1-3 company number, IN1-4 name, IN1-5 address, IN1-6 contact, IN1-7 phone."""
    numbers = [i for rep, part in d.repeats(s.get(3)) if (i := cx(d, s, 3, part, rep))] if s.get(3) else []
    named = organization(d, s, 4, first_of(d, s, 4)) if s.get(4) else None
    held = d.resources.get((named or {}).get("reference", ""))
    if held is None:
        if not numbers:
            for n in (5, 6, 7):
                if s.get(n):
                    d.lose(s, n)
            return None
        held = d.add("Organization", numbers[0].get("system") or d.scope, numbers[0]["value"])
        d.source(s, held)
    for number in numbers:
        merge(held.setdefault("identifier", []), number)
    for address in addresses(d, s, 5, s.get(5)) if s.get(5) else ():
        merge(held.setdefault("address", []), address)
    for point in telecoms(d, s, 7, s.get(7)) if s.get(7) else ():
        merge(held.setdefault("telecom", []), point)
    for name in names(d, s, 6, s.get(6)) if s.get(6) else ():
        merge(held.setdefault("contact", []), {"name": name})
    return held


def _classes(d: Draft, s: Segment, made: Resource) -> None:
    def one(kind: str, value: str, name: str) -> None:
        entry: dict[str, Any] = {"type": {"coding": [{"system": _CLASS, "code": kind}]}, "value": value or name}
        if name and value:
            entry["name"] = name
        made.setdefault("class", []).append(entry)

    for n, kind in ((2, "plan"), (35, "subplan")):
        if s.get(n):
            parts = d.parts(first_of(d, s, n))
            texts = [d.text(p) for p in parts] + [""] * 5
            for at in (0, 3):  # a code, and the other code for the same plan
                if texts[at] or texts[at + 1]:
                    one(kind, texts[at], texts[at + 1])
            d.rest(s, n, 0, ["", "", parts[2] if len(parts) > 2 else "", "", "", *parts[5:]], 2)
    _group(d, s, one)


def _group(d: Draft, s: Segment, one: Callable[[str, str, str], None]) -> None:
    """IN1-8 group number; IN1-9 its name, with a number of its own where IN1-8 has none."""
    value = d.text(s.get(8))
    for rep, part in d.repeats(s.get(9)) if s.get(9) else ():
        parts = part.split(d.message.component)
        name, number = d.text(parts[0]), d.text(parts[2]) if len(parts) > 2 else ""
        if not value:
            value, number = number, ""
        if name or value:
            one("group", value, name)
        kept = ["", "", "" if number in ("", value) else parts[2], *parts[3:]]
        d.rest(s, 9, rep, kept, 2)
        if len(parts) > 1 and d.text(parts[1]).upper() not in ("", "L", "D"):
            d.lose(s, 9, rep, 2)
        value = ""
    if value:
        one("group", value, "")


def _order(d: Draft, s: Segment, made: Resource) -> None:
    rank = d.first(s.get(22)) or d.first(s.get(1))
    if rank.isdigit() and int(rank) > 0:
        made["order"] = int(rank)
    elif s.get(22):
        d.lose(s, 22)


def _called(name: dict[str, Any]) -> tuple[str, str]:
    """Family and first given name, for comparison."""
    return str(name.get("family", "")).upper(), "".join(name.get("given", ())[:1]).upper()


def _subscriber(d: Draft, s: Segment, made: Resource) -> None:
    """IN1-16, 18, 19, 43: who holds the policy; the patient where IN1-17 says self."""
    own = [n for n in (16, 18, 19, 43) if s.get(n)]
    relation = concept(d, s, 17, s.get(17).partition(d.message.repetition)[0], 0, "0063") if s.get(17) else None
    people = names(d, s, 16, s.get(16)) if s.get(16) else []
    patient = d.now.get("patient") or {}
    word = d.first(s.get(17)).upper()
    is_self = word in _SELF or (
        word in _DOUBTFUL and bool(people) and _called(people[0]) in map(_called, patient.get("name", ()))
    )
    if is_self and d.patient:
        made["subscriber"] = dict(d.patient)
    if not own:
        return
    if is_self and patient and people:
        same = {str(n.get("family", "")).upper() for n in patient.get("name", ())}
        if str(people[0].get("family", "")).upper() in same:
            _as_patient(d, s, own, patient)
            return
    seed = written(people[0]).upper() if people else ""
    holder = d.unique("RelatedPerson", d.patient["reference"] if d.patient else d.scope, "insured", seed or s.get(1))
    holder["patient"] = dict(made["beneficiary"])
    if people:
        holder["name"] = people
    if relation and not is_self:
        holder["relationship"] = [relation]
    if s.get(18):
        put_date(d, s, 18, s.get(18), holder, "birthDate")
    if places := addresses(d, s, 19, s.get(19)) if s.get(19) else []:
        holder["address"] = places
    if sex := d.first(s.get(43)):
        known = d.coded("0001", sex)
        if known:
            holder["gender"] = known[1]
        else:
            d.lose(s, 43)
    d.source(s, holder)
    d.now["insured"] = holder
    made["subscriber"] = d.ref(holder)


def _as_patient(d: Draft, s: Segment, own: list[int], patient: Resource) -> None:
    """The insured is the patient: what IN1 repeats of the PID is one fact; what it says otherwise is added or listed."""
    for n in own:
        if n == 16:
            for name in names(d, s, 16, s.get(16)):
                name.pop("use", None)
                merge(patient.setdefault("name", []), name)
        elif n == 19:
            for address in addresses(d, s, 19, s.get(19)):
                merge(patient.setdefault("address", []), address)
        elif n == 18:
            held: dict[str, Any] = {}
            if (
                put_date(d, s, 18, s.get(18), held, "birthDate")
                and patient.setdefault("birthDate", held["birthDate"]) != held["birthDate"]
            ):
                d.warn("contradiction", s, 18, "another birth date than in PID-7")
                d.lose(s, 18)
        elif n == 43:
            known = d.coded("0001", d.first(s.get(43)))
            if known is None or patient.setdefault("gender", known[1]) != known[1]:
                d.lose(s, 43)
    d.source(s, patient)


def in2(d: Draft, s: Segment) -> None:
    made = d.now.get("coverage")
    if made is None:
        fill(d, s)
        d.source(s, d.now.get("patient"))
        return
    d.source(s, made)
    holder = d.now.get("insured") or (d.now.get("patient") if made.get("subscriber") == d.patient else None)
    if s.get(2):
        for rep, part in d.repeats(s.get(2)):
            if number := cx(d, s, 2, part, rep, "SS"):
                if holder is not None:
                    merge(holder.setdefault("identifier", []), number)
                else:
                    d.lose(s, 2, rep)
    for n, kind in ((1, "EI"), (10, "MI")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if number := cx(d, s, n, part, rep, kind):
                if holder is not None:
                    merge(holder.setdefault("identifier", []), number)
                else:
                    d.lose(s, n, rep)
    if s.get(34):
        spoken = concept(d, s, 34, first_of(d, s, 34), 0, "0296")
        if spoken and holder is not None:
            merge(holder.setdefault("communication", []), {"language": spoken})
        else:
            d.lose(s, 34)
    for n, use in ((63, "home"), (64, "work")):
        for point in telecoms(d, s, n, s.get(n), use) if s.get(n) else ():
            if holder is not None:
                merge(holder.setdefault("telecom", []), point)
            else:
                d.lose(s, n)
    if s.get(25):
        number = cx(d, s, 25, first_of(d, s, 25))
        payer = d.resources.get(made["payor"][0].get("reference", ""))
        if number and payer is not None:
            merge(payer.setdefault("identifier", []), number)
        elif number:
            d.lose(s, 25)
    for n in (69, 70):
        if s.get(n):
            found = organization(d, s, n, first_of(d, s, n))
            if found is not None and made.setdefault("policyHolder", found) != found:
                d.lose(s, n)
    if (
        s.get(72)
        and (relation := concept(d, s, 72, first_of(d, s, 72), 0, "0063"))
        and made.setdefault("relationship", relation) != relation
    ):
        d.lose(s, 72)
    fill(d, s, made)
