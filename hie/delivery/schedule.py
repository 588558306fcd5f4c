"""What one subscriber may be sent next: order per ordering key, parallel across keys, nobody waits for a stranger.

A delivery with several keys (a merge names two patients) is a barrier: it is ready when it is at the head of each.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(slots=True, eq=False)
class Entry:
    """One unfinished delivery as the schedule knows it."""

    id: int
    keys: tuple[str, ...]
    due_at: float
    queued_at: float
    attempts: int = 0


class Schedule:
    def __init__(self) -> None:
        self._queues: dict[str, deque[Entry]] = {}
        self._ready: list[tuple[float, int, Entry]] = []
        self._taken: set[int] = set()
        self._entries: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> float | None:
        """`queued_at` of the oldest unfinished delivery. Ids rise with time, and dicts keep their order."""
        return next(iter(self._entries.values())).queued_at if self._entries else None

    def add(self, entry: Entry) -> None:
        if entry.id in self._entries:
            return
        self._entries[entry.id] = entry
        for key in entry.keys:
            self._queues.setdefault(key, deque()).append(entry)
        self._offer(entry)

    def take(self, now: float, limit: int) -> list[Entry]:
        """Up to `limit` entries that are due and at the head of all their keys; each is in flight until told otherwise."""
        taken: list[Entry] = []
        while self._ready and len(taken) < limit and self._ready[0][0] <= now:
            _, _, entry = heappop(self._ready)
            if entry.id in self._entries and entry.id not in self._taken:
                self._taken.add(entry.id)
                taken.append(entry)
        return taken

    def finish(self, entry: Entry) -> None:
        """The delivery has a final outcome: the next of each of its keys may go."""
        self._taken.discard(entry.id)
        if self._entries.pop(entry.id, None) is None:
            return
        for key in entry.keys:
            queue = self._queues[key]
            queue.remove(entry)
            if queue:
                self._offer(queue[0])
            else:
                del self._queues[key]

    def forget(self, id: int) -> None:
        """The delivery was taken out. One in flight stays until its attempt has ended."""
        if id not in self._taken and (entry := self._entries.get(id)) is not None:
            self.finish(entry)

    def again(self, entry: Entry, due_at: float) -> None:
        """The delivery stays at the head of its keys and is due later."""
        self._taken.discard(entry.id)
        entry.due_at = due_at
        self._offer(entry)

    def wake(self, ids: set[int], now: float) -> None:
        """Makes waiting deliveries due at once (a repeated message asks for its unfinished original)."""
        for id in ids:
            entry = self._entries.get(id)
            if entry is not None and id not in self._taken and entry.due_at > now:
                entry.due_at = now
                self._offer(entry)

    def next_due(self) -> float | None:
        return self._ready[0][0] if self._ready else None

    def _offer(self, entry: Entry) -> None:
        if entry.id not in self._taken and all(self._queues[key][0] is entry for key in entry.keys):
            heappush(self._ready, (entry.due_at, entry.id, entry))
