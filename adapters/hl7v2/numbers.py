"""Numbers, quantities and money: NM, SN, CQ, CP, MO. A number keeps the digits that were sent.

Sources: HL7 v2.8.2 sections 2A.2.50 (NM), 2A.2.70 (SN), 2A.2.16 (CQ), 2A.2.15 (CP).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.fhir import digits

_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)\Z")
_WHOLE = re.compile(r"(<=|>=|<|>|=|)\s*([+-]?\d*\.?\d+)\Z")
COMPARATORS = frozenset(("<", "<=", ">=", ">"))
UCUM = "http://unitsofmeasure.org"


@lru_cache(maxsize=16384)
def number(text: str) -> int | float | None:
    """The number in `text` with the digits that were sent (hie.fhir.digits), None where it is none."""
    if text.isdecimal() and len(text) < 17 and text.isascii():
        return int(text)
    found = _NUMBER.match(text)
    if found is None:
        return None
    sign, value = found[1], found[2]
    if "." not in value:
        return int(text) if len(text) < 17 else digits.whole(("-" if sign == "-" else "") + (value.lstrip("0") or "0"))
    whole, _, fraction = value.partition(".")
    if not fraction:
        return int(sign + whole) if len(whole) < 17 else None
    if sign != "+" and whole and (whole[0] != "0" or whole == "0"):
        return digits.number(text)
    return digits.number(f"{'-' if sign == '-' else ''}{whole.lstrip('0') or '0'}.{fraction}")


_TEN = re.compile(r"(?:[xX*]\s*)?10\Z")
_EXPONENT = re.compile(r"-?\d{1,2}(?:\s*/.*)?\Z")


def unit(d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any]) -> None:
    """A unit (CWE) into a Quantity: UCUM only if the sender says UCUM, else as text or with the system sent."""
    key = ("CWE", raw)
    found = d.cache.get(key)
    if found is None:
        made: dict[str, Any] = {}
        found = d.cache[key] = made, tuple(_unit(d, raw, made))
    into.update(found[0])
    for at in found[1]:
        if at:
            d.lost.setdefault(d.where(s, n, 0, at), 1)
        else:
            d.warn("delimiter-unescaped", s, n, "a power of ten whose caret was not escaped: read as one unit")


def _unit(d: Draft, raw: str, into: dict[str, Any]) -> Iterator[int]:
    """Fills `into`; gives the components that it has no place for, 0 for a caret that parts none."""
    message = d.message
    if message.component not in raw:
        if text := d.text(raw):
            into["unit"] = text
        return
    parts = [d.text(p) if p else "" for p in raw.split(message.component)]
    if not any(parts):
        return
    joined = False
    for at in range(len(parts) - 1, 0, -1):  # 10^3/uL with its caret unescaped is one unit, and no component "10"
        if _TEN.match(parts[at - 1]) and _EXPONENT.match(parts[at]):
            parts[at - 1 : at + 1] = [f"{parts[at - 1]}^{parts[at]}"]
            joined = True
    if joined:
        yield 0
    parts += [""] * (9 - len(parts))
    code, shown, name = parts[0], parts[1], parts[2]
    system = d.system(name) if name else ""
    other = d.system(parts[5]) if parts[5] else ""
    into["unit"] = parts[8] or shown or (parts[4] or parts[3] if system == UCUM else "") or code or parts[4] or parts[3]
    if other == UCUM and system != UCUM and parts[3]:
        into["system"], into["code"] = UCUM, parts[3]
    elif system and code:
        into["system"], into["code"] = system, code
    elif code and code != into["unit"]:
        into["code"] = code
        into["system"] = "urn:hie:system:unit"
    said = (into["unit"], into.get("code"))
    for at, part in enumerate(parts):
        if part and at not in (2, 5, 8, 13, 16) and part not in said:
            yield at + 1


def quantity(
    d: Draft, s: Segment, n: int, raw: str, rep: int = 0, unit_raw: str = "", unit_field: int = 0
) -> dict[str, Any] | None:
    """A CQ (number, unit), or an NM with the unit of another field -> Quantity; None and listed where it is no number."""
    value, _, inner = raw.partition(d.message.component)
    text = d.text(value)
    if not text:
        return None
    found = number(text)
    if found is None:
        d.warn("value-not-numeric", s, n, "not a number", rep)
        d.lose(s, n, rep)
        return None
    made: dict[str, Any] = {"value": found}
    if inner:
        unit(d, s, n, inner.replace(d.message.sub, d.message.component), made)
    elif unit_raw:
        unit(d, s, unit_field or n, unit_raw, made)
    return made


def structured(d: Draft, s: Segment, raw: str, unit_raw: str) -> dict[str, Any] | None:
    """An SN -> {"valueQuantity" | "valueRange" | "valueRatio": ...}; None where it fits none of them."""
    parts = [d.text(p) for p in raw.split(d.message.component)]
    parts += [""] * (4 - len(parts))
    comparator, first, between, second = parts[:4]
    if not (first or between or second) and (whole := _WHOLE.match(comparator)):
        comparator, first = whole[1], whole[2]  # number and comparator in one component
    low, high = number(first) if first else None, number(second) if second else None
    if (first and low is None) or (second and high is None):
        return None

    def one(value: int | float) -> dict[str, Any]:
        made: dict[str, Any] = {"value": value}
        if unit_raw:
            unit(d, s, 6, unit_raw, made)
        return made

    if low is not None and high is None and not between:
        made = one(low)
        if comparator in COMPARATORS:
            made = {"comparator": comparator, **made}
        elif comparator not in ("", "="):
            return None
        return {"valueQuantity": made}
    if low is not None and high is not None and between == "-" and comparator in ("", "="):
        return {"valueRange": {"low": one(low), "high": one(high)}}
    if low is not None and high is not None and between in (":", "/") and comparator in ("", "=", *COMPARATORS):
        numerator = one(low)
        if comparator in COMPARATORS:
            numerator = {"comparator": comparator, **numerator}
        return {"valueRatio": {"numerator": numerator, "denominator": one(high)}}
    return None


def money(d: Draft, s: Segment, n: int, raw: str) -> dict[str, Any] | None:
    """A CP or MO (amount & currency) -> Money."""
    price = raw.partition(d.message.component)
    pieces = price[0].split(d.message.sub)
    if d.message.sub not in price[0] and len(price[2]) == 3 and price[2].isalpha():
        pieces = [price[0], price[2]]
    elif price[2].strip(d.message.component):
        d.rest(s, n, 0, raw.split(d.message.component), 1)
    text = d.text(pieces[0]).lstrip("$")
    value = number(text) if text else None
    if value is None:
        if text:
            d.warn("value-not-numeric", s, n, "not an amount")
            d.lose(s, n)
        return None
    made: dict[str, Any] = {"value": value}
    if len(pieces) > 1 and (currency := d.text(pieces[1])):
        made["currency"] = currency
    return made
