"""TQ (ORC-7, OBR-27) and TQ1 -> Timing, priority, occurrence, dose. Sources: HL7 v2.8.2 sections 4.5.4 (TQ1), 4.3 (TQ)."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, quantity
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.repeats import TIME_WORDS, bounds, duration, pattern, unit_of_time
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import clock
from hie.model import Resource


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


_TIMED = frozenset(("ServiceRequest", "MedicationRequest", "MedicationDispense", "MedicationStatement"))
"""What has room for when it is to be done; an administration or a vaccination has been done."""


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
                        elif part == "timeOfDay" and part in mine:  # two fields name times of one day: all of them
                            mine[part] = sorted({*mine[part], *value})
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
        if order.setdefault("priority", found[1]) != found[1]:
            d.lose(s, n, 0, component)


def of_order(d: Draft, s: Segment, n: int, raw: str, order: Resource) -> None:
    """ORC-7 or OBR-27 (TQ): quantity, interval, duration, start, end, priority, condition, text."""
    if order["resourceType"] not in _TIMED:
        d.lose(s, n)
        return
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
        dose = dosage(order, which)
        if text not in dose.get("text", "").split("\n"):
            dose["text"] = f"{dose['text']}\n{text}" if "text" in dose else text


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
    if order["resourceType"] not in _TIMED:
        for n, raw in enumerate(s.fields):
            if n > 1 and raw:
                d.lose(s, n)
        d.source(s, order)
        return
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
    unit = amount.get("code", "") if amount.get("code") in TIME_WORDS.values() else unit_of_time(amount.get("unit", ""))
    if unit:
        timing.setdefault("repeat", {}).update(duration=amount["value"], durationUnit=unit)
    else:
        d.lose(s, 13)


def waiting(d: Draft, order: Resource) -> None:
    """TQ1s that came between ORC and the segment that says what was ordered."""
    for s in d.now.pop("tq1", ()):
        put_tq1(d, s, order)
