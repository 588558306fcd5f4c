"""Numbers, quantities and money: NM, SN, CQ, CP, MO. A number is written only where nothing of it is lost.

Sources: HL7 v2.8.2 sections 2A.2.50 (NM), 2A.2.70 (SN), 2A.2.16 (CQ), 2A.2.15 (CP).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment

_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)\Z")
COMPARATORS = frozenset(("<", "<=", ">=", ">"))
UCUM = "http://unitsofmeasure.org"


def number(text: str) -> int | float | None:
    """The number in `text`, None where it is none or a float could not hold it."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    if "." not in text and len(text) < 17:
        return int(text)
    value = float(text)
    if len(text) > 15 and Decimal(repr(value)) != Decimal(text):
        return None
    return value


def unit(d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any]) -> None:
    """A unit (CWE) into a Quantity: UCUM only if the sender says UCUM, else as text or with the system sent."""
    key = ("CWE", raw)
    found = d.cache.get(key)
    if found is None:
        found = d.cache[key] = {}
        _unit(d, s, n, raw, found)
    into.update(found)


def _unit(d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any]) -> None:
    message = d.message
    if message.component not in raw:
        if text := d.text(raw):
            into["unit"] = text
        return
    parts = [d.text(p) if p else "" for p in raw.split(message.component)]
    if not any(parts):
        return
    parts += [""] * (9 - len(parts))
    code, shown, name = parts[0], parts[1], parts[2]
    into["unit"] = parts[8] or shown or code or parts[4] or parts[3]
    system = d.system(name) if name else ""
    other = d.system(parts[5]) if parts[5] else ""
    if other == UCUM and system != UCUM and parts[3]:
        into["system"], into["code"] = UCUM, parts[3]
        if code and code != into["unit"]:
            d.lose(s, n, 0, 1)
    elif system and code:
        into["system"], into["code"] = system, code
        if parts[3] and parts[3] != code:
            d.lose(s, n, 0, 4)
    elif code and code != into["unit"]:
        into["code"] = code
        if not system:
            into["system"] = "urn:hie:system:unit"
    d.rest(s, n, 0, parts, 14)


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
        numerator: dict[str, Any] = {"value": low}
        if comparator in COMPARATORS:
            numerator = {"comparator": comparator, **numerator}
        made = {"numerator": numerator, "denominator": {"value": high}}
        if unit_raw:  # a ratio has no place for a unit of its own
            d.lose(s, 6)
        return {"valueRatio": made}
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
