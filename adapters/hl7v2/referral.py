"""RF1, PRD, CTD -> ServiceRequest (referral) and its people. Sources: HL7 v2.8.2 chapter 11; FHIR R4 ServiceRequest."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import BY_TYPE, ei, typed
from adapters.hl7v2.names import names, written
from adapters.hl7v2.parties import merge
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource


def rf1(d: Draft, s: Segment) -> None:
    number = ei(d, s, 6, s.get(6), 0, "") if s.get(6) else None
    made = d.unique(
        "ServiceRequest",
        (number or {}).get("system") or d.scope,
        "referral",
        (number or {}).get("value") or d.control_id,
    )
    made["intent"] = "order"
    sent = d.first(s.get(1)).upper()
    known = d.coded("0283", sent) if sent else None
    made["status"] = known[1] if known else ("revoked" if d.event.endswith("I14") else "unknown")
    if sent and not known:
        d.lose(s, 1)
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    numbers = [i for n in (6, 11) if s.get(n) and (i := ei(d, s, n, s.get(n)))]
    if numbers:
        made["identifier"] = numbers
    d.now["referral"] = d.owner = made
    d.source(s, made)
    if (raw := s.get(3)) and (code := concept(d, s, 3, raw, 0, "0281")):
        made["code"] = code
    for rep, part in d.repeats(s.get(4)) if s.get(4) else ():
        if wish := concept(d, s, 4, part, rep, "0282"):
            made.setdefault("orderDetail", []).append(wish)
    if (raw := s.get(5)) and (category := concept(d, s, 5, raw, 0, "0284")):
        made.setdefault("category", []).append(category)
    span: dict[str, Any] = {}
    for n, key in ((7, "start"), (8, "end")):
        if s.get(n):
            put_time(d, s, n, s.get(n), span, key)
    if span:
        made["occurrencePeriod"] = span
    if s.get(9):
        put_time(d, s, 9, s.get(9), made, "authoredOn")
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if why := concept(d, s, 10, part, rep, "0336"):
            made.setdefault("reasonCode", []).append(why)
    for _, part in d.repeats(s.get(14)) if s.get(14) else ():
        if text := readable(d, part):
            made.setdefault("reasonCode", []).append({"text": text})
    for _, part in d.repeats(s.get(24)) if s.get(24) else ():
        if text := readable(d, part):
            made.setdefault("note", []).append({"text": text})
    fill(d, s, made)
    d.later.append(lambda: _people(d, made))


def aut(d: Draft, s: Segment) -> None:
    """A payer's authorization of the referral: known to the payer by its number (AUT-6)."""
    made = d.now.get("referral") or d.now.get("order")
    target = made if made is not None and made["resourceType"] == "ServiceRequest" else None
    fill(d, s, target)
    d.source(s, target or d.owner or d.now.get("header"))
    number = ei(d, s, 6, s.get(6)) if s.get(6) else None
    if target is None or number is None:
        for n in (2, 3, 6):
            if s.get(n):
                d.lose(s, n)
        return
    link: dict[str, Any] = {"type": "ClaimResponse", "identifier": number}
    payer = d.first(s.get(3)) or plain(d, s.get(2))
    if payer:
        link["display"] = payer
    for n in (2, 3):
        parts = d.parts(s.get(n)) if s.get(n) else []
        d.rest(s, n, 0, [p if d.text(p) != payer else "" for p in parts], 0)
    target.setdefault("insurance", []).append(link)


