"""IN1, IN2 -> Coverage, payer and subscriber. Sources: HL7 v2.8.2 sections 6.5.6 (IN1), 6.5.7 (IN2); FHIR R4 Coverage."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import names, written
from adapters.hl7v2.parties import merge, organization
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_date
from hie.model import Resource

_CLASS = THO + "coverage-class"
_SELF = frozenset(("SEL", "SELF", "18", "01", "S"))


def in1(d: Draft, s: Segment) -> None:
    plan = d.first(s.get(2))
    policy, insured = d.first(s.get(36)), d.first(s.get(49))
    payer_name = d.first(s.get(4)) or d.first(s.get(3))
    seed = policy or insured or d.first(s.get(8))
    made = d.unique("Coverage", d.scope, d.patient["reference"] if d.patient else d.control_id, payer_name, plan, seed)
    made["status"] = "active"
    made["beneficiary"] = dict(d.patient) if d.patient else d.nobody()
    d.now["coverage"] = d.owner = made
    d.source(s, made)
    payer = _payer(d, s)
    made["payor"] = [d.ref(payer) if payer is not None else d.nobody()]
    _classes(d, s, made)
    _order(d, s, made)
    if policy:
        made["identifier"] = [{"value": policy}]
        if "subscriberId" not in made and not insured:
            made["subscriberId"] = policy
    if insured:
        number = cx(d, s, 49, s.get(49).partition(d.message.repetition)[0])
        if number:
            made["subscriberId"] = number["value"]
            if number.get("system") or number.get("type"):
                merge(
                    made.setdefault("identifier", []),
                    {**number, "type": number.get("type", {"coding": [{"system": THO + "v2-0203", "code": "SN"}]})},
                )
        if d.message.repetition in s.get(49):
            d.lose(s, 49, 2)
    _subscriber(d, s, made)
    holder = organization(d, s, 11, s.get(11).partition(d.message.repetition)[0]) if s.get(11) else None
    if holder is not None:
        made["policyHolder"] = holder
    if s.get(10):
        number = cx(d, s, 10, s.get(10).partition(d.message.repetition)[0])
        held = d.resources.get((holder or {}).get("reference", ""))
        if number and held is not None:
            merge(held.setdefault("identifier", []), number)
        elif number:
            made.setdefault("policyHolder", {"type": "Organization", "identifier": number})
    fill(d, s, made)
    _status(made)
    account = d.now.get("account")
    if account is not None:
        account.setdefault("coverage", []).append({"coverage": d.ref(made)})


def _status(made: Resource) -> None:
    """Coverage.status is a workflow status; a sender that lists a plan has entered it. FHIR has no `unknown` here."""
    made["status"] = "active"


def _payer(d: Draft, s: Segment) -> Resource | None:
    """IN1-3 company number, IN1-4 name, IN1-5 address, IN1-6 contact, IN1-7 phone."""
    numbers = [i for rep, part in d.repeats(s.get(3)) if (i := cx(d, s, 3, part, rep))] if s.get(3) else []
    named = organization(d, s, 4, s.get(4).partition(d.message.repetition)[0]) if s.get(4) else None
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

    if raw := s.get(2):
        parts = [d.text(p) for p in d.parts(raw)]
        one("plan", parts[0], parts[1] if len(parts) > 1 else "")
        d.rest(s, 2, 0, d.parts(raw), 3)
    if s.get(8) or s.get(9):
        one("group", d.first(s.get(8)), d.first(s.get(9)))
    if s.get(35):
        one("subplan", d.first(s.get(35)), "")


def _order(d: Draft, s: Segment, made: Resource) -> None:
    rank = d.first(s.get(22)) or d.first(s.get(1))
    if rank.isdigit() and int(rank) > 0:
        made["order"] = int(rank)
    elif s.get(22):
        d.lose(s, 22)


def _subscriber(d: Draft, s: Segment, made: Resource) -> None:
    """IN1-16, 18, 19, 43: who holds the policy; the patient where IN1-17 says self."""
    own = [n for n in (16, 18, 19, 43) if s.get(n)]
    relation = concept(d, s, 17, s.get(17).partition(d.message.repetition)[0], 0, "0063") if s.get(17) else None
    is_self = d.first(s.get(17)).upper() in _SELF
    if is_self and d.patient:
        made["subscriber"] = dict(d.patient)
    if not own:
        return
    people = names(d, s, 16, s.get(16)) if s.get(16) else []
    patient = d.now.get("patient") or {}
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
    for n, use in ((63, "home"), (64, "work")):
        for point in telecoms(d, s, n, s.get(n), use) if s.get(n) else ():
            if holder is not None:
                merge(holder.setdefault("telecom", []), point)
            else:
                d.lose(s, n)
    if s.get(25):
        number = cx(d, s, 25, s.get(25).partition(d.message.repetition)[0])
        payer = d.resources.get(made["payor"][0].get("reference", ""))
        if number and payer is not None:
            merge(payer.setdefault("identifier", []), number)
        elif number:
            d.lose(s, 25)
    for n in (69, 70):
        if s.get(n):
            found = organization(d, s, n, s.get(n).partition(d.message.repetition)[0])
            if found is not None and made.setdefault("policyHolder", found) != found:
                d.lose(s, n)
    if (
        (raw := s.get(72))
        and (relation := concept(d, s, 72, raw, 0, "0063"))
        and made.setdefault("relationship", relation) != relation
    ):
        d.lose(s, 72)
    fill(d, s, made)
