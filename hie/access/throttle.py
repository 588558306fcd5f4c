"""Slows down guessing: after a few failures, waits that double, for the name from that address, and for each alone.

The waits for a name alone begin much later, so that nobody can lock out the administrator from outside with a handful
of requests. In memory: a restart forgets, and each failure is in the audit chain.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from hie.errors import AccessDenied

FREE_PAIR: Final = 5
FREE_ADDRESS: Final = 20
FREE_NAME: Final = 50
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 900.0
FORGOTTEN_AFTER: Final = 3600.0
_REMEMBERED: Final = 20_000


class Throttle:
    """Counts failures. Times are seconds of `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """Raises AccessDenied (`too-many-attempts`) while one of the waits runs."""
        wait = self.wait(name, address)
        if wait > 0:
            raise AccessDenied(
                "too many failed attempts", code="too-many-attempts", hint=f"try again in {int(wait) + 1} s"
            )

    def wait(self, name: str, address: str) -> float:
        """Seconds until the next attempt is looked at; 0 now."""
        now = self._clock()
        with self._lock:
            return max(self._wait(key, free, now) for key, free in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        now = self._clock()
        with self._lock:
            for key, _ in _keys(name, address):
                count, at = self._failures.pop(key, (0, now))
                self._failures[key] = (1 if now - at > FORGOTTEN_AFTER else count + 1, now)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the pair only: one right password must not wipe out an address's guesses at other names."""
        with self._lock:
            self._failures.pop((name, address), None)

    def _wait(self, key: tuple[str, str], free: int, now: float) -> float:
        count, at = self._failures.get(key, (0, now))
        if count < free or now - at > FORGOTTEN_AFTER:
            return 0.0
        return max(0.0, at + min(FIRST_WAIT * 2.0 ** min(count - free, 20), LONGEST_WAIT) - now)


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    name = name[:64]
    return (((name, address), FREE_PAIR), (("", address), FREE_ADDRESS), ((name, ""), FREE_NAME))
