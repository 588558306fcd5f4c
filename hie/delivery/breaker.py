"""Back-off with jitter for one delivery, and a breaker for a subscriber that is down."""

from __future__ import annotations

import random

from hie.sections import Retry

TRIP = 3


def delay(retry: Retry, attempts: int, chance: random.Random) -> float:
    """Seconds until the attempt after `attempts` failed ones: doubling, capped, half of it random."""
    longest: float = min(retry.longest, retry.first * 2.0 ** min(attempts - 1, 30))
    return longest * chance.uniform(0.5, 1.0)


class Breaker:
    """Opens after TRIP failures in a row to reach a subscriber; then one probe at a time until one succeeds.

    Without it a subscriber that sleeps at night would cost two commits for every waiting delivery and retry.
    """

    def __init__(self, retry: Retry, chance: random.Random) -> None:
        self.retry = retry
        self.chance = chance
        self.failures = 0
        self.closed_at = 0.0

    @property
    def open(self) -> bool:
        return self.failures >= TRIP

    def allows(self, now: float) -> int | None:
        """How many deliveries may begin now: None = no limit, 0 = wait, 1 = a probe."""
        if not self.open:
            return None
        return 1 if now >= self.closed_at else 0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.open:
            self.closed_at = now + delay(self.retry, self.failures - TRIP + 1, self.chance)

    def succeeded(self) -> None:
        self.failures = 0
