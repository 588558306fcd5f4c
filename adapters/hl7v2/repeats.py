"""How often and how long: repeat patterns (RPT, RI), durations and bounds -> Timing. Source: HL7 v2.8.2 section 2A.2.66 (RPT).

A repeat pattern with a definite meaning (Q6H, BID) becomes numbers as well as its code; any other stays the code sent.
"""

from __future__ import annotations

import re
from typing import Any

from adapters.hl7v2.concepts import coding, concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, quantity
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import clock, put_time

_GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
_PLAIN = {"BID": (2, 1, "d"), "TID": (3, 1, "d"), "QID": (4, 1, "d"), "QD": (1, 1, "d"), "QDAY": (1, 1, "d"),
          "DAILY": (1, 1, "d"), "QOD": (1, 2, "d"), "QH": (1, 1, "h"), "QAM": (1, 1, "d"), "QPM": (1, 1, "d"), "QHS": (1, 1, "d")}  # fmt: skip
_WHEN = {"QHS": "HS", "HS": "HS", "AC": "AC", "PC": "PC", "QAM": "MORN", "QPM": "EVE", "ACM": "ACM", "ACD": "ACD",
         "ACV": "ACV", "PCM": "PCM", "PCD": "PCD", "PCV": "PCV"}  # fmt: skip
_EVERY = re.compile(r"Q(\d{1,3})([SMHDWLJ])\Z")
_TIMES = re.compile(r"(\d{1,2})X?ID\Z")
_UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
TIME_WORDS = {
    word: code
    for code, words in {
        "s": "s sec second seconds", "min": "min minute minutes", "h": "h hr hrs hour hours", "d": "d day days",
        "wk": "wk week weeks", "mo": "mo month months", "a": "a yr year years",
    }.items()
    for word in words.split()
}  # fmt: skip
_EVENTS = frozenset(("HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"))
_CLOCKS = re.compile(r"(?:[0-2]\d[0-5]\d)(?:\W[0-2]\d[0-5]\d)*\Z")
_DURATION = re.compile(r"([SMHDWL])(\d+)\Z")
_ABBREVIATIONS = frozenset(("BID", "TID", "QID", "AM", "PM", "QD", "QOD"))


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
    needed = code.upper().endswith("PRN")  # "Q8H PRN": as often as every 8 hours, if needed
    if code and (repeat := repeat_of(code[:-3].rstrip(" ,;/-") if needed else code)):
        timing.setdefault("repeat", {}).update(repeat)
    if made:
        if code.upper() in _ABBREVIATIONS and "system" not in made.get("coding", [{}])[0]:
            made["coding"][0] = {"system": _GTS, "code": code.upper()}
        timing["code"] = made
    return needed


def _repeated(d: Draft, s: Segment, n: int, pieces: list[str], timing: dict[str, Any]) -> None:
    """The other components of an RPT: period (5, 6), event (8) with its offset (9, 10); the rest has no place."""
    pieces = pieces + [""] * (11 - len(pieces))
    repeat: dict[str, Any] = {}
    every, unit = number(d.text(pieces[4])), unit_of_time(d.text(pieces[5].partition(d.message.sub)[0]))
    if every is not None and unit:
        repeat |= {"period": every, "periodUnit": unit}
    elif pieces[4]:
        d.lose(s, n, 0, 5)
    event = d.text(pieces[7].partition(d.message.sub)[0]).upper()
    if event in _EVENTS:
        repeat["when"] = [event]
        offset, unit = number(d.text(pieces[8])), unit_of_time(d.text(pieces[9].partition(d.message.sub)[0]))
        if (
            isinstance(offset, int) and offset > 0 and unit == "min"
        ):  # R4 has minutes: another unit is listed, not reckoned
            repeat["offset"] = offset
        elif pieces[8]:
            d.lose(s, n, 0, 9)
    elif event:
        d.lose(s, n, 0, 8)
    for at in (1, 2, 3, 6, 10):
        if pieces[at]:
            d.lose(s, n, 0, at + 1)
    if repeat:
        timing.setdefault("repeat", {}).update(repeat)


def unit_of_time(text: str) -> str:
    """A unit of time as people write it -> its UCUM code; "" for others."""
    return TIME_WORDS.get(text.lower().rstrip("."), "")


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
        if "system" not in made and (unit := unit_of_time(made.get("unit", ""))):
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
