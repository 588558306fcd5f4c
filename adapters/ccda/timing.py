"""The effectiveTime elements of an administration -> when it holds (bounds) and how often (Timing).

IVL_TS gives bounds, PIVL_TS a period, EIVL_TS an event of the day, TS a single time, SXPR_TS any of them together.
Sources: HL7 v3 data types R1 (GTS), C-CDA R2.1 Medication Activity, FHIR R4 Timing and v3-TimingEvent, v3-GTSAbbreviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.ccda.coded import code_of, coding
from adapters.ccda.draft import Draft
from adapters.ccda.quantities import number
from adapters.ccda.times import bounds_unknown, moment, period, put_time
from adapters.ccda.tree import Node
from hie.model import Resource

_UNITS = {
    "s": "s",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "min": "min",
    "minute": "min",
    "minutes": "min",
    "h": "h",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "d": "d",
    "day": "d",
    "days": "d",
    "wk": "wk",
    "week": "wk",
    "weeks": "wk",
    "w": "wk",
    "mo": "mo",
    "month": "mo",
    "months": "mo",
    "a": "a",
    "y": "a",
    "yr": "a",
    "year": "a",
    "years": "a",
}


def _unit(node: Node) -> str:
    """The FHIR unit of time of a PQ, "" where it is none; annotations ("{day}") and plurals are what senders write."""
    return _UNITS.get(node.get("unit").strip().lower().strip("{}").replace("(s)", ""), "")


_WHEN = frozenset(
    [
        "HS",
        "WAKE",
        "C",
        "CM",
        "CD",
        "CV",
        "AC",
        "ACM",
        "ACD",
        "ACV",
        "PC",
        "PCM",
        "PCD",
        "PCV",
        "MORN",
        "AFT",
        "EVE",
        "NIGHT",
        "NOON",
        "PHS",
    ]
)
_ABBREVIATION = {
    (24.0, "h"): "QD",
    (1.0, "d"): "QD",
    (12.0, "h"): "BID",
    (8.0, "h"): "TID",
    (6.0, "h"): "QID",
    (4.0, "h"): "Q4H",
    (48.0, "h"): "QOD",
    (2.0, "d"): "QOD",
}
"""institutionSpecified periods -> v3-GTSAbbreviation, whose codes mean "at institution specified times"."""
_MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0, "d": 1440.0, "wk": 10080.0}


@dataclass(slots=True)
class Schedule:
    """All times of one administration."""

    bounds: Resource | None = None
    """Period of the interval."""
    duration: Resource | None = None
    """The interval's width where it has no bounds."""
    points: list[tuple[str, Resource | None]] = field(default_factory=list)
    """Single times, each with the extension that goes beside it."""
    null: str = ""
    """Why nothing is said about when it was taken."""
    timings: list[Resource] = field(default_factory=list)
    """Timing resources without bounds, one for each independent schedule."""


def schedule(d: Draft, node: Node) -> Schedule:
    """Reads every effectiveTime of `node`."""
    made = Schedule()
    repeats: list[Resource] = []
    codes: list[str] = []
    events: list[Resource] = []
    for each in _flat(node.all("effectiveTime")):
        kind = each.get("xsi:type").rpartition(":")[2]
        if kind == "PIVL_TS" or each.kid("period") is not None:
            repeat, code = _periodic(d, each)
            if repeat or code:
                repeats.append(repeat)
                codes.append(code)
        elif kind == "EIVL_TS" or each.kid("event") is not None:
            if event := _event(d, each):
                events.append(event)
        else:
            _interval(d, each, made)
    for event in events:
        target = next((r for r in repeats if "when" not in r), None)
        if target is None or "offset" in target or ("offset" in event and "when" in target):
            repeats.append(event)
            codes.append("")
        else:
            target.update(event)
    merged = _union(repeats)
    for at, repeat in enumerate(merged):
        timing: Resource = {"repeat": repeat} if repeat else {}
        if at < len(codes) and codes[at] and len(merged) == len(codes):
            timing["code"] = {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "code": codes[at]}]
            }
        if timing:
            made.timings.append(timing)
    return made


def _flat(nodes: list[Node]) -> Iterator[Node]:
    """The times inside SXPR_TS as well."""
    for node in nodes:
        parts = node.all("comp")
        if parts:
            node.used = True
            yield from _flat(parts)
        else:
            yield node


def _interval(d: Draft, node: Node, made: Schedule) -> None:
    low, high = node.kid("low"), node.kid("high")
    if low is None and high is None:
        found = moment(d, node)
        if found is not None:
            probe: Resource = {}
            put_time(d, probe, "x", node)
            made.points.append((found.value, probe.get("_x")))
        elif node.null and not node.get("value"):
            made.null = node.null
    else:
        found_period = period(d, node) or {}
        found_period.update({k: v for k, v in bounds_unknown(d, node).items() if k[1:] not in found_period})
        if found_period and not (found_period.keys() <= {"_start", "_end"} and made.bounds):
            if made.bounds is None:
                made.bounds = found_period
            else:
                for each in node.walk():
                    each.used = False
                d.warn("second-interval", node, "a second interval of time: FHIR holds one")
    width = node.kid("width")
    if width is not None and (length := _length(width)):
        width.used = node.used = True
        made.duration = length


