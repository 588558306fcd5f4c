"""When an output value says the same as an input value."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

_STAMP = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d+)?\s*([+-]\d{4})?$")


def plain(text: str) -> str:
    """Text with its white space and its letter case evened out."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def same(value: Any, wanted: str, form: str) -> bool:
    """Does the output value say what the input value says?"""
    if form == "time":
        return str(value) == wanted.strip() or _same_time(str(value), wanted)
    if form == "number" and not isinstance(value, bool):
        return _same_number(value, wanted)
    if isinstance(value, bool):
        return str(value).lower() == wanted
    if form == "letters":
        return re.sub(r"\W", "", plain(wanted)) in re.sub(r"\W", "", plain(str(value)))
    if form == "has":
        return plain(wanted) in plain(str(value))
    if form == "digits":
        return re.sub(r"\W", "", str(value)) == re.sub(r"\W", "", wanted)
    if form == "digits-in":
        return re.sub(r"\W", "", wanted) in re.sub(r"\W", "", str(value))
    if form == "code":
        return str(value).strip() == wanted or plain(str(value)) == plain(wanted)
    return plain(str(value)) == plain(wanted)


def _same_number(value: Any, wanted: str) -> bool:
    try:
        return Decimal(str(value)) == Decimal(wanted.strip().lstrip("+"))
    except InvalidOperation:
        return plain(str(value)) == plain(wanted)


def readable_time(stamp: str) -> bool:
    """Is the stamp a date that exists, with or without a time?"""
    match = _STAMP.match(stamp.strip())
    if not match:
        return False
    year, month, day, hour, minute, second = (int(each) if each else None for each in match.groups()[:6])
    limits = ((month, 1, 12), (day, 1, 31), (hour, 0, 23), (minute, 0, 59), (second, 0, 59))
    if day is not None and month in (2, 4, 6, 9, 11) and day > (29 if month == 2 else 30):
        return False
    return year is not None and year > 1 and all(each is None or low <= each <= high for each, low, high in limits)


def _same_time(value: str, wanted: str) -> bool:
    """The date must agree; the time too where the sender gave an offset, else the date alone may stand (its time means no instant)."""
    match = _STAMP.match(wanted.strip())
    if not match:
        return plain(value) == plain(wanted)
    year, month, day, hour, minute, second, offset = match.groups()
    date = "-".join(each for each in (year, month, day) if each)
    if not value.startswith(date):
        return False
    if not offset or hour is None or (len(value) == 10 and not (hour + (minute or "") + (second or "")).strip("0")):
        return True  # midnight to the second is how programs fill up a date
    clock = f"T{hour}:{minute or '00'}"
    return value[10:].startswith(clock) and (second is None or value[16:].startswith(f":{second}"))
