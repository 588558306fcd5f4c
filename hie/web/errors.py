"""Errors of the web layer, and the HTTP status of every error of the product."""

from __future__ import annotations

from hie.access.authenticate import STATUS
from hie.errors import AccessDenied, Conflict, HieError, NotFound, Rejected, StoreUnavailable


class Malformed(HieError):
    """400: the request cannot be understood."""

    code = "bad-request"


class NotAcceptable(HieError):
    """406: the answer cannot be given in the form asked for."""

    code = "not-acceptable"


class TooSlow(HieError):
    """408: the body did not come in time."""

    code = "body-timeout"


class TooLarge(HieError):
    """413: the body is larger than this node takes."""

    code = "too-large"


class Unsupported(HieError):
    """415: a body of a kind that this route does not take."""

    code = "unsupported-media-type"


class Precondition(HieError):
    """412: a condition of the request does not hold, or cannot be checked here."""

    code = "precondition"


UNPROCESSABLE = 422
_STATUS: tuple[tuple[type[HieError], int], ...] = (
    (NotFound, 404),
    (NotAcceptable, 406),
    (TooSlow, 408),
    (Conflict, 409),
    (Precondition, 412),
    (TooLarge, 413),
    (Unsupported, 415),
    (Rejected, UNPROCESSABLE),
    (StoreUnavailable, 503),
)


def status(error: HieError) -> int:
    """The HTTP status of an error; what is not listed is the caller's mistake."""
    if isinstance(error, AccessDenied):
        return STATUS.get(error.code, 403)
    if error.code == StoreUnavailable.code:
        # what the engine answers comes over its socket by code, not by class
        return 503
    return next((number for kind, number in _STATUS if isinstance(error, kind)), 400)
