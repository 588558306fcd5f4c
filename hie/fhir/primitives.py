"""The primitive types of FHIR R4: what a value of each must look like. Source: FHIR R4, data types."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from typing import Any

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_CODE = re.compile(r"[^\s]+(?:\s[^\s]+)*\Z")
_URI = re.compile(r"\S+\Z")
_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?\Z")
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_DATETIME = re.compile(rf"\d{{4}}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:T{_CLOCK}{_ZONE})?)?)?\Z")
_INSTANT = re.compile(rf"\d{{4}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T{_CLOCK}{_ZONE}\Z")
_TIME = re.compile(rf"{_CLOCK}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LIMIT = 20_000

GOOD: dict[str, set[str]] = {}
"""Kind -> short values that were found good: a feed repeats its codes, systems, names and times."""


def _matching(kind: str, pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    good = GOOD.setdefault(kind, set())

    def ok(value: Any) -> bool:
        if type(value) is not str or pattern.match(value) is None:
            return False
        if len(value) < 100:
            if len(good) > _LIMIT:
                good.clear()
            good.add(value)
        return True

    return ok


def _calendar(kind: str, pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    """As `_matching`, for days that exist: the pattern of R4 alone would let 30 February pass."""
    good = GOOD.setdefault(kind, set())
    matches = _matching(kind, pattern)

    def ok(value: Any) -> bool:
        if not matches(value):
            return False
        if value[:4] != "0000" and (
            value[8:10] < "29" or int(value[8:10]) <= monthrange(int(value[:4]), int(value[5:7]))[1]
        ):
            return True
        good.discard(value)
        return False

    return ok


def text(value: Any) -> bool:
    return type(value) is str and bool(value) and (value.isprintable() or _CONTROL.search(value) is None)


def number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and value == value and abs(value) != float("inf"))


PRIMITIVES: dict[str, Callable[[Any], bool]] = {
    "string": text,
    "markdown": text,
    "xhtml": text,
    "code": _matching("code", _CODE),
    "id": _matching("id", _ID),
    "uri": _matching("uri", _URI),
    "url": _matching("url", _URI),
    "canonical": _matching("canonical", _URI),
    "oid": _matching("oid", _URI),
    "uuid": _matching("uuid", _URI),
    "date": _calendar("date", _DATE),
    "dateTime": _calendar("dateTime", _DATETIME),
    "instant": _calendar("instant", _INSTANT),
    "time": _matching("time", _TIME),
    "base64Binary": lambda v: type(v) is str and _BASE64.match(v) is not None and len("".join(v.split())) % 4 == 0,
    "boolean": lambda v: type(v) is bool,
    "integer": lambda v: type(v) is int and -(2**31) <= v < 2**31,
    "unsignedInt": lambda v: type(v) is int and 0 <= v < 2**31,
    "positiveInt": lambda v: type(v) is int and 0 < v < 2**31,
    "decimal": number,
}


for _kind in PRIMITIVES:
    GOOD.setdefault(_kind, set())
