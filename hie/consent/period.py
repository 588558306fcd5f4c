"""FHIR dates, dateTimes and Periods as intervals of epoch seconds in a jurisdiction's time zone.

A date without time covers the whole local day; a month or a year all of its days. An end is included.
Source: FHIR R4 datatypes (date, dateTime, Period).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

ALWAYS = float("inf")
_PERIOD = frozenset(("id", "extension", "start", "end", "_start", "_end"))

_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?\Z", re.ASCII
)


class Interval(NamedTuple):
    """From `start` up to, not including, `end`."""

    start: float
    end: float


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def interval(text: str, timezone_name: str) -> Interval | None:
    """What a FHIR date or dateTime covers; None where it is neither. A time without offset is local."""
    match = _TIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    local = zone(timezone_name)
    try:
        if day is None:
            first = datetime(int(year), int(month or 1), 1, tzinfo=local)
            after = (int(year), int(month) + 1) if month and month != "12" else (int(year) + 1, 1)
            return Interval(first.timestamp(), datetime(*after, 1, tzinfo=local).timestamp())
        if hour is None:
            first = datetime(int(year), int(month), int(day), tzinfo=local)
            following = first.date() + timedelta(days=1)
            last = datetime(following.year, following.month, following.day, tzinfo=local)
            return Interval(first.timestamp(), last.timestamp())
        # a leap second is the end of its minute
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59))
        width = 60.0 if second is None else 1.0
        at = moment.replace(tzinfo=_offset(offset) if offset else local).timestamp()
    except (ValueError, OverflowError):
        return None
    if fraction:
        return Interval(at + float(fraction), at + float(fraction) + 0.001)
    return Interval(at, at + width)


def _offset(text: str) -> timezone:
    if text == "Z":
        return timezone(timedelta())
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(text)
    width = timedelta(hours=hours, minutes=minutes)
    return timezone(-width if text[0] == "-" else width)


def instant(text: Any, timezone_name: str) -> float | None:
    """The first moment of a date or dateTime, None where it cannot be read."""
    found = interval(text, timezone_name) if isinstance(text, str) else None
    return None if found is None else found.start


def period(value: Any, timezone_name: str) -> Interval | None:
    """A FHIR Period; a missing side is open. None where it cannot be read, is empty, or ends before it starts."""
    if not isinstance(value, dict) or not (value.keys() & {"start", "end"}) or value.keys() - _PERIOD:
        return None
    start, end = -ALWAYS, ALWAYS
    if "start" in value:
        first = interval(value["start"], timezone_name) if isinstance(value["start"], str) else None
        if first is None:
            return None
        start = first.start
    if "end" in value:
        last = interval(value["end"], timezone_name) if isinstance(value["end"], str) else None
        if last is None:
            return None
        end = last.end
    return Interval(start, end) if start < end else None
