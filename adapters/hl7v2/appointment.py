"""SCH, AIS, AIP, AIL, AIG, RGS -> Appointment. Sources: HL7 v2.8.2 chapter 10; FHIR R4 Appointment."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.numbers import number
from adapters.hl7v2.participation import accepted, actor, answer, contact, person, word
from adapters.hl7v2.parties import merge
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_instant, put_time, time_of
from hie.model import Resource

STATUS = {"S12": "booked", "S13": "booked", "S14": "booked", "S15": "cancelled", "S16": "cancelled", "S17": "entered-in-error",
          "S18": "booked", "S19": "booked", "S26": "noshow", "S20": "booked", "S21": "booked", "S22": "booked", "S23": "booked", "S24": "booked"}  # fmt: skip
"""Trigger event -> Appointment.status, where SCH-25 does not say it."""
_MINUTES = {
    "MIN": 1,
    "M": 1,
    "MINUTES": 1,
    "MINUTE": 1,
    "MN": 1,
    "MINS": 1,
    "": 1,
    "H": 60,
    "HR": 60,
    "HOUR": 60,
    "HOURS": 60,
    "S": 1 / 60,
    "SEC": 1 / 60,
    "D": 1440,
}


def sch(d: Draft, s: Segment) -> None:
    filler = ei(d, s, 2, s.get(2), 0, "FILL") if s.get(2) else None
    placer = ei(d, s, 1, s.get(1), 0, "PLAC") if s.get(1) else None
    number_of = filler or placer
    made = d.unique(
        "Appointment", (number_of or {}).get("system") or d.scope, (number_of or {}).get("value") or d.control_id
    )
    d.now["appointment"] = d.owner = d.now["about"] = made
    d.source(s, made)
    identifiers = [i for i in (placer, filler) if i]
    for n in (26, 27):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if order := ei(d, s, n, part, rep):
                merge(made.setdefault("basedOn", []), {"type": "ServiceRequest", "identifier": order})
    for n, kind_of in ((23, "PLAC"), (24, "FILL")):
        if s.get(n) and (parent := ei(d, s, n, s.get(n), 0, kind_of)):
            made.setdefault("supportingInformation", []).append({"type": "Appointment", "identifier": parent})
    if identifiers:
        made["identifier"] = identifiers
    _status(d, s, made)
    made["participant"] = []
    if d.patient:
        made["participant"].append({"actor": dict(d.patient), "status": accepted(made)})
    if "cancelationReason" not in made and (raw := s.get(6)) and (why := concept(d, s, 6, raw)):
        made.setdefault("reasonCode", []).append(why)
    for rep, part in d.repeats(s.get(7)) if s.get(7) else ():
        if why := concept(d, s, 7, part, rep, "0276"):
            made.setdefault("reasonCode", []).append(why)
    if (raw := s.get(8)) and (kind := concept(d, s, 8, raw, 0, "0277")):
        made["appointmentType"] = kind
    minutes(d, s, made, 9, 10)
    if raw := s.get(11):
        _tq(d, s, raw, made)
    for n, role in ((12, "CALLBCK"), (16, "CALLBCK"), (20, "ENT")):  # those to call back, and who entered it
        contact(d, s, made, n, role, n + 1, n + 2 if role == "CALLBCK" else 0)
    fill(d, s, made)
    d.later.append(lambda: closed(made))


def _status(d: Draft, s: Segment, made: Resource) -> None:
    sent = word(d.first(s.get(25)))
    found = d.coded("0278", sent) if sent else None
    trigger = STATUS.get(d.event.partition("^")[2])
    if trigger in ("cancelled", "entered-in-error", "noshow"):
        made["status"] = trigger
        if sent and (found is None or found[1] != trigger):
            d.lose(s, 25)
            if found is not None:
                d.warn("contradiction", s, 25, "another status than the event's; the event counts")
    elif found is not None and found[1] != "-":
        made["status"] = found[1]
    else:
        if sent:
            d.lose(s, 25)
        made["status"] = trigger or "proposed"
    if made["status"] in ("cancelled", "noshow") and (raw := s.get(6)) and (why := concept(d, s, 6, raw)):
        made["cancelationReason"] = why


def minutes(d: Draft, s: Segment, made: Resource, n: int, unit_field: int) -> None:
    """How long it takes, where the unit is one of time."""
    if not (raw := s.get(n)):
        return
    value = number(d.first(raw))
    factor = _MINUTES.get(d.first(s.get(unit_field)).upper())
    if value is not None and value >= 600 and not s.get(unit_field):
        factor = (
            1 / 60 if _lasting(d, s) == value / 60 else None
        )  # too long for minutes: seconds, where SCH-11 says so too
    if value is None or factor is None or value * factor < 1:
        d.lose(s, n)
        if s.get(unit_field):
            d.lose(s, unit_field)
        return
    made["minutesDuration"] = round(value * factor)


def _lasting(d: Draft, s: Segment) -> float | None:
    """Minutes between start and end in SCH-11."""
    parts = [*s.get(11).partition(d.message.repetition)[0].split(d.message.component), "", "", "", "", ""]
    start, end = time_of(d, parts[3]), time_of(d, parts[4])
    if start.instant is None or end.instant is None:
        return None
    return (datetime.fromisoformat(end.value) - datetime.fromisoformat(start.value)).total_seconds() / 60


def _tq(d: Draft, s: Segment, raw: str, made: Resource) -> None:
    """SCH-11: start and end of versions before TQ1."""
    for rep, part in d.repeats(raw) if d.message.repetition in raw else ():
        if rep > 1 and part.strip(d.message.component):
            d.lose(s, 11, rep)
    parts = raw.partition(d.message.repetition)[0].split(d.message.component)
    parts += [""] * (8 - len(parts))
    for at, key in ((3, "start"), (4, "end")):
        if parts[at]:
            put_instant(d, s, 11, parts[at], made, key)
    for at in (0, 1, 2):
        if parts[at] and at != 2:
            d.lose(s, 11, 0, at + 1)
    if parts[2] and "minutesDuration" not in made:
        text = d.text(parts[2]).upper().lstrip("M")
        if text.isdigit() and int(text) > 0:
            made["minutesDuration"] = int(text)
        else:
            d.lose(s, 11, 0, 3)
    if text := d.text(parts[7]):
        made["comment"] = text
        parts[7] = ""
    d.rest(s, 11, 0, parts, 5)


def resource_line(d: Draft, s: Segment) -> None:
    """AIS service, AIG resource, AIL place, AIP person: the same shape with shifted fields."""
    made = d.now.get("appointment")
    if made is None:
        fill(d, s)
        for n in (3, 4, 6, 7, 9):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.now.get("encounter") or d.now.get("patient") or d.now.get("header"))
        return
    d.source(s, made)
    d.owner = made
    start_field, offset, duration, status_field = {
        "AIS": (4, 5, 7, 0), "AIG": (8, 9, 11, 14), "AIL": (6, 7, 9, 12), "AIP": (6, 7, 9, 12),
    }[s.name]  # fmt: skip
    before = len(made["participant"])
    removed = d.first(s.get(2)).upper() == "D"
    if s.name == "AIS" and removed:
        for n in (3, 4):
            if s.get(n):
                d.lose(s, n)
        fill(d, s, made)
        return
    if s.name == "AIS":
        kind = concept(d, s, 3, s.get(3)) if s.get(3) else None
        if kind and kind not in (known := made.setdefault("serviceType", [])):
            known.append(kind)
    else:
        role = concept(d, s, 4, s.get(4)) if s.get(4) else None
        said = answer(d, s, status_field, made)
        if removed:  # no longer taking part
            said = "declined"
        for rep, part in d.repeats(s.get(3)) if s.get(3) else ():
            if who := actor(d, s, part, rep):
                person(made, who, role, said)
        if len(made["participant"]) == before:
            for n in (4, status_field):
                if s.get(n):
                    d.lose(s, n)
    _when(d, s, made, start_field, offset, duration, before)
    fill(d, s, made)


def _when(d: Draft, s: Segment, made: Resource, start_field: int, offset: int, duration: int, before: int) -> None:
    """The time of the line is the appointment's where SCH gives none, else the participant's period."""
    raw = s.get(start_field)
    length = number(d.first(s.get(duration))) if s.get(duration) else None
    factor = _MINUTES.get(d.first(s.get(duration + 1)).upper()) if s.get(duration) else None
    held: dict[str, Any] = {}
    if raw and put_time(d, s, start_field, raw, held, "start"):
        if "start" not in made and len(held["start"]) > 10:
            made.pop("_start", None)
            made.update(held)
        elif made.get("start") != held["start"]:
            mine = made["participant"][before:]
            if mine:
                for one in mine:
                    one["period"] = dict(held)
            else:
                d.lose(s, start_field)
    if s.get(duration):
        total = round(length * factor) if length is not None and factor is not None else 0
        if total > 0 and "minutesDuration" not in made:
            made["minutesDuration"] = total
        elif total != made.get("minutesDuration"):
            d.lose(s, duration)
    for n in (offset, offset + 1):
        text = d.first(s.get(n))
        if text and text not in ("0",) and n == offset:
            d.lose(s, n)


def closed(made: Resource) -> None:
    if "start" in made and "end" not in made and "minutesDuration" in made:
        with suppress(OverflowError):  # past the year 9999: the start and how long stay
            end = datetime.fromisoformat(made["start"]) + timedelta(minutes=made["minutesDuration"])
            made["end"] = end.isoformat()
            made.pop("_end", None)
            if "_start" in made:
                made["_end"] = made["_start"]
    if "end" in made and "start" not in made:
        made.pop("end")
    if not made["participant"]:
        made["participant"] = [
            {"type": [{"coding": [{"system": THO + "v3-ParticipationType", "code": "SBJ"}]}], "status": "needs-action"}
        ]


def tq1_times(d: Draft, s: Segment, made: Resource) -> None:
    """TQ1-7 and 8 behind SCH. Where SCH-11 said another time, TQ1 counts and that time stays as the one asked for."""
    span: dict[str, Any] = {}
    for n, key in ((7, "start"), (8, "end")):
        if s.get(n):
            put_instant(d, s, n, s.get(n), span, key)
    before: dict[str, Any] = {key: made.pop(key) for key in ("start", "_start", "end", "_end") if key in made and span}
    if before and any(before.get(key, value) != value for key, value in span.items()):
        d.warn("contradiction", s, 7, "another time than in SCH-11; both are kept")
        made.setdefault("requestedPeriod", []).append(before)
        before = {}
    made.update({**before, **span})
    for n in (2, 3, 4, 5, 9, 10):
        if s.get(n):
            d.lose(s, n)
    if text := d.text(s.get(11)):
        made["comment"] = f"{made['comment']}\n{text}" if "comment" in made else text
    if raw := s.get(6):
        value = number(d.first(raw))
        if isinstance(value, int) and "minutesDuration" not in made:
            made["minutesDuration"] = value
        else:
            d.lose(s, 6)
    d.source(s, made)
    fill(d, s, made)
