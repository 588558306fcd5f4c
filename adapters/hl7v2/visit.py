"""PV1, PV2 -> Encounter: one for each visit number, whatever else the message holds.

Sources: HL7 v2.8.2 sections 3.4.3 (PV1), 3.4.4 (PV2), chapter 3 events; FHIR R4 Encounter.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept, first_coding
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.labels import restrict
from adapters.hl7v2.numbers import money, number
from adapters.hl7v2.parties import location, organization, practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.related import some_account
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import SENT_URL, put_time
from hie.model import Resource

STATUS = {
    "A01": "in-progress", "A02": "in-progress", "A03": "finished", "A04": "in-progress", "A05": "planned",
    "A06": "in-progress", "A07": "in-progress", "A09": "in-progress", "A10": "arrived", "A11": "cancelled",
    "A12": "in-progress", "A13": "in-progress", "A14": "planned", "A15": "in-progress", "A16": "in-progress",
    "A17": "in-progress",    "A21": "onleave", "A22": "in-progress", "A23": "entered-in-error", "A25": "in-progress", "A26": "in-progress",
    "A27": "cancelled", "A32": "in-progress", "A33": "in-progress", "A38": "cancelled", "A52": "in-progress",
    "A53": "onleave",
}  # fmt: skip
"""Trigger event -> Encounter.status. A12 and A13 cancel a transfer and a discharge: the visit itself goes on."""
PERSON_ONLY = frozenset(("A28", "A29", "A31"))
"""Events about a person: a PV1 in them makes no Encounter."""
_PARTICIPANTS = ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM"), (52, "PART"))
_ACCOUNT = {
    "A": "active",
    "ACTIVE": "active",
    "O": "active",
    "OPEN": "active",
    "C": "inactive",
    "CLOSED": "inactive",
    "I": "inactive",
    "INACTIVE": "inactive",
}
"""Table 0117 is user-defined: only what says plainly open or closed is read."""
_V5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter."
_MODE = "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival"
BALANCE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Account.balance"
"""R4's Account has no balance; the standard extension carries R5's."""
_PLACED = {"finished": "completed", "planned": "planned", "cancelled": "", "entered-in-error": "", "unknown": ""}
"""Status of the visit -> status of its present place; none where nobody is said to be, or to have been, there."""


def pv1(d: Draft, s: Segment) -> None:
    trigger = d.event.partition("^")[2]
    adt = d.event.startswith("ADT")
    populated = [n for n, raw in enumerate(s.fields) if n > 1 and raw]
    if (adt and trigger in PERSON_ONLY) or (populated == [2] and d.first(s.get(2)) in ("N", "")):
        if populated != [2] or d.first(s.get(2)) != "N":  # N says that there is no visit to speak of, and no more
            for n in populated:
                d.lose(s, n)
        d.source(s, d.now.get("patient"))
        d.now["encounter"] = None
        return
    if not populated:
        d.source(s, d.now.get("patient"))
        return
    visit = cx(d, s, 19, s.get(19).partition(d.message.repetition)[0], 0, "VN") if s.get(19) else None
    encounter = _encounter(d, s, visit)
    d.now["encounter"] = encounter
    d.owner = encounter
    d.source(s, encounter)
    encounter["status"] = _status(d, s, trigger if adt else "")
    if (made := first_coding(d, s, 2, s.get(2), "0004")) if s.get(2) else None:
        encounter["class"] = made
    else:
        encounter["class"] = {"system": THO + "v3-NullFlavor", "code": "NI"}
    if d.patient:
        encounter["subject"] = dict(d.patient)
    if visit:
        encounter.setdefault("identifier", []).append(visit)
        for rep, part in d.repeats(s.get(19)):
            if rep > 1 and (other := cx(d, s, 19, part, rep, "VN")) and other not in encounter["identifier"]:
                encounter["identifier"].append(other)
    for n, role in _PARTICIPANTS:
        participants(d, s, n, role, encounter)
    _locations(d, s, encounter, trigger)
    fill(d, s, encounter)
    _hospital(d, s, encounter)
    _event_time(d, encounter, trigger)
    _episode(d, s, encounter)
    _account(d, s, encounter)
    if (pair := d.now.pop("merging", None)) is not None:
        pair(encounter)


def _status(d: Draft, s: Segment, trigger: str) -> str:
    """What the event says; where it says nothing of the visit's state, what the times of admission and discharge say."""
    discharged = s.get(45)
    status = STATUS.get(trigger)
    if status is None or (trigger == "A04" and discharged):  # an outpatient registered after the visit
        return "finished" if discharged else ("in-progress" if trigger and s.get(44) else "unknown")
    if discharged and status in ("planned", "arrived", "in-progress"):
        d.warn("contradiction", s, 45, "a time of discharge, and an event that says the visit goes on")
    return status


