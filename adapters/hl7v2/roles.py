"""ROL, PRT -> participants of what they follow. Sources: HL7 v2.8.2 sections 15.4.7 (ROL), 7.4.4 (PRT)."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import entry
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import addresses, telecoms
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.instrument import instrument
from adapters.hl7v2.parties import location, merge, organization, practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

_PERFORMER = frozenset(("Observation", "DiagnosticReport", "ServiceRequest"))
_FUNCTION = frozenset(("Procedure", "Immunization", "ChargeItem", "MedicationAdministration", "MedicationDispense"))
_INTERPRETERS = frozenset(("PI", "AI", "ARI", "SI", "PRI"))
_OF_A_VISIT = frozenset(("AD", "AT", "CP", "RP", "AP", "DP", "OP", "RO", "TR"))
"""Roles of table 0443 that somebody has in one visit."""


def rol(d: Draft, s: Segment) -> None:
    """A person in a role."""
    _role(d, s, code=3, people=4, organisation=0, place=13, addresses_at=11, phones_at=12, start=5, end=6)


def prt(d: Draft, s: Segment) -> None:
    """A person, organisation, place or device in a role."""
    used = False
    if s.get(10) or any(s.fields[16:23]):
        used = instrument(d, s, _owner(d))
    if used and not (s.get(5) or s.get(8) or s.get(9)):
        d.source(s, _owner(d))
        for n in (11, 12, 14, 15):
            if s.get(n):
                d.lose(s, n)
        fill(d, s)
        return
    _role(d, s, code=4, people=5, organisation=8, place=9, addresses_at=14, phones_at=15, start=11, end=12)


def _role(
    d: Draft,
    s: Segment,
    *,
    code: int,
    people: int,
    organisation: int,
    place: int,
    addresses_at: int,
    phones_at: int,
    start: int,
    end: int,
) -> None:
    owner = _owner(d)
    d.source(s, owner or d.now.get("header"))
    kind = concept(d, s, code, s.get(code), 0, "0443" if s.name == "ROL" else "0912") if s.get(code) else None
    sent = d.first(s.get(code))
    actors = (
        [w for rep, part in d.repeats(s.get(people)) if (w := practitioner(d, s, people, part, rep))]
        if s.get(people)
        else []
    )
    if organisation and s.get(organisation):
        actors += [
            w for rep, part in d.repeats(s.get(organisation)) if (w := organization(d, s, organisation, part, rep))
        ]
    places = (
        [w for rep, part in d.repeats(s.get(place)) if (w := location(d, s, place, part, rep))] if s.get(place) else []
    )
    _reach(d, s, actors, addresses_at, phones_at)
    span: dict[str, Any] = {}
    for n, key in ((start, "start"), (end, "end")):
        if s.get(n):
            put_time(d, s, n, s.get(n), span, key)
    fields = [n for n in (code, people, organisation, place, start, end) if n and s.get(n)]

    def put(into: Resource | None) -> None:
        if into is None or not _place(d, s, into, sent, kind, actors, places, span):
            for n in fields:
                d.lose(s, n)
        else:
            d.source(s, into)

    if d.first(s.get(2)).upper() in ("DE", "D"):  # the role is over, or never was: nobody is put into it
        put(None)
    elif owner is not None and owner["resourceType"] == "Patient" and sent in _OF_A_VISIT:
        # before PV1: attending, admitting, consulting, referring ... (A54, A55, A61, A62)
        d.later.append(lambda: put(d.now.get("encounter")))
    else:
        put(owner)
    fill(d, s)


def _owner(d: Draft) -> Resource | None:
    owner = d.owner
    if owner is not None and owner["resourceType"] in _PERFORMER | _FUNCTION | {
        "Patient",
        "Encounter",
        "Condition",
        "Appointment",
        "Specimen",
        "DocumentReference",
    }:
        return owner
    return d.now.get("encounter") or d.now.get("patient")


def _reach(d: Draft, s: Segment, actors: list[dict[str, Any]], addresses_at: int, phones_at: int) -> None:
    held = next((d.resources[w["reference"]] for w in actors if "reference" in w), None)
    for n, key in ((addresses_at, "address"), (phones_at, "telecom")):
        if not s.get(n):
            continue
        values = addresses(d, s, n, s.get(n)) if key == "address" else telecoms(d, s, n, s.get(n))
        if held is None:
            d.lose(s, n)
        else:
            for one in values:
                merge(held.setdefault(key, []), one)


def _place(
    d: Draft,
    s: Segment,
    owner: Resource,
    sent: str,
    kind: dict[str, Any] | None,
    actors: list[dict[str, Any]],
    places: list[dict[str, Any]],
    span: dict[str, Any],
) -> bool:
    what = owner["resourceType"]
    if what == "Patient":
        if not actors or places:
            return False
        primary = sent in ("PP", "FHCP", "PCP")
        for who in actors if primary else ():
            if who not in (known := owner.setdefault("generalPractitioner", [])):
                known.append(who)
        if kind and (span or not primary):
            _team(d, s, kind, actors, span)
        return bool(kind)
    if what == "Encounter":
        for who in actors:
            participation = [kind] if kind else []
            mapped = d.coded("0443p", sent)
            if mapped and kind is not None:
                role = {"system": mapped[0], "code": mapped[1]}
                if role not in (codings := kind.setdefault("coding", [])):
                    codings.insert(0, role)
            one = {
                **({"type": participation} if participation else {}),
                "individual": who,
                **({"period": span} if span else {}),
            }
            twin = next(
                (
                    p
                    for p in owner.get("participant", ())
                    if p.get("individual") == who
                    and mapped
                    and any(c.get("code") == mapped[1] for t in p.get("type", ()) for c in t.get("coding", ()))
                ),
                None,
            )
            if twin is None:
                owner.setdefault("participant", []).append(one)
                continue
            known = twin["type"][0].setdefault("coding", [])
            known.extend(c for c in (kind or {}).get("coding", ()) if c not in known)
            if span:
                twin.setdefault("period", span)
        for where in places:
            entry = {"location": where}
            if entry not in (known := owner.setdefault("location", [])):
                known.append(entry)
        return bool(actors or places)
    if what in _FUNCTION:
        for who in actors:
            owner.setdefault("performer", []).append({**({"function": kind} if kind else {}), "actor": who})
        if places and what in ("Procedure", "Immunization"):
            owner.setdefault("location", places[0])
        return bool(actors or places)
    if what in _PERFORMER:
        return _performer(d, s, owner, sent, actors, places)
    if what == "Appointment":
        for who in actors + places:
            owner["participant"].append({**({"type": [kind]} if kind else {}), "actor": who, "status": "accepted"})
        return bool(actors or places)
    if what == "DocumentReference":
        for who in actors:
            if who not in (known := owner.setdefault("author", [])):
                known.append(who)
        return bool(actors)
    if what == "Condition" and actors:
        for n in (
            (3, 5, 6) if s.name == "ROL" else (4, 11, 12)
        ):  # which role and how long: Condition has no place for it
            if s.get(n):
                d.lose(s, n)
        return bool(owner.setdefault("asserter", actors[0]) == actors[0])
    if what == "Specimen" and actors:
        return bool(owner.setdefault("collection", {}).setdefault("collector", actors[0]) == actors[0])
    return False


def _team(d: Draft, s: Segment, kind: dict[str, Any], actors: list[dict[str, Any]], span: dict[str, Any]) -> None:
    """Roles that people have for a patient beyond one visit, and since when: R4 says it by the patient's care team."""
    subject = d.patient["reference"] if d.patient else d.control_id
    team = d.add("CareTeam", d.scope, subject, "roles")
    if d.patient:
        team["subject"] = dict(d.patient)
    for who in actors:
        one = {"role": [kind], "member": who, **({"period": span} if span else {})}
        if one not in (known := team.setdefault("participant", [])):
            known.append(one)
    d.source(s, team)


