"""Laboratory rows: name, value, unit, range, flag, each checked against the others before it is believed.

A lost decimal point is a tenfold error: a value that contradicts its printed range or flag, lies beyond what a living
person can have, or needed a repair is kept as printed text with a low confidence and is not asserted.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.analytes import analyte, is_printed_exactly
from adapters.fax.pages import Line

ASSERTED = 0.9
_VALUE = (
    r"(?P<op>[<>]=?\s?)?(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+[.]\d+|\d+|[0-9OoIlSB]{1,3}[.,]?[0-9OoIlSB]{1,3})"
)
_ROW = re.compile(
    rf"^\s*(?P<name>[A-Za-z][A-Za-z0-9 ,()/%'.-]{{0,38}}?[A-Za-z0-9)])(?:\s*[:;=]\s*|\s*\.{{3,}}\s*|\s*\|\s*|\s+)(?:(?P<flag1>HH|LL|H|L|\*)\s+)?{_VALUE}"
    r"(?P<rest>(?:\s|[|(*%]|[HLA]\b|$|mg|g/|mm).*)?$"
)
_UNIT = re.compile(
    r"(?<![A-Za-z0-9])(%|mg/d[lL1I]|g/d[lL1I]|u?mol/[lL]|mmol/[lL]|mEq/[lL]|[mµu]?I?U/m?[lL]|m?IU/[lL]|ng/m[lL]|ng/d[lL]|pg/m[lL]|pg|fL|fl|"
    r"[KM]/u[lL]|x?10[\^*]?[3-9](?:/u[lL])?|10E[3-9]/u[lL]|cells/u[lL]|mm/hr?|m[lL]/min(?:/1\.73(?:\s?m2)?)?|ug/d[lL]|mcg/d[lL]|U/[lL]|sec(?:onds)?|ratio|"
    r"thou/u[lL]|mill?/u[lL]|m[lL]/min/1\.73m\^?2)(?![A-Za-z0-9])"
)
_RANGE = re.compile(r"\(?\s*(?P<low>\d+(?:\.\d+)?)\s*(?:-|–|to|~)\s*(?P<high>\d+(?:\.\d+)?)\s*\)?")
_LIMIT = re.compile(
    r"\(?\s*(?P<op><=?|>=?|≤|≥|under|over|less than|greater than)\s*(?P<limit>\d+(?:\.\d+)?)\s*\)?", re.IGNORECASE
)
_FLAG = re.compile(
    r"(?<![A-Za-z/])(HH|LL|H|L|A|N|HIGH|LOW|NORMAL|ABNORMAL|CRITICAL|CRIT|C)(?![A-Za-z/])\*?", re.IGNORECASE
)
_FLAGS = {"HIGH": "H", "LOW": "L", "NORMAL": "", "N": "", "ABNORMAL": "A", "CRITICAL": "C", "CRIT": "C"}
_NO_LAB = re.compile(
    r"\b(page|phone|fax|dob|mrn|npi|zip|suite|box|street|date|time|age|tablet|capsule|mg\s+(?:po|tab|daily)|refill|qty|quantity|lot|"
    r"bp|pulse|weight|height|temp|bmi|resp|spo2|o2 sat|po|daily|bid|tid|years|yrs|account|order|accession|patient|room|dose|january|february|march|"
    r"april|june|july|august|september|october|november|december|ave|road|id)\b",
    re.IGNORECASE,
)


class Lab(NamedTuple):
    """One row. `conf` below ASSERTED is for a person to look at; `why` says what did not agree."""

    name: str
    value: str
    unit: str
    ref: str
    flag: str
    conf: float
    why: str
    loinc: str
    line: Line
    comparator: str = ""

    @property
    def number(self) -> float:
        return float(self.value)


def labs_of(lines: list[Line], *, lab_report: bool) -> list[Lab]:
    """Rows of results. Outside a laboratory report only known analytes with a unit or a range count."""
    rows = [found for line in lines if (found := _row(line, lab_report)) is not None]
    flagged = any(r.flag for r in rows)
    return [_judged(row, flagged) for row in rows]


def _row(line: Line, lab_report: bool) -> Lab | None:
    match = _ROW.match(line.text)
    if match is None or _NO_LAB.search(line.text.split("  ")[0] if lab_report else line.text):
        return None
    name, rest = match.group("name").strip(" .-"), match.group("rest") or ""
    printed = match.group("value")
    value = printed.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", printed) else printed
    repaired = not re.fullmatch(r"\d+(?:\.\d+)?", value)
    if repaired:
        value = value.translate(str.maketrans("OoIlSB,", "001158."))
        if not re.fullmatch(r"\d+(?:\.\d+)?", value):
            return None
    if rest.startswith(("/", "-")) or re.match(r"\s*/\s*\d", rest):
        return None
    known = analyte(name)
    unit = _UNIT.search(rest)
    limits = _RANGE.search(rest)
    limit = None if limits else _LIMIT.search(rest)
    if known is None and not (lab_report and (unit or limits or limit)):
        return None
    if known is not None and not (unit or limits or limit or lab_report):
        return None
    bare = rest
    for found in (unit, limits, limit):
        if found is not None:
            bare = bare.replace(found.group(), " ", 1)
    flag = _FLAG.search(bare)
    mark = (match.group("flag1") or (flag.group(1) if flag else "")).upper()
    shown = (limits or limit).group().strip(" ()") if (limits or limit) else ""  # type: ignore[union-attr]
    return Lab(
        known.name if known and not is_printed_exactly(name) else name,
        value,
        unit.group(1) if unit else "",
        re.sub(r"\s*(?:–|to|~)\s*", "-", shown),
        _FLAGS.get(mark, mark).strip("*"),
        0.6 if repaired else 1.0,
        "repaired" if repaired else "",
        known.loinc if known else "",
        line,
        (match.group("op") or "").strip(),
    )


def _judged(lab: Lab, flagged: bool) -> Lab:
    """The row with its confidence; `flagged`: the report prints flags, so a missing one says "within range"."""
    if lab.conf < 1.0:
        return lab
    known = analyte(lab.name)
    number = lab.number
    if known is not None and not lab.comparator and not known.low <= number <= known.high and _usual_unit(lab):
        return lab._replace(conf=0.2, why="implausible")
    side = _side(lab.ref, number)
    if side is not None and not lab.comparator:
        said = (
            "high" if lab.flag in ("H", "HH") else "low" if lab.flag in ("L", "LL") else "within" if flagged else None
        )
        if lab.flag in ("A", "C"):
            said = side if side != "within" else None
            if said is None:
                return lab._replace(conf=0.5, why="flag-and-range")
        if said is not None and said != side:
            return lab._replace(conf=0.3, why="flag-and-range")
        if said is None and side != "within":
            return lab._replace(conf=0.7, why="outside-without-flag")
        return lab._replace(conf=0.97 if known else 0.9)
    if lab.flag in ("H", "HH", "L", "LL") and not lab.ref:
        return lab._replace(conf=0.85 if known else 0.7, why="no-range")
    return lab._replace(conf=0.9 if known and lab.unit else 0.7, why="" if known and lab.unit else "no-range")


_ELECTROLYTES = frozenset({"2951-2", "2823-3", "2075-0", "2028-9"})


def _usual_unit(lab: Lab) -> bool:
    """False where the printed unit is another than the one that the plausible limits are in."""
    return lab.loinc in _ELECTROLYTES or lab.unit.lower() not in ("mmol/l", "umol/l", "cells/ul", "g/l")


def _side(ref: str, number: float) -> str | None:
    """`high`, `low` or `within` by the printed range; None without one, or where the range itself is damaged."""
    if (limits := _RANGE.fullmatch(ref)) is not None:
        low, high = float(limits.group("low")), float(limits.group("high"))
        if low >= high:
            return None
        return "low" if number < low else "high" if number > high else "within"
    if (limit := _LIMIT.fullmatch(ref)) is not None:
        edge = float(limit.group("limit"))
        if limit.group("op").lower() in ("<", "<=", "≤", "under", "less than"):
            return "within" if number <= edge else "high"
        return "within" if number >= edge else "low"
    return None
