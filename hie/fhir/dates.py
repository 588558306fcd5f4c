"""HL7 time stamps (v2 DTM/TS, CDA TS: YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+-ZZZZ]) to FHIR, inventing nothing.

Precision stays what the sender gave; the sender's offset stays; a time without offset gets the feed's zone, marked as
derived, and without a zone becomes a date. FHIR cannot say an hour without minutes: such a value becomes a date.
Sources: HL7 v2.8.2 chapter 2A (DTM), FHIR R4 datatypes (date, dateTime, instant).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_TS = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?\Z"
)

DERIVED_OFFSET_URL = "urn:hie:derived-offset"
ORIGINAL_TEXT_URL = "urn:hie:original-text"


class FhirTime(NamedTuple):
    """`value` is a FHIR date or dateTime ("" if none can be had); `warning` a code or "".

    Warnings: `time-invalid` (not a time stamp, or an impossible date), `time-hour-only`, `time-without-zone` (both lost
    precision: keep the original text), `time-dst-doubt` (local time that occurs twice or never), `offset-odd`.
    """

    value: str
    derived: bool = False
    warning: str = ""

    @property
    def is_date(self) -> bool:
        return len(self.value) <= 10

    @property
    def instant(self) -> str | None:
        """The value where it is precise enough for FHIR's `instant`, else None."""
        return self.value if len(self.value) > 10 else None


INVALID = FhirTime("", warning="time-invalid")


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def fhir_time(text: str, zone: str | None = None) -> FhirTime:
    """A time stamp as sent -> FHIR. `zone` is the IANA name used where the sender gave no offset.

    >>> fhir_time("20230531").value
    '2023-05-31'
    >>> fhir_time("202305311230-0500").value
    '2023-05-31T12:30:00-05:00'
    """
    match = _TS.match(text.strip())
    if match is None:
        return INVALID
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if year in ("0000", "0001"):  # 00010101 is how some systems write that there is no date
        return INVALID
    if month is None:
        return FhirTime(year)
    try:
        valid = date(int(year), int(month), int(day or 1))
    except ValueError:
        return INVALID
    if day is None:
        return FhirTime(f"{year}-{month}")
    on = valid.isoformat()
    if hour is None:
        return FhirTime(on)
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return FhirTime(on, warning="time-invalid")
    if minute is None:
        return FhirTime(on, warning="time-hour-only")
    clock = f"{hour}:{minute}:{second or '00'}" + (f".{fraction}" if fraction else "")
    if offset is None:
        if zone is None:
            return FhirTime(on, warning="time-without-zone")
        found, doubt = _offset_in(zone, int(year), int(month), int(day), int(hour), int(minute))
        return FhirTime(f"{on}T{clock}{found}", derived=True, warning="time-dst-doubt" if doubt else "")
    if offset == "Z":
        return FhirTime(f"{on}T{clock}Z")
    sign, hours, minutes = offset[0], offset[1:3], offset[-2:]
    if int(hours) > 14 or int(minutes) > 59:
        return FhirTime(on, warning="offset-odd")
    warning = "" if minutes in ("00", "30", "45") else "offset-odd"
    return FhirTime(f"{on}T{clock}{sign}{hours}:{minutes}", warning=warning)


def _offset_in(zone: str, *parts: int) -> tuple[str, bool]:
    local = datetime(*parts, tzinfo=_zone(zone))  # type: ignore[misc, arg-type]
    offset = local.utcoffset() or timedelta()
    doubt = local.replace(fold=1).utcoffset() != offset
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}", doubt


def birth_date(text: str) -> FhirTime:
    """As `fhir_time`, cut to the day: FHIR's birthDate has no time (an HL7 birth *time* goes to patient-birthTime)."""
    return fhir_time(text.strip()[:8])


def instant(seconds: float) -> str:
    """Seconds since the epoch -> FHIR instant in UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=512)
def seconds(value: str) -> float:
    """FHIR date, dateTime or instant -> seconds since the epoch, 0 where it cannot be read. What is less precise than a
    moment counts from its beginning, in UTC."""
    try:
        found = datetime.fromisoformat(value + "-01-01"[len(value) - 4 :] if 4 <= len(value) < 10 else value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
