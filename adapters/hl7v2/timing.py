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
_WORDS = {
    word: code
    for code, words in {
        "s": "s sec second seconds", "min": "min minute minutes", "h": "h hr hrs hour hours", "d": "d day days",
        "wk": "wk week weeks", "mo": "mo month months", "a": "a yr year years",
    }.items()
    for word in words.split()
}  # fmt: skip
_MINUTES = {"min": 1, "h": 60, "d": 1440}
_EVENTS = frozenset(("HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"))
_CLOCKS = re.compile(r"(?:[0-2]\d[0-5]\d)(?:\W[0-2]\d[0-5]\d)*\Z")
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
    if d.message.component in raw and (d.message.sub in pieces[0] or any(pieces[3:])):
        made = concept(d, s, n, pieces[0].replace(d.message.sub, d.message.component)) if pieces[0] else None
        code = d.text(pieces[0].partition(d.message.sub)[0])
        _repeated(d, s, n, pieces, timing)
    else:
        explicit = _CLOCKS.match(d.message.sub.join(pieces[1:])) if d.message.component not in raw else None
        if explicit:  # an RI: the interval, then the times of day
            for one in re.split("[," + re.escape(d.message.sub) + "]", explicit[0]):
                if found := clock("0000" if one == "2400" else one):
                    timing.setdefault("repeat", {}).setdefault("timeOfDay", []).append(found)
            pieces = pieces[:1]
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
    return False


def _repeated(d: Draft, s: Segment, n: int, pieces: list[str], timing: dict[str, Any]) -> None:
    """The other components of an RPT: period (5, 6), event (8) with its offset (9, 10); the rest has no place."""
    pieces = pieces + [""] * (11 - len(pieces))
    repeat: dict[str, Any] = {}
    every, unit = number(d.text(pieces[4])), _unit(d.text(pieces[5].partition(d.message.sub)[0]))
    if every is not None and unit:
        repeat |= {"period": every, "periodUnit": unit}
    elif pieces[4]:
        d.lose(s, n, 0, 5)
    event = d.text(pieces[7].partition(d.message.sub)[0]).upper()
    if event in _EVENTS:
        repeat["when"] = [event]
        offset, unit = number(d.text(pieces[8])), _unit(d.text(pieces[9].partition(d.message.sub)[0]))
        if isinstance(offset, int) and offset > 0 and unit in _MINUTES:
            repeat["offset"] = offset * _MINUTES[unit]
        elif pieces[8]:
            d.lose(s, n, 0, 9)
    elif event:
        d.lose(s, n, 0, 8)
    for at in (1, 2, 3, 6, 10):
        if pieces[at]:
            d.lose(s, n, 0, at + 1)
    if repeat:
        timing.setdefault("repeat", {}).update(repeat)


def _unit(text: str) -> str:
    """A unit of time as people write it -> its UCUM code; "" for others."""
    return _WORDS.get(text.lower().rstrip("."), "")


