"""The byte budget of the intake process: what all listeners together hold before its commit."""

from __future__ import annotations

from collections import Counter


class Budget:
    """Bytes in flight by feed (implements hie.ports.Budget)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self._by_feed: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return self.used > self._limit

    @property
    def heaviest(self) -> str:
        return max(self._by_feed, key=self._by_feed.__getitem__, default="")

    def change(self, feed: str, amount: int) -> None:
        self.used += amount
        self._by_feed[feed] += amount