def _episode(d: Draft, s: Segment, encounter: Resource) -> None:
    """PV1-53 and PV1-54: the episode by its number, under its description."""
    number = cx(d, s, 54, s.get(54).partition(d.message.repetition)[0]) if s.get(54) else None
    text = d.text(s.get(53))
    if number or text:
        episode: dict[str, Any] = {"type": "EpisodeOfCare"}
        if number:
            episode["identifier"] = number
        if text:
            episode["display"] = text
        encounter["episodeOfCare"] = [episode]
    if d.message.repetition in s.get(54):
        d.lose(s, 54, 2)


def _account(d: Draft, s: Segment, encounter: Resource) -> None:
    """PV1-20 financial class, PV1-41 status, PV1-46 balance: they are the account's."""
    account = d.now.get("account")
    for rep, part in d.repeats(s.get(20)) if s.get(20) else ():
        parts = part.split(d.message.component)
        codes = concept(d, s, 20, parts[0], rep, "0064")
        if codes and d.patient:
            account = some_account(d)
            if account.setdefault("type", codes) != codes:
                d.lose(s, 20, rep)
        elif codes:
            d.lose(s, 20, rep)
        d.rest(s, 20, rep, parts, 1)
    balance = money(d, s, 46, s.get(46)) if s.get(46) else None
    if balance is not None and d.patient:
        account = some_account(d)
        amount = [{"url": "amount", "valueMoney": balance}]
        account.setdefault("extension", []).append({"url": BALANCE, "extension": amount})
    elif balance is not None:
        d.lose(s, 46)
    if (sent := d.first(s.get(41))) and account is not None:
        if status := _ACCOUNT.get(sent.upper()):
            account["status"] = status
        else:  # a site's own status stays at the element as the text that was sent
            account["_status"] = {"extension": [{"url": SENT_URL, "valueString": sent}]}
        d.rest(s, 41, 0, d.parts(s.get(41)), 1)
    elif sent:  # an account of which only the status is known is none
        d.lose(s, 41)
    if account is not None:
        encounter["account"] = [d.ref(account)]
        d.source(s, account)


def _encounter(d: Draft, s: Segment, visit: dict[str, Any] | None) -> Resource:
    """The Encounter of this visit: by its number, else by patient and time of admission, else of this message."""
    if visit:
        return d.add("Encounter", visit.get("system") or d.scope, visit["value"])
    patient = d.patient["reference"] if d.patient else d.control_id
    return d.add("Encounter", d.scope, patient, d.first(s.get(44)) or d.control_id)


def participants(d: Draft, s: Segment, n: int, role: str, encounter: Resource) -> None:
    if not (raw := s.get(n)):
        return
    for rep, part in d.repeats(raw):
        who = practitioner(d, s, n, part, rep)
        if who is None:
            continue
        kind = [{"coding": [{"system": THO + "v3-ParticipationType", "code": role}]}]
        made = {"type": kind, "individual": who}
        if made not in (known := encounter.setdefault("participant", [])):
            known.append(made)


