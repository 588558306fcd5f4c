"""TQ (ORC-7, OBR-27) and TQ1 -> Timing, priority, occurrence, dose. Sources: HL7 v2.8.2 sections 4.5.4 (TQ1), 4.3 (TQ).

A repeat pattern with a definite meaning (Q6H, BID) becomes numbers as well as its code; any other stays the code sent.
"""

from __future__ import annotations

import re
from typing import Any

from adapters.hl7v2.concepts import coding, concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, quantity
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import clock, put_time
from hie.model import Resource

_GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
_PLAIN = {"BID": (2, 1, "d"), "TID": (3, 1, "d"), "QID": (4, 1, "d"), "QD": (1, 1, "d"), "QDAY": (1, 1, "d"),
          "DAILY": (1, 1, "d"), "QOD": (1, 2, "d"), "QH": (1, 1, "h"), "QAM": (1, 1, "d"), "QPM": (1, 1, "d"), "QHS": (1, 1, "d")}  # fmt: skip
_WHEN = {"QHS": "HS", "HS": "HS", "AC": "AC", "PC": "PC", "QAM": "MORN", "QPM": "EVE", "ACM": "ACM", "ACD": "ACD",
         "ACV": "ACV", "PCM": "PCM", "PCD": "PCD", "PCV": "PCV"}  # fmt: skip
_EVERY = re.compile(r"Q(\d{1,3})([SMHDWLJ])\Z")
_TIMES = re.compile(r"(\d{1,2})X?ID\Z")
_UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
_DURATION = re.compile(r"([SMHDWL])(\d+)\Z")
_ABBREVIATIONS = frozenset(("BID", "TID", "QID", "AM", "PM", "QD", "QOD"))
_PRIORITY = frozenset(("routine", "urgent", "asap", "stat"))


def repeat_of(code: str) -> dict[str, Any]:
    """Timing.repeat of a pattern with one definite meaning, {} for others."""
    code = code.upper().strip()
    repeat: dict[str, Any] = {}
    if code in _PLAIN:
        frequency, period, unit = _PLAIN[code]
        repeat = {"frequency": frequency, "period": period, "periodUnit": unit}
    elif found := _EVERY.match(code):
        if found[2] in _UNITS and int(found[1]) > 0:
            repeat = {"frequency": 1, "period": int(found[1]), "periodUnit": _UNITS[found[2]]}
    elif (found := _TIMES.match(code)) and int(found[1]) > 0:
        repeat = {"frequency": int(found[1]), "period": 1, "periodUnit": "d"}
    if code in _WHEN and code not in _PLAIN:
        repeat["when"] = [_WHEN[code]]
    return repeat


def pattern(d: Draft, s: Segment, n: int, raw: str, timing: dict[str, Any]) -> bool:
    """A repeat pattern (RPT or interval) into `timing`. True where it says "as needed"."""
    pieces = raw.split(d.message.component if d.message.component in raw else d.message.sub)
    made = concept(d, s, n, d.message.component.join(pieces[:3]) if len(pieces) > 1 else pieces[0])
    code = d.text(pieces[0])
    d.rest(s, n, 0, ["", "", "", *pieces[3:]], 3)
    if code.upper().startswith("PRN"):
        rest = code[3:].strip()
        if repeat := repeat_of(rest):
            timing.setdefault("repeat", {}).update(repeat)
        elif rest:
            timing["code"] = {"coding": [coding(d, code, "", "", "", "")]}
        return True
    if code and (repeat := repeat_of(code)):
        timing.setdefault("repeat", {}).update(repeat)
    if made:
        if code.upper() in _ABBREVIATIONS and "system" not in made.get("coding", [{}])[0]:
            made["coding"][0] = {"system": _GTS, "code": code.upper()}
        timing["code"] = made
    for clock_text in (
        d.text(p) for p in (pieces[1:2] if d.message.sub in raw and d.message.component not in raw else [])
    ):
        for one in clock_text.split(","):
            if found := clock(one):
                timing.setdefault("repeat", {}).setdefault("timeOfDay", []).append(found)
    return False


