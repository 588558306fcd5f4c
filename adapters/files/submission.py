"""The messages of one file on their way to the disk: several at once, those of one patient one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from adapters.files.settings import FolderSource
from adapters.files.trouble import Troubles
from hie.errors import StoreUnavailable
from hie.model import Arrival, Receipt
from hie.ports import Accept, Meter

BYTES = 8 * 1024 * 1024
"""Of messages on their way at once; a larger one goes alone."""
STOP_SECONDS = 1.0
"""How long answers may stay out once the node stops."""


class Submission:
    """Submits until all are stored, however long the journal is away. `receipts` holds the answers by position."""

    def __init__(
        self,
        feed: str,
        accept: Accept,
        meter: Meter,
        settings: FolderSource,
        troubles: Troubles,
        stop: asyncio.Event,
    ) -> None:
        self._feed = feed
        self._accept = accept
        self._meter = meter
        self._settings = settings
        self._troubles = troubles
        self._stop = stop
        self._flying: dict[asyncio.Task[Receipt], int] = {}
        self._keys: dict[int, frozenset[str]] = {}
        self._sizes: dict[int, int] = {}
        self.receipts: dict[int, Receipt] = {}

    async def run(self, arrivals: Sequence[Arrival]) -> bool:
        """False where it was stopped before all were stored."""
        for arrival in arrivals:
            self._meter.count("hie_messages_received_total", feed=self._feed, format=arrival.format)
            self._meter.count("hie_bytes_received_total", len(arrival.raw), feed=self._feed)
        at = 0
        while at < len(arrivals) or self._flying:
            if at < len(arrivals) and not self._stop.is_set() and self._room(arrivals[at]):
                self._keys[at], self._sizes[at] = _keys_of(arrivals[at]), len(arrivals[at].raw)
                self._flying[asyncio.ensure_future(self._accept(arrivals[at]))] = at
                at += 1
                continue
            if not self._flying:
                return False
            failed = await self._landed()
            if failed is not None:
                # all that follows waits for the rest to land, and begins again with the first that failed
                while self._flying:
                    failed = min(failed, found) if (found := await self._landed()) is not None else failed
                self._troubles.met("journal", "away")
                at = next(i for i in range(failed, len(arrivals)) if i not in self.receipts)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), self._settings.poll_seconds)
            else:
                self._troubles.over("journal")
            while at < len(arrivals) and at in self.receipts:
                at += 1
        if len(self.receipts) < len(arrivals):
            return False
        for arrival in arrivals:
            code = arrival.refusal.code if arrival.refusal else "AA"
            self._meter.count("hie_acks_sent_total", feed=self._feed, code=code)
        return True

    def _room(self, arrival: Arrival) -> bool:
        """A message waits for an earlier one of its patient: were that one refused by a full disk, they would change places."""
        if len(self._flying) >= self._settings.in_flight or self._bytes(arrival) > BYTES:
            return False
        keys = _keys_of(arrival)
        return all(keys.isdisjoint(self._keys[i]) for i in self._flying.values())

    def _bytes(self, arrival: Arrival) -> int:
        return sum(self._sizes[i] for i in self._flying.values()) + len(arrival.raw) if self._flying else 0

    async def _landed(self) -> int | None:
        """Waits for one or more answers; the position of the first that was not stored."""
        done, _ = await asyncio.wait(self._flying, timeout=STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not done and self._stop.is_set():
            # held back for long, or a journal that hangs: whether they are stored shows when they come again
            for task in self._flying:
                task.cancel()
            await asyncio.wait(self._flying)
            self._flying.clear()
        failed: list[int] = []
        for task in done:
            at = self._flying.pop(task)
            try:
                self.receipts[at] = task.result()
            except StoreUnavailable:
                failed.append(at)
        return min(failed, default=None)


def _keys_of(arrival: Arrival) -> frozenset[str]:
    """Messages about nobody keep their order too."""
    return frozenset(arrival.keys.ordering) if arrival.keys and arrival.keys.ordering else frozenset({""})
