"""Dates of birth, telephone numbers, e-mail addresses and social security numbers: cleaned, or called junk with the reason."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

_ISO = re.compile(r"^(\d{4})-?(\d{2})?-?(\d{2})?(?:[T ].*|\d{4,})?$")
_AMERICAN = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})$")
_DIGITS = re.compile(r"\d")
_EXTENSION = re.compile(r"(?:x|ext\.?|#)\s*\d+\s*$", re.IGNORECASE)
_SSN_JUNK = frozenset(
    "123456789 987654321 078051120 219099999 457555462 012345678 111223333 123121234 123456780".split()
)
_PHONE_JUNK = frozenset("1234567890 5551234567 5555551212 0123456789 5551212 1234567".split())
_NO_MAIL = frozenset(
    "none noemail no na n/a nomail unknown unk test refused declined patient donotemail noreply email example nobody null".split()
)
OLDEST = 1870
_LETTER_DIGITS = str.maketrans("OoDQlIiZSsB", "00001112558")
"""What a scanner makes of digits."""


@lru_cache(maxsize=100_000)
def birth(raw: str) -> tuple[int, int, int]:
    """(year, month, day), 0 for what is not said or is impossible."""
    text = raw.strip()
    if not text[:10].isascii() or any(c.isalpha() for c in text[:10]):
        text = text[:10].translate(_LETTER_DIGITS) + text[10:]
    if len(text) == 8 and text.isdigit() and int(text[:2]) <= 12 and not 1800 < int(text[:4]) < 2100:
        text = f"{text[4:]}-{text[:2]}-{text[2:4]}"  # MMDDYYYY
    match = _ISO.match(text)
    if match:
        year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    else:
        match = _AMERICAN.match(text)
        if not match:
            return (0, 0, 0)
        month, day, year = int(match[1]), int(match[2]), int(match[3])
        if year < 100:
            year += 2000 if year + 2000 <= date.today().year else 1900
        if month > 12 >= day:
            month, day = day, month
    if month > 12 >= day > 0:
        month, day = day, month  # written day first
    if not OLDEST <= year <= date.today().year + 1 or (year <= 1901 and month == day == 1):
        year = month = day = 0
    if not 1 <= month <= 12:
        month = day = 0
    if not 1 <= day <= 31:
        day = 0
    return (year, month, day)


@lru_cache(maxsize=100_000)
def ssn(raw: str) -> str:
    """Nine digits, or the last four where the rest is masked, or "" where it is junk."""
    digits = "".join(_DIGITS.findall(raw))
    if len(raw) <= 11 and len(digits) in (7, 8) and sum(map(str.isalpha, raw)) == 9 - len(digits):
        digits = "".join(_DIGITS.findall(raw.translate(_LETTER_DIGITS)))
    if len(digits) == 4:
        return digits if digits != "0000" else ""
    if len(digits) == 8 and raw.strip().isdigit():
        digits = "0" + digits  # a spreadsheet dropped the leading zero
    if len(digits) != 9 or ssn_is_junk(digits):
        return ""
    return digits


def ssn_is_junk(digits: str) -> bool:
    """Never issued (area 000 or 666, group 00, serial 0000), or a filler."""
    return (
        len(digits) == 9
        and (
            digits[:3] in ("000", "666")
            or digits[3:5] == "00"
            or digits[5:] == "0000"
            or digits in _SSN_JUNK
            or len(set(digits)) <= 2
            or digits.startswith(("99999", "98765432"))
        )
    )  # fmt: skip


@lru_cache(maxsize=100_000)
def phone(raw: str) -> str:
    """Ten digits (seven where the area code is missing), or ""."""
    digits = "".join(_DIGITS.findall(_EXTENSION.sub("", raw)))
    if len(digits) in (8, 9) and any(map(str.isalpha, raw)):
        digits = "".join(_DIGITS.findall(raw.translate(_LETTER_DIGITS)))
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) > 11 and digits.startswith(("001", "0111")):
        digits = digits[-10:]
    if not (len(digits) == 7 or 10 <= len(digits) <= 15):
        return ""
    if digits in _PHONE_JUNK or len(set(digits[-7:])) == 1 or (len(set(digits)) <= 2 and len(digits) == 10):
        return ""
    if digits[-7:] in ("1234567", "7654321", "0000000"):
        return ""
    return digits


@lru_cache(maxsize=100_000)
def email(raw: str) -> str:
    text = raw.strip().lower().removeprefix("mailto:")
    local, at, domain = text.partition("@")
    if not at or "." not in domain or not local:
        return ""
    local = local.split("+")[0]
    if local.strip("._-") in _NO_MAIL or domain in ("none.com", "noemail.com", "na.com", "test.com"):
        return ""
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"