def duration(d: Draft, s: Segment, n: int, raw: str, timing: dict[str, Any], component: int = 0) -> None:
    text = d.first(raw)
    found = _DURATION.match(text.upper())
    if found:
        unit = _UNITS[found[2]] if found[2] in _UNITS else _UNITS[found[1]]
        bounds = {"value": int(found[2]), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        timing.setdefault("repeat", {})["boundsDuration"] = bounds
        return
    if text.upper() == "INDEF":
        d.lose(s, n, 0, component)
        return
    made = quantity(d, s, n, raw)
    if made:
        timing.setdefault("repeat", {})["boundsDuration"] = made


def bounds(d: Draft, s: Segment, n_start: int, start: str, n_end: int, end: str, timing: dict[str, Any]) -> None:
    span: dict[str, Any] = {}
    if start:
        put_time(d, s, n_start, start, span, "start", 0, 0 if n_start != n_end else 4)
    if end:
        put_time(d, s, n_end, end, span, "end", 0, 0 if n_start != n_end else 5)
    if span:
        repeat = timing.setdefault("repeat", {})
        if "boundsDuration" in repeat:
            repeat["duration"], unit = repeat["boundsDuration"]["value"], repeat.pop("boundsDuration")
            if unit.get("code") in ("s", "min", "h", "d", "wk", "mo", "a"):
                repeat["durationUnit"] = unit["code"]
            else:
                del repeat["duration"]
                d.lose(s, n_start)
        repeat["boundsPeriod"] = span


def apply(d: Draft, s: Segment, order: Resource, timing: dict[str, Any], needed: bool, at: tuple[int, ...]) -> None:
    """Puts a Timing where the kind of order has it."""
    kind = order["resourceType"]
    if kind in ("MedicationRequest", "MedicationDispense", "MedicationStatement"):
        slot = "dosage" if kind == "MedicationStatement" else "dosageInstruction"
        dose = order.setdefault(slot, [{}])[0]
        if timing:
            known = dose.setdefault("timing", {})
            for key, one in timing.items():
                if key == "repeat":
                    mine = known.setdefault("repeat", {})
                    bounded = any(k.startswith("bounds") for k in mine)
                    for part, value in one.items():
                        if part in mine or (bounded and part.startswith("bounds")):
                            if mine.get(part) != value:
                                d.lose(s, at[0])
                        else:
                            mine[part] = value
                else:
                    known.setdefault(key, one)
        if needed:
            dose.setdefault("asNeededBoolean", True)
        if not dose:
            del order[slot]
        return
    if kind == "ServiceRequest":
        if needed:
            order["asNeededBoolean"] = True
        if not timing:
            return
        repeat = timing.get("repeat", {})
        span = repeat.get("boundsPeriod")
        if set(timing) == {"repeat"} and set(repeat) == {"boundsPeriod"}:
            if "occurrenceDateTime" in order and order["occurrenceDateTime"] == span.get("start") and "end" not in span:
                return
            if any(k.startswith("occurrence") for k in order):
                for n in at:
                    d.lose(s, n)
            elif set(span) <= {"start", "_start"}:
                order["occurrenceDateTime"] = span["start"]
                if "_start" in span:
                    order["_occurrenceDateTime"] = span["_start"]
            else:
                order["occurrencePeriod"] = span
        elif any(k.startswith("occurrence") for k in order):
            for n in at:
                d.lose(s, n)
        else:
            order["occurrenceTiming"] = timing
        return
    for n in at:
        if s.get(n):
            d.lose(s, n)


def _priority(d: Draft, s: Segment, n: int, code: str, order: Resource, component: int = 0) -> None:
    found = d.coded("0485", code) or d.coded("0485", code[:1])
    if found is None or order["resourceType"] not in ("ServiceRequest", "MedicationRequest"):
        d.lose(s, n, 0, component)
    else:
        order.setdefault("priority", found[1])


def of_order(d: Draft, s: Segment, n: int, raw: str, order: Resource) -> None:
    """ORC-7 or OBR-27 (TQ): quantity, interval, duration, start, end, priority, condition, text."""
    parts = raw.partition(d.message.repetition)[0].split(d.message.component)
    if d.message.repetition in raw:
        d.lose(s, n, 2)
    parts += [""] * (12 - len(parts))
    timing: dict[str, Any] = {}
    if amount := d.text(parts[0].partition(d.message.sub)[0]):
        if order["resourceType"] == "MedicationRequest":
            if (value := number(amount)) is not None:
                dose = {"value": value}
                if unit_sent := d.text(parts[0].partition(d.message.sub)[2].partition(d.message.sub)[0]):
                    dose["unit"] = unit_sent  # type: ignore[assignment]
                rates = order.setdefault("dosageInstruction", [{}])[0].setdefault("doseAndRate", [{}])
                rates[0].setdefault("doseQuantity", dose)
            else:
                d.lose(s, n, 0, 1)
        elif order["resourceType"] == "ServiceRequest" and (value := number(amount)) is not None:
            order.setdefault("quantityQuantity", {"value": value})
        else:
            d.lose(s, n, 0, 1)
    needed = pattern(d, s, n, parts[1], timing) if parts[1] else False
    if parts[2]:
        duration(d, s, n, parts[2], timing, 3)
    bounds(d, s, n, parts[3], n, parts[4], timing)
    if priority := d.text(parts[5]):
        _priority(d, s, n, priority, order, 6)
    if text := d.text(parts[7]):
        _instruction(order, text)
    if parts[6] and order["resourceType"].startswith("Medication"):
        order.setdefault("dosageInstruction", [{}])[0]["asNeededCodeableConcept"] = {"text": d.text(parts[6])}
        needed = False
    elif parts[6]:
        d.lose(s, n, 0, 7)
    if (total := d.text(parts[11])).isdigit() and int(total) > 0:
        timing.setdefault("repeat", {})["count"] = int(total)
    apply(d, s, order, timing, needed, (n,))
    for at in (8, 9, 10):
        if parts[at]:
            d.lose(s, n, 0, at + 1)
    d.rest(s, n, 0, parts, 12)


def _instruction(order: Resource, text: str) -> None:
    if order["resourceType"] == "ServiceRequest":
        order["patientInstruction"] = text
    elif order["resourceType"].startswith("Medication"):
        slot = "dosage" if order["resourceType"] == "MedicationStatement" else "dosageInstruction"
        order.setdefault(slot, [{}])[0].setdefault("text", text)


def tq1(d: Draft, s: Segment) -> None:
    order = d.now.get("medication") or d.now.get("about") or d.now.get("order")
    if order is None and d.now.get("orc") is not None:
        d.now.setdefault("tq1", []).append(s)  # comes before what was ordered (RDE, OMP)
        return
    if order is None:
        order = d.owner
    if order is not None and order["resourceType"] == "Appointment":
        from adapters.hl7v2.appointment import tq1_times

        tq1_times(d, s, order)
        return
    if order is None or order["resourceType"] not in ("ServiceRequest", "MedicationRequest", "MedicationDispense"):
        for n, raw in enumerate(s.fields):
            if n > 1 and raw:
                d.lose(s, n)
        d.source(s, order or d.now.get("header"))
        return
    put_tq1(d, s, order)


def put_tq1(d: Draft, s: Segment, order: Resource) -> None:
    d.source(s, order)
    timing: dict[str, Any] = {}
    needed = False
    kind = order["resourceType"]
    if raw := s.get(2):
        amount = quantity(d, s, 2, raw)
        if amount and kind.startswith("Medication"):
            rates = order.setdefault("dosageInstruction", [{}])[0].setdefault("doseAndRate", [{}])
            rates[0].setdefault("doseQuantity", amount)
        elif amount and kind == "ServiceRequest":
            order.setdefault("quantityQuantity", amount)
        elif amount:
            d.lose(s, 2)
    for rep, part in d.repeats(s.get(3)) if s.get(3) else ():
        needed = pattern(d, s, 3, part, timing) or needed
        if rep > 1:
            d.lose(s, 3, rep)
    for rep, part in d.repeats(s.get(4)) if s.get(4) else ():
        if found := clock(d.first(part)):
            timing.setdefault("repeat", {}).setdefault("timeOfDay", []).append(found)
        else:
            d.lose(s, 4, rep)
    if raw := s.get(6):
        duration(d, s, 6, raw, timing)
    bounds(d, s, 7, s.get(7), 8, s.get(8), timing)
    if raw := s.get(9):
        _priority(d, s, 9, d.first(raw), order)
    if raw := s.get(10):
        if kind.startswith("Medication"):
            order.setdefault("dosageInstruction", [{}])[0]["asNeededCodeableConcept"] = {"text": d.text(raw)}
            needed = False
        else:
            d.lose(s, 10)
    if raw := s.get(11):
        _instruction(order, d.text(raw))
    if (total := d.first(s.get(14))).isdigit() and int(total) > 0:
        timing.setdefault("repeat", {})["count"] = int(total)
    apply(d, s, order, timing, needed, tuple(n for n in (3, 6, 7, 8) if s.get(n)) or (3,))
    fill(d, s, order)


def waiting(d: Draft, order: Resource) -> None:
    """TQ1s that came between ORC and the segment that says what was ordered."""
    for s in d.now.pop("tq1", ()):
        put_tq1(d, s, order)