def prd(d: Draft, s: Segment) -> None:
    """A provider: who refers (RP), who is referred to (RT), who else has to do with it."""
    person = _person(d, s, (2,), (7,))
    if person is None:
        fill(d, s)
        d.source(s, d.now.get("referral") or d.now.get("header"))
        return
    for address in addresses(d, s, 3, s.get(3)) if s.get(3) else ():
        merge(person.setdefault("address", []), address)
    for point in telecoms(d, s, 5, s.get(5), "work") if s.get(5) else ():
        merge(person.setdefault("telecom", []), point)
    for _rep, part in d.repeats(s.get(7)) if s.get(7) else ():
        parts = [d.text(p) for p in d.parts(part)]
        if parts[0]:
            number: dict[str, Any] = {"value": parts[0]}
            if len(parts) > 1 and parts[1]:
                number["type"] = typed(parts[1])
                if parts[1] == "NPI":
                    number["system"] = "http://hl7.org/fhir/sid/us-npi"
            merge(person.setdefault("identifier", []), number)
    roles = [c for rep, part in d.repeats(s.get(1)) if (c := concept(d, s, 1, part, rep, "0286"))] if s.get(1) else []
    target = person
    place = s.get(4)
    if place or roles:
        role = d.add("PractitionerRole", d.scope, person["id"], d.first(s.get(1)))
        role["practitioner"] = d.ref(person)
        if roles:
            role["code"] = roles
        if shown := readable(d, place) if place else "":
            role["location"] = [{"type": "Location", "display": shown}]
        for n, key in ((8, "start"), (9, "end")):
            if s.get(n):
                held: dict[str, Any] = {}
                if put_time(d, s, n, s.get(n), held, key):
                    role.setdefault("period", {}).update(held)
        d.source(s, role)
        target = role
    else:
        for n in (8, 9):
            if s.get(n):
                d.lose(s, n)
    d.now.setdefault("providers", []).append((d.first(s.get(1)).upper(), d.ref(target)))
    d.source(s, person)
    fill(d, s, person)


def _person(d: Draft, s: Segment, name_fields: tuple[int, ...], id_fields: tuple[int, ...]) -> Resource | None:
    people = names(d, s, name_fields[0], s.get(name_fields[0])) if s.get(name_fields[0]) else []
    number = d.first(s.get(id_fields[0]))
    if not people and not number:
        return None
    parts = d.parts(s.get(id_fields[0]).partition(d.message.repetition)[0])
    national = any(d.text(part) == "NPI" for part in parts[1:])
    made = d.add("Practitioner", BY_TYPE["NPI"] if national and number else d.scope, number or written(people[0]))
    for one in people:
        merge(made.setdefault("name", []), one)
    return made


def ctd(d: Draft, s: Segment) -> None:
    """A contact: an additional person of the provider before it, or the patient's."""
    people = names(d, s, 2, s.get(2)) if s.get(2) else []
    points = telecoms(d, s, 5, s.get(5)) if s.get(5) else []
    places = addresses(d, s, 3, s.get(3)) if s.get(3) else []
    roles = [c for rep, part in d.repeats(s.get(1)) if (c := concept(d, s, 1, part, rep, "0131"))] if s.get(1) else []
    patient = d.now.get("patient")
    if patient is None and not people:
        for n in (1, 3, 5):
            if s.get(n):
                d.lose(s, n)
    elif patient is not None and not d.now.get("order") and (people or points or places):
        contact: dict[str, Any] = {}
        if roles:
            contact["relationship"] = roles
        if people:
            contact["name"] = people[0]
        if points:
            contact["telecom"] = points
        if places:
            contact["address"] = places[0]
        patient.setdefault("contact", []).append(contact)
        d.source(s, patient)
    elif people or points:
        made = d.add("Practitioner", d.scope, written(people[0]) if people else d.control_id)
        for key, values in (("name", people), ("telecom", points), ("address", places)):
            for one in values:
                merge(made.setdefault(key, []), one)
        target = made
        if roles:
            target = d.add("PractitionerRole", d.scope, made["id"], "contact")
            target["practitioner"] = d.ref(made)
            target["code"] = roles
            d.source(s, target)
        order = d.now.get("order") or d.now.get("referral")
        if order is not None and order["resourceType"] == "ServiceRequest":
            order.setdefault("supportingInfo", []).append(d.ref(target))
        d.source(s, made)
    elif s.get(1):
        d.lose(s, 1)
    d.source(s, patient or d.now.get("header"))
    fill(d, s)


def _people(d: Draft, made: Resource) -> None:
    for role, reference in d.now.get("providers", ()):
        if role == "RP" and "requester" not in made:
            made["requester"] = reference
        elif role in ("RT", "CP") or ("requester" in made and role in ("PP", "PR")):
            made.setdefault("performer", []).append(reference)
        else:
            made.setdefault("supportingInfo", []).append(reference)
