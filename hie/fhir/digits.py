"""Decimals that keep the digits they were written with: "5.00" says more than 5.0 (FHIR R4 datatypes, decimal).

A number whose text a float would not give back is a `Written`: a float in every computation, its own text in JSON. Whoever
writes resources as JSON calls `dumps` here; whoever reads what holds such numbers calls `loads`.
"""

from __future__ import annotations

import json
from typing import Any, Self

import orjson


class Written(float):
    """A number and the text it was written as. Equal to any float of the same value."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)


def number(text: str) -> float:
    """A JSON number with a point or an exponent as a float, as a `Written` where a float loses digits of it."""
    value = float(text)
    return value if repr(value) == text else Written(text)


def whole(text: str) -> int | float:
    """A JSON number without point and exponent; beyond 64 bits it is kept by its text, since no writer of ours takes it."""
    return int(text) if len(text) < 19 else Written(text)


def loads(raw: bytes | str) -> Any:
    """JSON with every digit kept: several times the cost of orjson, for what is known to hold such numbers."""
    return json.loads(raw, parse_float=number, parse_int=whole)


def dumps(value: Any, option: int | None = None) -> bytes:
    """orjson.dumps that writes `Written` numbers as they came."""
    return orjson.dumps(value, _as_written, option)


def marked(value: Any) -> tuple[bytes, bool]:
    """As `dumps`, and whether any number was a `Written`."""
    found = False

    def as_written(number: Any) -> orjson.Fragment:
        nonlocal found
        found = True
        return _as_written(number)

    return orjson.dumps(value, as_written), found


def _as_written(value: Any) -> orjson.Fragment:
    if type(value) is Written:
        return orjson.Fragment(value.text)
    raise TypeError(type(value).__name__)
