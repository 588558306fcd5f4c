"""Primitive values that R4 does not allow -> what the sender meant, where that can be read without a guess.

Source: FHIR R4 "Datatypes", primitive types and their regular expressions.
"""

from __future__ import annotations

import re
from typing import Any

from hie.fhir import digits
from hie.fhir.dates import DERIVED_OFFSET_URL, ORIGINAL_TEXT_URL, fhir_time
from hie.fhir.primitives import PRIMITIVES
from hie.model import Resource

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_TIME = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?\Z", re.IGNORECASE
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SAFE = str.maketrans("-_", "+/")
_TEXTS = frozenset(("string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid"))
_LONGEST_ORIGINAL = 1000
_GENDERS = frozenset(("male", "female", "other", "unknown"))
_V2_SEX = {"M": "male", "F": "female", "O": "other", "U": "unknown"}
"""HL7 table 0001 to administrative-gender, as the v2-to-FHIR map has it."""


def meant(kind: str, codes: frozenset[str] | None, value: Any, zone: str | None) -> tuple[Any, Resource | None]:
    """(value of `kind`, extension to go with it); the value is None where it cannot be had.

    `codes`: those of a required binding. `zone`: IANA name for times without an offset.
    """
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    made: Any = None
    more: Resource | None = None
    if kind in ("date", "dateTime", "instant"):
        made, more = _time(kind, value, zone)
    elif kind == "boolean":
        made = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None
    elif kind == "decimal":
        made = _decimal(value)
    elif kind in ("integer", "unsignedInt", "positiveInt"):
        number = _decimal(value)
        made = int(number) if number is not None and number == number and abs(number) < 2**31 else None
        made = made if made == number else None
    elif kind == "base64Binary":
        made = "".join(value.split()).translate(_SAFE).rstrip("=") if isinstance(value, str) else None
        made = made + "=" * (-len(made) % 4) if made else None
    elif kind in _TEXTS or kind in ("xhtml", "time"):
        made = _text(kind, value)
    if isinstance(made, str) and codes is not None and made not in codes:
        if codes == _GENDERS and (gender := _V2_SEX.get(made.strip().upper())):
            return gender, original(value)
        made = next((code for code in codes if code.lower() == made.strip().lower()), None)
    if made is None or not PRIMITIVES[kind](made):
        return None, original(value)
    return made, more


def original(value: Any) -> Resource | None:
    """The extension that keeps a value as it was sent, None where there is no text to keep."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str | int | float):
        text = _CONTROL.sub("", str(value)).strip()
    else:
        return None
    if not text or text in ("nan", "inf", "-inf") or len(text) > _LONGEST_ORIGINAL:
        return None
    return {"url": ORIGINAL_TEXT_URL, "valueString": text}


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.match(text := value.strip()):
        return digits.number(text) if not text.lstrip("-").isdigit() else digits.whole(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(kind: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    text = _CONTROL.sub("", value)
    if kind == "code":
        return " ".join(text.split())
    return text if kind in ("string", "markdown", "xhtml") else text.strip()


def _time(kind: str, value: Any, zone: str | None) -> tuple[str | None, Resource | None]:
    if not isinstance(value, str):
        return (
            (str(value), None)
            if kind != "instant" and isinstance(value, int) and 1800 <= value <= 2200
            else (None, None)
        )
    text = value.strip()
    if parts := _TIME.match(text):
        year, month, day, hour, minute, second, fraction, offset = parts.groups()
        text = f"{year}{month}{day}{hour}{minute or ''}{second or ''}{(fraction or '')[:10]}{(offset or '').upper()}"
    elif not text.replace("-", "").isdigit():
        return None, None
    else:
        text = text.replace("-", "")
    found = fhir_time(text, zone)
    if not found.value or (kind == "instant" and found.is_date):
        return None, None
    if kind == "date" and not found.is_date:
        return found.value[:10], original(value)
    if found.derived:
        return found.value, {"url": DERIVED_OFFSET_URL, "valueBoolean": True}
    return found.value, original(value) if found.warning else None
