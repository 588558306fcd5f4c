"""Time stamps and ranges into resources: no invented precision or offset (hie.fhir.dates), the original text kept."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.fhir.dates import DERIVED_OFFSET_URL, INVALID, ORIGINAL_TEXT_URL, FhirTime, fhir_time

_LOCAL = re.compile(r"\d{12}(?:\d\d(?:\.\d+)?)?\Z")

SENT_URL = "http://hl7.org/fhir/StructureDefinition/originalText"
"""Standard extension for the words of the sender, used where an element has no value of its own."""

TEXTS = {
    "time-invalid": "not a time stamp, or an impossible date",
    "time-hour-only": "an hour without minutes cannot be said in FHIR: kept as a date",
    "time-without-zone": "no offset, and neither the feed nor MSH-7 names one: kept as a date",
    "time-dst-doubt": "this local time exists twice or never when the clocks change",
    "offset-odd": "unusual offset",
}


PRECISE = {"Y": 4, "L": 6, "D": 8, "H": 10, "M": 12}
"""TS.2, degree of precision -> digits that count: what follows them is filling. HL7 v2.3 section 2.8.45."""


@lru_cache(maxsize=16384)
def _read(text: str, zone: str | None, offset: str) -> FhirTime:
    if text[:4] < "1800":
        return INVALID  # 0000, 0001: what programs write for "no date"
    if zone is None and offset and _LOCAL.match(text):
        # HL7 v2.8.2 section 2.14.9.7: an offset in MSH-7 is the default for the whole message
        return fhir_time(text + offset)._replace(derived=True)
    return fhir_time(text, zone)


def time_of(d: Draft, raw: str) -> FhirTime:
    """The time in the first component of `raw`, as far as the second (up to version 2.5) says that it is precise."""
    text, _, degree = raw.partition(d.message.component)
    text = d.text(text)
    if degree in PRECISE:
        text = text[: PRECISE[degree]]
    return _read(text, d.context.timezone, d.zone_offset)


def put_time(
    d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any], key: str, rep: int = 0, component: int = 0
) -> bool:
    """Sets `into[key]` (date or dateTime) with its marks. False where no time can be had: then it is listed."""
    time = time_of(d, raw)
    value = time.value
    if not value:
        if d.first(raw):
            d.warn("time-invalid", s, n, TEXTS["time-invalid"], rep)
            d.lose(s, n, rep, component)
        return False
    into[key] = value
    if time.derived:
        into["_" + key] = {"extension": [{"url": DERIVED_OFFSET_URL, "valueBoolean": True}]}
    if time.warning:
        d.warn(time.warning, s, n, TEXTS[time.warning], rep)
        if time.is_date:  # precision was lost: the text as sent stays beside it
            into["_" + key] = {"extension": [{"url": ORIGINAL_TEXT_URL, "valueString": d.first(raw)}]}
    return True


def put_date(
    d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any], key: str, rep: int = 0, component: int = 0
) -> bool:
    """As `put_time` for elements of type `date`: a time of day that was sent and is not zero is listed."""
    text = d.first(raw)
    degree = raw.partition(d.message.component)[2]
    if degree in PRECISE:
        text = text[: PRECISE[degree]]
    time = _read(text[:8], None, "") if text[:8].isdigit() else _read(text, None, "")
    if not time.value:
        if text:
            d.warn("time-invalid", s, n, TEXTS["time-invalid"], rep)
            d.lose(s, n, rep, component)
        return False
    into[key] = time.value[:10]
    if text[8:].partition("-")[0].partition("+")[0].strip("0. "):
        d.lose(s, n, rep, component)
    return True


def put_instant(d: Draft, s: Segment, n: int, raw: str, into: dict[str, Any], key: str, rep: int = 0) -> bool:
    """As `put_time` for elements of type `instant`. Seconds that were not sent are zero, as FHIR's dateTime has it too;
    without an offset there is no instant: the element then carries the text as sent and no value."""
    text = d.first(raw)
    time = time_of(d, raw)
    if time.instant is None:
        if not text:
            return False
        d.warn(time.warning or "time-not-instant", s, n, "not precise enough for an instant", rep)
        if time.value:  # a date that exists: what was sent stays where an instant would stand
            into["_" + key] = {"extension": [{"url": SENT_URL, "valueString": text}]}
            return True
        d.lose(s, n, rep)
        return False
    into[key] = time.value
    if time.derived:
        into["_" + key] = {"extension": [{"url": DERIVED_OFFSET_URL, "valueBoolean": True}]}
    return True


def period(d: Draft, s: Segment, n: int, raw: str, rep: int = 0, component: int = 0) -> dict[str, Any] | None:
    """A DR: start and end, as components of a field or sub-components of a component."""
    mark = d.message.component if d.message.component in raw else d.message.sub
    parts = raw.split(mark)
    made: dict[str, Any] = {}
    if parts[0]:
        put_time(d, s, n, parts[0], made, "start", rep, component)
    if len(parts) > 1 and parts[1]:
        put_time(d, s, n, parts[1], made, "end", rep, component)
    return made or None


def clock(text: str) -> str:
    """A TM (HH[MM[SS[.S+]]]) -> FHIR time; "" where it is none or only an hour."""
    found = re.match(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d(?:\.\d{1,9})?)?\Z", text.strip())
    return f"{found[1]}:{found[2]}:{found[3] or '00'}" if found else ""


def fhir_time_of(d: Draft, raw: str) -> str:
    """The value alone, for comparison."""
    return time_of(d, raw).value
