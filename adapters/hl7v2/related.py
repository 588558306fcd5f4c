"""NK1, GT1 -> RelatedPerson, Patient.contact, Account. Sources: HL7 v2.8.2 sections 3.4.5 (NK1), 6.5.5 (GT1)."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import names
from adapters.hl7v2.parties import organization
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

_OF_ORGANIZATION = frozenset((13, 30, 31, 32))


def person_key(d: Draft, s: Segment, name_field: int) -> str:
    return d.text(s.get(name_field).partition(d.message.repetition)[0].replace(d.message.component, " ")).upper()


def nk1(d: Draft, s: Segment) -> None:
    patient = d.now.get("patient")
    own = [n for n, raw in enumerate(s.fields) if n > 1 and raw and n not in _OF_ORGANIZATION]
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
    elif s.get(31) or s.get(32):
        for n in (31, 32):
            if s.get(n):
                d.lose(s, n)
    d.source(s, patient if person is None else person)
    d.owner = person or patient


def _organised(d: Draft, s: Segment, patient: Resource, person: Resource | None) -> None:
    """NK1-13 and NK1-30..32: an organisation as contact, and whom to ask for there."""
    contact: dict[str, Any] = {}
    if person is not None and "relationship" in person:
        contact["relationship"] = [dict(one) for one in person["relationship"]]
    if s.get(13) and (found := organization(d, s, 13, s.get(13).partition(d.message.repetition)[0])):
        contact["organization"] = found
    if people := names(d, s, 30, s.get(30)) if s.get(30) else []:
        contact["name"] = people[0]
    if points := telecoms(d, s, 31, s.get(31)) if s.get(31) else []:
        contact["telecom"] = points
    for n, held in ((30, people), (32, places := addresses(d, s, 32, s.get(32)) if s.get(32) else [])):
        for rep in range(2, len(held) + 1):
            d.lose(s, n, rep)
    if places:
        contact["address"] = places[0]
    if contact:
        patient.setdefault("contact", []).append(contact)
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
    guarantor: dict[str, Any] = {}
    party: Resource | None = None
    if s.get(3) or s.get(2):
        seed = person_key(d, s, 3) or d.first(s.get(2))
        party = d.unique("RelatedPerson", d.patient["reference"] if d.patient else d.scope, "guarantor", seed)
        party["patient"] = dict(d.patient) if d.patient else d.nobody()
        guarantor["party"] = d.ref(party)
        d.source(s, party)
    elif s.get(21) and (found := organization(d, s, 21, s.get(21))):
        guarantor["party"] = found
    fill(d, s, party)
    if party is not None and s.get(21):
        d.lose(s, 21)
    span: dict[str, Any] = {}
    for n, key in ((13, "start"), (14, "end")):
        if s.get(n):
            put_time(d, s, n, s.get(n), span, key)
    if "party" in guarantor:
        if span:
            guarantor["period"] = span
        payer.setdefault("guarantor", []).append(guarantor)
    elif span:
        d.lose(s, 13)
    d.source(s, payer)
    d.owner = party
