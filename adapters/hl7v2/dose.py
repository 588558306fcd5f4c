"""How much, how fast, in which words: the parts of a Dosage that the pharmacy segments share.

Sources: HL7 v2.8.2 sections 4.14.1 (RXO), 4.14.4 (RXE); FHIR R4 Dosage.
"""

from __future__ import annotations

import re
from typing import Any

from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.drug import amount_of
from adapters.hl7v2.numbers import UCUM, number, quantity, unit
from adapters.hl7v2.reader import Segment

_KIND = "http://terminology.hl7.org/CodeSystem/dose-rate-type"
_PER = re.compile(r"([SMHDWL])(\d+)\Z")
_RANGE = re.compile(r"(\d+\.?\d*)\s*-\s*(\d+\.?\d*)\Z")
_UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
_WORDS = {"SEC": "s", "MIN": "min", "HR": "h", "HOUR": "h", "H": "h", "DAY": "d", "WEEK": "wk", "WK": "wk"}


def dose_of(d: Draft, s: Segment, dose: dict[str, Any], low: int, high: int, unit_field: int) -> None:
    """The dose, one or from-to. Where the pharmacy's differs from the one asked for, both are kept: the second as ordered."""
    text = d.first(s.get(low))
    least = number(text) if text else None
    most = number(d.first(s.get(high))) if s.get(high) else None
    if least is None and most is None and (span := _RANGE.match(text)):
        least, most = number(span[1]), number(span[2])
    for n, value in ((low, least), (high, most)):
        if s.get(n) and value is None:
            d.lose(s, n)
    shared: dict[str, Any] = {}
    if s.get(unit_field):
        if least is None and most is None:
            d.lose(s, unit_field)
        else:
            unit(d, s, unit_field, s.get(unit_field), shared)
    if least is None and most is None:
        return
    if most is not None and least is not None and most != least:
        made: dict[str, Any] = {"doseRange": {"low": {"value": least, **shared}, "high": {"value": most, **shared}}}
    else:
        made = {"doseQuantity": {"value": least if least is not None else most, **shared}}
    rates = dose.setdefault("doseAndRate", [{}])
    before = {key: rates[0].pop(key) for key in ("doseQuantity", "doseRange") if key in rates[0]}
    rates[0] = {**made, **rates[0]}
    if before and not _same(before, made):
        asked = d.now.get("dose") is not None and d.now["dose"] is dose
        kind = {"type": {"coding": [{"system": _KIND, "code": "ordered"}]}} if asked else {}
        rates.append({**kind, **before})
    d.now["dose"] = dose if s.name == "RXO" else None


def _same(before: dict[str, Any], made: dict[str, Any]) -> bool:
    """Whether `made` says all that `before` does: the unit may be missing in the one before."""
    if set(before) != set(made):
        return False
    key = next(iter(before))
    if key == "doseRange":
        return bool(before == made)
    return bool(all(made[key].get(part) == value for part, value in before[key].items()))


def per(text: str) -> dict[str, Any] | None:
    """A time unit as it is written for rates (H1, H8, D1, M30, hr) -> Quantity."""
    text = text.upper().strip()
    if found := _PER.match(text):
        value, code = int(found[2]), _UNITS[found[1]]
    elif text in _WORDS:
        value, code = 1, _WORDS[text]
    else:
        return None
    return {"value": value, "unit": code, "system": UCUM, "code": code} if value else None


def rate(d: Draft, s: Segment, n: int, unit_field: int, per_field: int, dose: dict[str, Any]) -> None:
    """A rate: 100 with mL/h, or 100 with mL per H1; without an amount the dose is given over that time."""
    amount = amount_of(d, s, n, unit_field) if s.get(n) or s.get(unit_field) else None
    time = per(d.first(s.get(per_field))) if s.get(per_field) else None
    if s.get(per_field) and time is None:
        d.lose(s, per_field)
    into = dose.setdefault("doseAndRate", [{}])[0] if amount or (time and "doseAndRate" in dose) else {}
    if amount is not None:
        if time is None or "/" in str(amount.get("unit", "")):
            into["rateQuantity"] = amount
            if time and not str(amount.get("unit", "")).lower().rstrip("r").endswith("/" + time["code"]):
                d.lose(s, per_field)
        else:
            into["rateRatio"] = {"numerator": amount, "denominator": time}
    elif time is not None:
        given = into.get("doseQuantity")
        if given is None or "rateRatio" in into or "rateQuantity" in into:
            d.lose(s, per_field)
        else:
            into["rateRatio"] = {"numerator": dict(given), "denominator": time}


def highest(d: Draft, s: Segment, n: int, dose: dict[str, Any]) -> None:
    """The total daily dose (CQ)."""
    if not s.get(n) or not (amount := quantity(d, s, n, s.get(n).partition(d.message.repetition)[0])):
        return
    day = {"value": 1, "unit": "d", "system": UCUM, "code": "d"}
    made = {"numerator": amount, "denominator": day}
    if dose.setdefault("maxDosePerPeriod", made) != made:
        d.lose(s, n)


def texts(d: Draft, s: Segment, fields: tuple[int, ...], dose: dict[str, Any]) -> None:
    """Pharmacy and administration instructions: a code is an additional instruction, a text is the sig."""
    for n in fields:
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            found = concept(d, s, n, part, rep)
            code = d.first(part)
            spoken = " " in code and not (found or {}).get("coding", [{}])[0].get("system")
            if found and found.get("coding") and d.message.component in part and code and not spoken:
                known = dose.setdefault("additionalInstruction", [])
                if found not in known:
                    known.append(found)
                continue
            text = plain(d, part) if spoken else readable(d, part)
            if spoken and code not in text:
                text = f"{code} {text}"
            if text and text not in dose.get("text", "").split("\n"):
                dose["text"] = f"{dose['text']}\n{text}" if "text" in dose else text
