"""How numbers and times are said: short, with a unit, and the same everywhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_STEPS = ((86400.0, "d", 3600.0, "h"), (3600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))


def age(seconds: float | None) -> str:
    """`45 s`, `12 min 5 s`, `3 h 20 min`, `5 d 2 h`; at most two units. "" for None."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    for size, unit, part, small in _STEPS:
        if seconds >= size:
            rest = int(seconds % size / part)
            return f"{int(seconds / size)} {unit}" + (f" {rest} {small}" if rest and seconds < 20 * size else "")
    return f"{int(seconds)} s"


def lasted(seconds: float | None) -> str:
    """A duration of processing: `3.2 ms`, `1.41 s`, then as `age`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else age(seconds)


def clock(at: float | None) -> str:
    """`2026-01-31 14:05:09` in UTC."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def instant(at: float | None) -> str:
    """For machines: the `datetime` attribute."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def moment(at: float | None) -> str:
    """`14:05:09.123`: within one message's life the day is said once."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def number(value: int | None) -> str:
    """With thin spaces between thousands."""
    return "" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def share(part: int, whole: int) -> str:
    """Percentage, never rounded down to 0 % where something is there."""
    if not whole or not part:
        return "0 %"
    found = 100 * part / whole
    return "< 0.1 %" if found < 0.1 else f"{found:.1f} %" if found < 10 else f"{found:.0f} %"
