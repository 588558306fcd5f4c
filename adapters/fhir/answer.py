"""What a subscriber's HTTP status means for a delivery (RFC 9110, RFC 6585, FHIR R4 section 3.1.0)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from hie.errors import DeliveryError, PermanentRefusal, TemporaryFailure

_AGAIN = frozenset({408, 425, 429})
_CREDENTIAL = frozenset({401, 407})
_LONGEST = 24 * 3600.0


class Busy(TemporaryFailure):
    """The subscriber named a time: not before `retry_after` seconds from now."""

    def __init__(self, text: str, *, code: str, retry_after: float) -> None:
        super().__init__(text, code=code)
        self.retry_after = retry_after


def judged(status: int, retry_after: str, now: datetime) -> DeliveryError | None:
    """None where the bundle was taken, else the error to raise.

    401, 407 and redirects say something about the connection, not about the bundle: they are temporary, so that an
    expired token or a moved server parks the queue with one alert and does not dead-letter every message.
    """
    if 200 <= status < 300:
        return None
    text = f"the subscriber answered {status}"
    if status in _AGAIN or status >= 500:
        wait = _seconds(retry_after, now)
        code = "http-busy" if status in _AGAIN else "http-5xx"
        return Busy(text, code=code, retry_after=wait) if wait else TemporaryFailure(text, code=code)
    if status in _CREDENTIAL:
        return TemporaryFailure(
            text, code="http-credential", hint="see that the subscriber's token or certificate is valid"
        )
    if status < 400:
        return TemporaryFailure(text, code="http-redirect", hint="redirects are not followed: configure the final url")
    return PermanentRefusal(text, code=f"http-{status}" if status in _NAMED else "http-4xx")


_NAMED = frozenset({400, 403, 404, 405, 409, 410, 412, 413, 415, 422})
"""Statuses that are a code of their own; the list is closed, because codes are metric labels."""


def _seconds(header: str, now: datetime) -> float:
    """Retry-After as seconds from now, at most a day; 0 where there is none or it cannot be read."""
    header = header.strip()
    if not header:
        return 0.0
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST)
    try:
        then = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), _LONGEST)