def _performer(
    d: Draft, s: Segment, owner: Resource, sent: str, actors: list[dict[str, Any]], places: list[dict[str, Any]]
) -> bool:
    what = owner["resourceType"]
    if what == "ServiceRequest":
        return _of_order(d, s, owner, sent, actors, places)
    slot = "resultsInterpreter" if what == "DiagnosticReport" and sent in _INTERPRETERS else "performer"
    _listed(owner, slot, actors)
    return bool(actors)


def _listed(owner: Resource, slot: str, actors: list[dict[str, Any]]) -> None:
    for who in actors:
        if who not in (known := owner.setdefault(slot, [])):
            known.append(who)


def _of_order(
    d: Draft, s: Segment, owner: Resource, sent: str, actors: list[dict[str, Any]], places: list[dict[str, Any]]
) -> bool:
    """A role behind OBR may be one in the order, in its report, around its specimen or in the visit (table 0912)."""
    report = d.now.get("report")
    if places and not actors:
        _listed(owner, "locationReference", places)
    elif not actors:
        return False
    elif sent in ("OP", "REQ"):
        return bool(owner.setdefault("requester", actors[0]) == actors[0])
    elif sent == "RCT":
        request = d.add("CommunicationRequest", owner["id"], "copies")
        request.setdefault("status", "unknown")
        request["basedOn"] = [d.ref(owner)]
        if d.patient:
            request["subject"] = dict(d.patient)
        _listed(request, "recipient", actors)
        d.source(s, request)
    elif sent in _INTERPRETERS and report is not None:
        _listed(report, "resultsInterpreter", actors)
    elif sent in ("TN", "RO", "PO", "PH", "MDIR") and report is not None:
        _listed(report, "performer", actors)
    elif sent in entry.ROLES:
        entry.add(d, s, report if sent == "TR" and report is not None else owner, sent, actors)
    elif sent == "SC":
        d.later.append(lambda: _collected(d, s, owner, actors[0]))
    elif sent in ("AD", "AT", "CP") and (encounter := d.now.get("encounter")) is not None:
        kind = concept(d, s, 4 if s.name == "PRT" else 3, s.get(4 if s.name == "PRT" else 3), 0, "0912")
        return _place(d, s, encounter, sent, kind, actors, places, {})
    else:
        _listed(owner, "performer" if sent in ("PO", "PH", "RT", "SP", "TN", "RO") else "supportingInfo", actors)
    return True


def _collected(d: Draft, s: Segment, request: Resource, who: dict[str, Any]) -> None:
    """The specimen that somebody collected is known once the segments behind are read."""
    found = [d.resources[r["reference"]] for r in request.get("specimen", ()) if r["reference"] in d.resources]
    for specimen in found:
        specimen.setdefault("collection", {}).setdefault("collector", who)
    if not found:
        _listed(request, "supportingInfo", [who])
