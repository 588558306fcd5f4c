"""NK1, GT1 -> RelatedPerson, Patient.contact, Account. Sources: HL7 v2.8.2 sections 3.4.5 (NK1), 6.5.5 (GT1)."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import names, written
from adapters.hl7v2.parties import merge, organization
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

_OF_ORGANIZATION = frozenset((13, 30, 31, 32))


def person_key(d: Draft, s: Segment, name_field: int) -> str:
    return d.text(s.get(name_field).partition(d.message.repetition)[0].replace(d.message.component, " ")).upper()


def nk1(d: Draft, s: Segment) -> None:
    patient = d.now.get("patient")
    own = [n for n, raw in enumerate(s.fields) if n > 1 and raw and raw != '""' and n not in _OF_ORGANIZATION]
    person: Resource | None = None
    if own and d.patient:
        person = d.unique("RelatedPerson", d.patient["reference"], person_key(d, s, 2) or s.get(1), d.first(s.get(3)))
        person["patient"] = dict(d.patient)
        d.source(s, person)
    fill(d, s, person)
    if person is None and own and not d.patient:
        for n in own:
            d.lose(s, n)
    if patient is not None and (s.get(13) or s.get(30)):
        _organised(d, s, patient, person)
    else:  # without a person or an organisation of their own they are how to reach the party
        for n, key in ((31, "telecom"), (32, "address")):
            found = (telecoms if n == 31 else addresses)(d, s, n, s.get(n)) if s.get(n) else []
            if person is None:
                if found:
                    d.lose(s, n)
                continue
            for one in found:
                merge(person.setdefault(key, []), one)
    d.source(s, patient if person is None else person)
    d.owner = person or patient


def _organised(d: Draft, s: Segment, patient: Resource, person: Resource | None) -> None:
    """NK1-13 and NK1-30..32: an organisation as contact, and whom to ask for there: the first of several at its address."""
    contact: dict[str, Any] = {}
    if person is not None and "relationship" in person:
        contact["relationship"] = [dict(one) for one in person["relationship"]]
    if s.get(13):
        first, _, others = s.get(13).partition(d.message.repetition)
        if found := organization(d, s, 13, first):
            contact["organization"] = found
        if others:
            d.lose(s, 13, 2)
    people = names(d, s, 30, s.get(30)) if s.get(30) else []
    places = addresses(d, s, 32, s.get(32)) if s.get(32) else []
    points = telecoms(d, s, 31, s.get(31)) if s.get(31) else []
    if points:
        contact["telecom"] = points
    for at in range(max(len(people), len(places), 1)):
        one = dict(contact) if at == 0 else {k: v for k, v in contact.items() if k == "relationship"}
        if at < len(people):
            one["name"] = people[at]
        if at < len(places):
            one["address"] = places[at]
        if one:
            patient.setdefault("contact", []).append(one)
    d.source(s, patient)


def account(d: Draft, s: Segment, n: int) -> Resource | None:
    """PID-18, MRG-3: the account by its number."""
    raw = s.get(n)
    if not raw:
        return None
    found = [i for rep, part in d.repeats(raw) if (i := cx(d, s, n, part, rep, "AN"))]
    if not found:
        return None
    made = d.add("Account", found[0].get("system") or d.scope, found[0]["value"])
    made["identifier"] = found
    made.setdefault("status", "unknown")
    if d.patient:
        made["subject"] = [dict(d.patient)]
    d.source(s, made)
    return made


def some_account(d: Draft) -> Resource:
    """The patient's account, made where the message gives no number for it."""
    found: Resource | None = d.now.get("account")
    if found is None:
        found = d.add("Account", d.scope, d.patient["reference"] if d.patient else d.control_id, "account")
        found["status"] = "unknown"
        if d.patient:
            found["subject"] = [dict(d.patient)]
        d.now["account"] = found
    return found


def gt1(d: Draft, s: Segment) -> None:
    payer = some_account(d)
    parties: list[dict[str, Any]] = []
    party: Resource | None = None
    if s.get(3) or s.get(2):
        seed = person_key(d, s, 3) or d.first(s.get(2))
        party = d.unique("RelatedPerson", d.patient["reference"] if d.patient else d.scope, "guarantor", seed)
        party["patient"] = dict(d.patient) if d.patient else d.nobody()
        parties.append(d.ref(party))
        d.source(s, party)
    for rep, part in d.repeats(s.get(21)) if s.get(21) else ():
        if found := organization(d, s, 21, part, rep):
            parties.append(found)
    fill(d, s, party)
    for name in names(d, s, 4, s.get(4)) if s.get(4) else ():
        # whose wife or husband he is has no place in R4; what he is to the patient was not sent
        spouse = d.unique("RelatedPerson", payer["id"], "guarantor's spouse", written(name))
        spouse["patient"] = dict(d.patient) if d.patient else d.nobody()
        spouse["name"] = [name]
        d.source(s, spouse)
    span: dict[str, Any] = {}
    for n, key in ((13, "start"), (14, "end")):
        if s.get(n):
            put_time(d, s, n, s.get(n), span, key)
    for one in parties:
        payer.setdefault("guarantor", []).append({"party": one, **({"period": dict(span)} if span else {})})
    if span and not parties:
        for n in (13, 14):
            if s.get(n):
                d.lose(s, n)
    d.source(s, payer)
    d.owner = party