def duration(d: Draft, s: Segment, n: int, raw: str, timing: dict[str, Any], component: int = 0) -> None:
    text = d.first(raw)
    found = _DURATION.match(text.upper())
    if found:
        unit = _UNITS[found[2]] if found[2] in _UNITS else _UNITS[found[1]]
        bounds = {"value": int(found[2]), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        timing.setdefault("repeat", {})["boundsDuration"] = bounds
        return
    if counted := re.match(r"X(\d{1,4})\Z", text.upper()):
        timing.setdefault("repeat", {})["count"] = int(counted[1])
        return
    if text.upper() == "INDEF":
        d.lose(s, n, 0, component)
        return
    made = quantity(d, s, n, raw)
    if made and not made["value"]:  # a program's word for none
        d.lose(s, n, 0, component)
    elif made:
        if "system" not in made and (unit := _unit(made.get("unit", ""))):
            made |= {"system": "http://unitsofmeasure.org", "code": unit}
        timing.setdefault("repeat", {})["boundsDuration"] = made


def bounds(d: Draft, s: Segment, n_start: int, start: str, n_end: int, end: str, timing: dict[str, Any]) -> None:
    span: dict[str, Any] = {}
    if start:
        put_time(d, s, n_start, start, span, "start", 0, 0 if n_start != n_end else 4)
    if end:
        put_time(d, s, n_end, end, span, "end", 0, 0 if n_start != n_end else 5)
    if span:
        repeat = timing.setdefault("repeat", {})
        if "boundsDuration" in repeat and "end" not in span:  # for so long, from then on
            timing["event"] = [span["start"]]
            if "_start" in span:
                timing["_event"] = [span["_start"]]
            return
        if repeat.pop("boundsDuration", None) is not None:  # R4 has one or the other: the dates say it exactly
            d.lose(s, 6 if s.name == "TQ1" else n_start, 0, 0 if s.name == "TQ1" else 3)
        repeat["boundsPeriod"] = span


def _sharper(d: Draft, s: Segment, at: tuple[int, ...], known: dict[str, Any], more: dict[str, Any]) -> None:
    """Two periods of one order: of the same day said twice the more exact word stays; another day is listed."""
    for end, value in more.items():
        if end.startswith("_"):
            continue
        held = known.get(end)
        if held is None or (value != held and value.startswith(held)):
            known[end] = value
            known.pop("_" + end, None)
            if "_" + end in more:
                known["_" + end] = more["_" + end]
        elif not held.startswith(value):
            d.lose(s, 7 if end == "start" else 8) if s.name == "TQ1" else d.lose(s, at[0])


def dosage(order: Resource, which: int = 0) -> dict[str, Any]:
    """The Dosage of the first, second ... timing of a medication order."""
    slot = "dosage" if order["resourceType"] == "MedicationStatement" else "dosageInstruction"
    doses: list[dict[str, Any]] = order.setdefault(slot, [{}])
    while len(doses) <= which:
        doses.append({})
    return doses[which]


def apply(
    d: Draft, s: Segment, order: Resource, timing: dict[str, Any], needed: bool, at: tuple[int, ...], which: int = 0
) -> None:
    """Puts a Timing where the kind of order has it."""
    kind = order["resourceType"]
    if kind in ("MedicationRequest", "MedicationDispense", "MedicationStatement"):
        slot = "dosage" if kind == "MedicationStatement" else "dosageInstruction"
        dose = dosage(order, which)
        if timing:
            known = dose.setdefault("timing", {})
            for key, one in timing.items():
                if key == "repeat":
                    mine = known.setdefault("repeat", {})
                    bounded = any(k.startswith("bounds") for k in mine)
                    for part, value in one.items():
                        if part == "boundsPeriod" and part in mine:
                            _sharper(d, s, at, mine[part], value)
                        elif part in mine or (bounded and part.startswith("bounds")):
                            if mine.get(part) != value:
                                d.lose(s, at[0])
                        else:
                            mine[part] = value
                else:
                    known.setdefault(key, one)
        if needed:
            dose.setdefault("asNeededBoolean", True)
        if not dose:
            order[slot].pop(which)
            if not order[slot]:
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
                _dose(d, s, n, order, 0, dose)
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
    if condition := d.text(parts[6]):
        _conditional(order, condition)
        needed = False
    if (total := d.text(parts[11])).isdigit() and int(total) > 0:
        timing.setdefault("repeat", {})["count"] = int(total)
    apply(d, s, order, timing, needed, (n,))
    for at in (8, 9, 10):
        if parts[at]:
            d.lose(s, n, 0, at + 1)
    d.rest(s, n, 0, parts, 12)


def _dose(d: Draft, s: Segment, n: int, order: Resource, which: int, amount: dict[str, Any]) -> None:
    """The amount of one dose, unless the drug segment said it."""
    rate = dosage(order, which).setdefault("doseAndRate", [{}])[0]
    if "doseRange" in rate or rate.setdefault("doseQuantity", amount) != amount:
        d.lose(s, n, 0, 1)


def _instruction(order: Resource, text: str, which: int = 0) -> None:
    if order["resourceType"] == "ServiceRequest":
        known = order.get("patientInstruction")
        order["patientInstruction"] = f"{known}\n{text}" if known and known != text else text
    elif order["resourceType"].startswith("Medication"):
        dosage(order, which).setdefault("text", text)


def _conditional(order: Resource, condition: str, which: int = 0) -> None:
    """Done only if something is the case."""
    holder = order if order["resourceType"] == "ServiceRequest" else dosage(order, which)
    holder.pop("asNeededBoolean", None)
    holder["asNeededCodeableConcept"] = {"text": condition}


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
    medication = kind.startswith("Medication")
    timed = d.now.setdefault("timed", {})
    which = timed.get(order["id"], 0) if medication else 0
    timed[order["id"]] = which + 1
    if (raw := s.get(2)) and (amount := quantity(d, s, 2, raw)):
        if medication:
            _dose(d, s, 2, order, which, amount)
        elif order.setdefault("quantityQuantity", amount) != amount:
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
    if condition := d.text(s.get(10)):
        _conditional(order, condition, which)
        needed = False
    if text := d.text(s.get(11)):
        _instruction(order, text, which)
    if raw := s.get(13):
        _lasting(d, s, raw, timing)
    if (total := d.first(s.get(14))).isdigit() and int(total) > 0:
        timing.setdefault("repeat", {})["count"] = int(total)
    elif total:
        d.lose(s, 14)
    apply(d, s, order, timing, needed, tuple(n for n in (3, 4, 6, 7, 8, 13, 14) if s.get(n)) or (3,), which)
    fill(d, s, order)


def _lasting(d: Draft, s: Segment, raw: str, timing: dict[str, Any]) -> None:
    """TQ1-13, how long one occurrence lasts."""
    amount = quantity(d, s, 13, raw)
    if amount is None:
        return
    unit = amount.get("code", "") if amount.get("code") in _WORDS.values() else _unit(amount.get("unit", ""))
    if unit:
        timing.setdefault("repeat", {}).update(duration=amount["value"], durationUnit=unit)
    else:
        d.lose(s, 13)


def waiting(d: Draft, order: Resource) -> None:
    """TQ1s that came between ORC and the segment that says what was ordered."""
    for s in d.now.pop("tq1", ()):
        put_tq1(d, s, order)
