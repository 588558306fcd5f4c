"""Request bodies, bounded while they are read: one body by its size, its time and its rate, all in flight by their sum."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from hie.errors import StoreUnavailable
from hie.web.errors import TooLarge, TooSlow, Unsupported

SECONDS = 120.0
"""A sender that needs longer for one body is cut off."""
GRACE_SECONDS = 10.0
LEAST_RATE = 4096
"""Bytes a second that a sender must keep up on average once `GRACE_SECONDS` are over: one that drips holds a place of the
process for nothing."""


class Budget:
    """Bytes of unfinished bodies that the process holds at most, over all requests."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, amount: int) -> None:
        """Raises StoreUnavailable where the process holds too much already: the sender tries again."""
        if self.used + amount > self.limit:
            raise StoreUnavailable("too many bodies are being received at once", code="busy", hint="try again")
        self.used += amount

    def give(self, amount: int) -> None:
        self.used -= amount


async def read(
    request: Request, limit: int, budget: Budget, seconds: float = SECONDS, grace: float = GRACE_SECONDS
) -> bytes:
    """The whole body. Raises TooLarge beyond `limit` bytes, TooSlow where it does not come within `seconds` or falls
    below `LEAST_RATE` after `grace` seconds."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Unsupported(f"content-encoding {encoding[:20]!r} is not taken", hint="send the bytes as they are")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes", hint="setting http.max_body")
    parts: list[bytes] = []
    size = 0
    try:
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout(min(seconds, grace)) as clock:
            async for part in request.stream():
                budget.take(len(part))
                size += len(part)
                clock.reschedule(begun + min(seconds, grace + size / LEAST_RATE))
                if size > limit:
                    raise TooLarge(f"the body is larger than {limit} bytes", hint="setting http.max_body")
                parts.append(part)
    except TimeoutError:
        raise TooSlow("the body did not come in time", hint="send it again") from None
    finally:
        budget.give(size)
    return b"".join(parts)
