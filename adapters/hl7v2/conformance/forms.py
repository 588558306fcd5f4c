"""The form of primitive values: numbers, dates and times. Source: HL7 v2.8.2 section 2A.2."""

from __future__ import annotations

import re
from calendar import monthrange

_FORMS = {
    "NM": (re.compile(r"[+-]?\d+(\.\d*)?\Z|[+-]?\.\d+\Z"), "a number"),
    "SI": (re.compile(r"\d{1,4}\Z"), "a number of at most four digits"),
    "DT": (re.compile(r"\d{4}(\d\d(\d\d)?)?\Z"), "a date: YYYY[MM[DD]]"),
    "TM": (re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,4})?)?)?([+-]\d{4})?\Z"), "a time: HH[MM[SS[.S]]][+ZZZZ]"),
    "DTM": (
        re.compile(r"\d{4}(\d\d(\d\d(([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,4})?)?)?)?)?)?([+-]([01]\d)([0-5]\d))?\Z"),
        "a time: YYYY[MM[DD[HH[MM[SS[.S]]]]]][+ZZZZ]",
    ),
}  # fmt: skip
_FORMS["TSComponentOne"] = _FORMS["DTM"]


def wanted(datatype: str, value: str) -> str:
    """What the type asks for where `value` is not of its form; "" where it is, or where the type has no form."""
    form = _FORMS.get(datatype)
    if form is None:
        return ""
    if not form[0].match(value):
        return form[1]
    if datatype in ("DT", "DTM") and not _in_calendar(value):
        return "a date that exists"
    return ""


def _in_calendar(value: str) -> bool:
    digits = re.split(r"[+.-]", value)[0]
    year, month, day = int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1)
    return year > 0 and 1 <= month <= 12 and 1 <= day <= monthrange(max(year, 1), month)[1]
