"""Enterprise ids: 60 random bits, written as 12 characters of Crockford's base 32 (no I, L, O, U, so they survive the telephone)."""

from __future__ import annotations

import secrets

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)} | {"I": 1, "L": 1, "O": 0}


def mint() -> int:
    """A new id. Random, so that any number of hosts may mint without asking each other."""
    return secrets.randbits(59) + (1 << 59)


def as_text(number: int) -> str:
    p = _PAIRS
    return (
        p[number >> 50]
        + p[number >> 40 & 1023]
        + p[number >> 30 & 1023]
        + p[number >> 20 & 1023]
        + p[number >> 10 & 1023]
        + p[number & 1023]
    )


def as_number(text: str) -> int:
    """The id behind `text`; 0, which nobody has, where it is none."""
    number = 0
    if len(text) != 12:
        return 0
    for character in text.upper():
        value = _VALUES.get(character)
        if value is None:
            return 0
        number = number << 5 | value
    return number