def _locations(d: Draft, s: Segment, encounter: Resource, trigger: str) -> None:
    current = _PLACED.get(encounter["status"], "active")
    for n, status in ((3, current), (11, ""), (42, "planned"), (6, "completed"), (43, "completed")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            place = location(d, s, n, part, rep)
            if place is None:
                continue
            made: dict[str, Any] = {"location": place}
            if status:
                made["status"] = status
            if n == 3 and not rep and s.get(40):
                _bed(d, s, place)
            if made not in (known := encounter.setdefault("location", [])):
                known.append(made)


def _bed(d: Draft, s: Segment, place: dict[str, Any]) -> None:
    """PV1-40, the state of the bed, where the location itself (PL-5) does not say it."""
    held = d.resources.get(place.get("reference", ""))
    status = first_coding(d, s, 40, s.get(40), "0116")
    if status and (held is None or held.setdefault("operationalStatus", status) != status):
        d.lose(s, 40)


def _hospital(d: Draft, s: Segment, encounter: Resource) -> None:
    if raw := s.get(37):
        parts = raw.split(d.message.component)
        code, *more = (d.text(piece) for piece in parts[0].split(d.message.sub))
        place: dict[str, Any] = {"type": "Location"}
        if code and any(more):  # from 2.6 on coded: code & text & system
            system = d.system(more[1]) if len(more) > 1 and more[1] else ""
            place["identifier"] = {**({"system": system} if system else {}), "value": code}
            d.rest(s, 37, 0, ["", "".join(more[2:])], 1)
        if shown := more[0] if more and more[0] else ("" if "identifier" in place else code):
            place["display"] = shown
        if len(place) > 1:
            encounter.setdefault("hospitalization", {})["destination"] = place
        d.rest(s, 37, 0, parts, 1)
    if (raw := s.get(39)) and (text := readable(d, raw)):
        encounter["serviceProvider"] = {"type": "Organization", "display": text}


def _event_time(d: Draft, encounter: Resource, trigger: str) -> None:
    """EVN-6 is when the patient came, went or moved: the period or the place's period, where PV1 does not say it."""
    raw = d.now.pop("occurred", None)
    if raw is None or not d.event.startswith("ADT"):
        return
    header = next((s for s in d.message.segments if s.name == "EVN"), None)
    if header is None or not header.get(6):
        return
    quiet = len(d.warnings)
    if trigger in ("A01", "A04") and "start" not in encounter.get("period", {}):
        put_time(d, header, 6, raw, encounter.setdefault("period", {}), "start")
    elif trigger == "A03" and "end" not in encounter.get("period", {}):
        put_time(d, header, 6, raw, encounter.setdefault("period", {}), "end")
    elif trigger == "A02" and encounter.get("location"):
        put_time(d, header, 6, raw, encounter["location"][0].setdefault("period", {}), "start")
    del d.warnings[quiet:]


def planned(d: Draft, event: Segment) -> None:
    """EVN-3 of a planned admission or discharge, where PV2-8 or PV2-9 does not say it."""
    name = {"A05": "plannedStartDate", "A14": "plannedStartDate", "A16": "plannedEndDate"}.get(d.event[4:])
    encounter = d.now.get("encounter")
    if name is None or encounter is None:
        d.lose(event, 3)
        return
    held: dict[str, Any] = {}
    if put_time(d, event, 3, event.get(3), held, "value"):
        known = [one for one in encounter.get("extension", ()) if one["url"] == _V5 + name]
        if not known:
            encounter.setdefault("extension", []).append({"url": _V5 + name, "valueDateTime": held["value"]})
        elif known[0].get("valueDateTime") != held["value"]:
            d.lose(event, 3)


def pv2(d: Draft, s: Segment) -> None:
    encounter = d.now.get("encounter")
    if encounter is None:
        if any(raw for n, raw in enumerate(s.fields) if n):
            fill(d, s)
        _all_lost(d, s)
        d.source(s, d.now.get("patient"))
        return
    d.source(s, encounter)
    d.owner = encounter
    fill(d, s, encounter)
    participants(d, s, 13, "REF", encounter)
    for rep, part in d.repeats(s.get(1)) if s.get(1) else ():
        if place := location(d, s, 1, part, rep):
            encounter.setdefault("location", []).append({"location": place})  # it was planned, and is no longer
    for n, name in ((8, "plannedStartDate"), (9, "plannedEndDate")):
        if raw := s.get(n):
            held: dict[str, Any] = {}
            if put_time(d, s, n, raw, held, "valueDateTime"):
                encounter.setdefault("extension", []).append(
                    {"url": _V5 + name, "valueDateTime": held["valueDateTime"]}
                )
    if (raw := s.get(11)) and (days := number(d.first(raw))) is not None:
        encounter["length"] = {"value": days, "unit": "day", "system": "http://unitsofmeasure.org", "code": "d"}
    elif raw:
        d.lose(s, 11)
    _clinic(d, s, encounter)
    if flag := d.first(s.get(22)).upper():
        if flag in ("Y", "N"):
            restrict(d, encounter, "R" if flag == "Y" else "N")
        else:
            d.lose(s, 22)
    if (raw := s.get(24)) and (state := concept(d, s, 24, raw.partition(d.message.repetition)[0], 0, "0216")):
        encounter.setdefault("extension", []).append({"url": _V5 + "subjectStatus", "valueCodeableConcept": state})
    if (raw := s.get(38)) and (made := first_coding(d, s, 38, raw, "0430")):
        encounter.setdefault("extension", []).append({"url": _MODE, "valueCoding": made})


def _clinic(d: Draft, s: Segment, encounter: Resource) -> None:
    """PV2-23: the clinic of the visit, a part of the facility of PV1-39 where both are named."""
    for rep, part in d.repeats(s.get(23)) if s.get(23) else ():
        facility = encounter.get("serviceProvider")
        if facility is not None and (rep > 1 or facility.keys() != {"type", "display"}):
            d.lose(s, 23, rep)
            continue
        clinic = organization(d, s, 23, part, rep)
        held = d.resources.get((clinic or {}).get("reference", ""))
        if clinic is None or (facility is not None and held is None):
            d.lose(s, 23, rep)
            continue
        if facility is not None and held is not None and held.setdefault("partOf", facility) != facility:
            d.lose(s, 23, rep)
        encounter["serviceProvider"] = clinic


def _all_lost(d: Draft, s: Segment) -> None:
    """Fields that code would have read, had there been a visit."""
    for n, raw in enumerate(s.fields):
        if n > 1 and raw and raw != '""' and d.where(s, n) not in d.lost:
            d.lose(s, n)
