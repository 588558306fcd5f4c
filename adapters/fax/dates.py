"""Dates as printed on faxes -> ISO. Strict formats and known confusions; what has two readings has none.

Month comes first in numbers (US). A first number above 12 is damage or another country: no date is made of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.damage import digits
from hie.fhir.dates import fhir_time

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan", "enero", "ene"), ("february", "feb", "febrero"), ("march", "mar", "marzo"),
            ("april", "apr", "abril", "abr"), ("may", "mayo"), ("june", "jun", "junio"), ("july", "jul", "julio"),
            ("august", "aug", "agosto", "ago"), ("september", "sep", "sept", "septiembre"),
            ("october", "oct", "octubre"), ("november", "nov", "noviembre"), ("december", "dec", "diciembre", "dic"),
        ),
        1,
    )
    for name in names
}  # fmt: skip
_D = r"[0-9OoQIl|SsBZzgq]"
_WORD = "|".join(sorted(_MONTHS, key=len, reverse=True))
_NUMERIC = re.compile(rf"(?<![\w/.-])({_D}{{1,2}})\s?([/.-])\s?({_D}{{1,2}})\s?\2\s?({_D}{{4}}|{_D}{{2}})(?![\w/-])")
_ISO = re.compile(rf"(?<![\w/-])({_D}{{4}})-({_D}{{2}})-({_D}{{2}})(?![\d/-])")
_NAMED = re.compile(
    rf"\b({_WORD})\.?\s+({_D}{{1,2}})(?:st|nd|rd|th)?\s*[,.]?\s+({_D}{{4}})\b"
    rf"|\b({_D}{{1,2}})(?:\s+de\s+|[\s-]+)({_WORD})\.?(?:\s+de\s+|[\s,-]+)({_D}{{4}}|{_D}{{2}})\b",
    re.IGNORECASE,
)


class Printed(NamedTuple):
    """A date on the page. `sure` is False where a character was repaired or a century assumed."""

    iso: str
    start: int
    end: int
    sure: bool


def dates_in(text: str, newest_year: int | None = None, *, birth: bool = False) -> list[Printed]:
    """Every date in `text` in order. `newest_year` (of the fax) decides the century of two-digit years."""
    found: list[Printed] = []
    for match in _ISO.finditer(text):
        _add(found, match, match.group(1), match.group(2), match.group(3), newest_year, birth)
    for match in _NUMERIC.finditer(text):
        _add(found, match, match.group(4), match.group(1), match.group(3), newest_year, birth)
    for match in _NAMED.finditer(text):
        month, day, year = match.group(1), match.group(2), match.group(3)
        if month is None:
            day, month, year = match.group(4), match.group(5), match.group(6)
        _add(found, match, year, str(_MONTHS[month.lower()]), day, newest_year, birth)
    found.sort(key=lambda p: p.start)
    return found


def _add(
    found: list[Printed], match: re.Match[str], year: str, month: str, day: str, newest: int | None, birth: bool
) -> None:
    parts = [digits(part) for part in (year, month, day)]
    (year, _), (month, _), (day, _) = parts
    if not (year.isdigit() and month.isdigit() and day.isdigit()):
        return
    sure = not any(repaired for _, repaired in parts)
    if len(year) == 2:
        century = _century(int(year), newest, birth)
        if century is None:
            return
        sure = sure and (not birth or century == 1900)
        year = str(century + int(year))
    if not 1890 <= int(year) <= (newest or 2100) + 5:
        return
    value = fhir_time(f"{year}{int(month):02d}{int(day):02d}")
    if not value.warning and len(value.value) == 10:
        found.append(Printed(value.value, match.start(), match.end(), sure))


def _century(year: int, newest: int | None, birth: bool) -> int | None:
    if not birth:
        return 2000
    if newest is None:
        return 1900 if year > 40 else None
    return 2000 if 2000 + year <= newest else 1900


def newest_year(text: str) -> int | None:
    """The latest four-digit year among the dates of a text."""
    years = [int(p.iso[:4]) for p in dates_in(text)]
    return max((y for y in years if y <= 2100), default=None)