def _length(node: Node) -> Resource | None:
    value, unit = number(node.get("value")), _unit(node)
    if value is None or not unit:
        return None
    return {"value": value, "unit": node.get("unit"), "system": "http://unitsofmeasure.org", "code": unit}


def _periodic(d: Draft, node: Node) -> tuple[Resource, str]:
    """PIVL_TS -> (Timing.repeat, abbreviation)."""
    every = node.kid("period")
    repeat: Resource = {}
    code = ""
    if every is not None:
        low, high = every.kid("low"), every.kid("high")
        sides = [each for each in (low, high) if each is not None and number(each.get("value")) is not None]
        first = sides[0] if sides else every
        value = number(first.get("value"))
        unit = _unit(first)
        if value is not None and unit and value > 0:
            repeat = {"frequency": 1, "period": value, "periodUnit": unit}
            every.used = first.used = True
            if len(sides) == 2 and _unit(sides[1]) == unit and (top := number(sides[1].get("value"))) is not None:
                repeat["periodMax"] = top
                sides[1].used = True
            if node.get("institutionSpecified") == "true":
                code = _ABBREVIATION.get((float(value), unit), "")
        elif every.get("value") or sides:
            d.warn("period-odd", node, "a period whose number or unit of time is not known")
    phase = node.kid("phase")
    if phase is not None:
        _phase(d, phase, repeat)
    if repeat:
        if node.get("institutionSpecified") != "true" or code:
            node.used = True
        else:
            d.warn(
                "institution-specified", node, "times that the institution sets, for a period without a code in FHIR"
            )
            node.used = True
    frequency = node.kid("frequency")
    if frequency is not None and not repeat:
        above, bottom = frequency.kid("numerator"), frequency.kid("denominator")
        if above is not None and bottom is not None:
            times, value = number(above.get("value")), number(bottom.get("value"))
            unit = _unit(bottom)
            if isinstance(times, int) and value and unit:
                repeat = {"frequency": times, "period": value, "periodUnit": unit}
                node.used = frequency.used = above.used = bottom.used = True
    return repeat, code


def _phase(d: Draft, phase: Node, repeat: Resource) -> None:
    """The phase of a period: its width is how long each administration lasts, its time of day when it begins."""
    width, low = phase.kid("width"), phase.kid("low")
    if width is not None and repeat and (length := _length(width)):
        width.used = phase.used = True
        repeat["duration"] = length["value"]
        repeat["durationUnit"] = length["code"]
    start = low if low is not None else phase
    text = start.get("value")
    digits = text.split("+")[0].split("-")[0]
    if repeat and len(digits) >= 12 and repeat.get("periodUnit") == "d":
        # the day of the phase is carried where it is the one on which the interval begins
        begun = {each.get("value")[:8] for time in _around(phase) for each in (time, *time.all("low"))}
        start.used = phase.used = digits[:8] in begun
        repeat["timeOfDay"] = [f"{digits[8:10]}:{digits[10:12]}:{digits[12:14] or '00'}"]


def _around(phase: Node) -> list[Node]:
    """The times of the administration that a phase belongs to."""
    time = phase.parent
    return time.parent.all(time.tag) if time is not None and time.parent is not None else []


def _event(d: Draft, node: Node) -> Resource | None:
    """EIVL_TS -> when, with the offset in minutes."""
    event = node.kid("event")
    code = code_of(event) or code_of(node)
    if not code:
        return None
    if code not in _WHEN:
        d.warn("event-unknown", node, "an event of the day that FHIR has no code for")
        return None
    if event is not None:
        coding(d, event)
        event.used = True
    node.used = True
    made: Resource = {"when": [code]}
    offset = node.kid("offset")
    if offset is not None:
        part = next(
            (
                p
                for p in (offset.kid("low"), offset.kid("high"), offset.kid("width"), offset)
                if p is not None and p.get("value")
            ),
            None,
        )
        if part is not None:
            value, unit = number(part.get("value")), _unit(part)
            if value is not None and unit in _MINUTES and code not in ("C", "CM", "CD", "CV"):
                made["offset"] = abs(round(value * _MINUTES[unit]))
                part.used = offset.used = True
    return made


def _union(repeats: list[Resource]) -> list[Resource]:
    """Events of the day without other content share one repeat: at breakfast and at bedtime."""
    made: list[Resource] = []
    for repeat in repeats:
        plain = next((r for r in made if r.keys() == {"when"}), None) if repeat.keys() == {"when"} else None
        if plain is not None:
            plain["when"] = plain["when"] + [w for w in repeat["when"] if w not in plain["when"]]
        else:
            made.append(repeat)
    return made
