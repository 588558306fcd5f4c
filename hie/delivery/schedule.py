"""What one subscriber may be sent next: order per ordering key, parallel across keys, nobody waits for a stranger.

A delivery with several keys (a merge names two patients) is a barrier: it is ready when it is at the head of each.
History (hie.delivery.priority) goes when nothing else is due, a few at a time: what is on its way cannot be overtaken.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from heapq import heappop, heappush

from hie.delivery.priority import HISTORY, LIVE, Priorities

AT_ONCE = 32
"""Deliveries of history on their way to one subscriber at a time."""
BESIDE_LIVE = 8
"""The same within a second of a live one."""
LIVE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Entry:
    """One unfinished delivery as the schedule knows it."""

    id: int
    keys: tuple[str, ...]
    due_at: float
    queued_at: float
    attempts: int = 0
    repair: bool = False
    """Sent again by an operator's order: history, as long as nothing live waits behind it."""


class Schedule:
    def __init__(self, priorities: Priorities | None = None) -> None:
        self._priorities = priorities or Priorities()
        self._queues: dict[str, deque[Entry]] = {}
        self._live: Counter[str] = Counter()
        """Entries of a key that no repair has queued."""
        self._ready: tuple[list[tuple[float, int, Entry]], ...] = ([], [])
        """By priority: (due, id, entry) of what heads all its keys."""
        self._taken: set[int] = set()
        self._history: set[int] = set()
        """Those of `_taken` that are history."""
        self._room = AT_ONCE
        self._live_at = float("-inf")
        self._entries: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> float | None:
        """`queued_at` of the oldest unfinished delivery. Ids rise with time, and dicts keep their order."""
        return next(iter(self._entries.values())).queued_at if self._entries else None

    def add(self, entry: Entry) -> None:
        """Known ones are not added twice; what another process made due earlier is."""
        known = self._entries.get(entry.id)
        if known is not None:
            if entry.due_at < known.due_at:
                self.wake({entry.id}, entry.due_at)
            return
        self._entries[entry.id] = entry
        for key in entry.keys:
            self._queues.setdefault(key, deque()).append(entry)
        if not entry.repair:
            self._live.update(entry.keys)
            for head in {self._queues[key][0].id: self._queues[key][0] for key in entry.keys}.values():
                if head.repair:  # it is in the way of something live now
                    self._offer(head)
        self._offer(entry)

    def take(self, now: float, limit: int) -> list[Entry]:
        """Up to `limit` entries that are due and at the head of all their keys; each is in flight until told otherwise."""
        taken = self._due(LIVE, now, limit)
        if taken:
            self._live_at = now
        self._room = BESIDE_LIVE if now - self._live_at < LIVE_SECONDS else AT_ONCE
        history = self._due(HISTORY, now, min(limit - len(taken), self._room - len(self._history)))
        self._history.update(entry.id for entry in history)
        return taken + history

    def _due(self, priority: int, now: float, limit: int) -> list[Entry]:
        ready = self._ready[priority]
        taken: list[Entry] = []
        while ready and len(taken) < limit and ready[0][0] <= now:
            due_at, _, entry = heappop(ready)
            # one that was offered twice lies here with an older time as well
            if due_at == entry.due_at and entry.id in self._entries and entry.id not in self._taken:
                self._taken.add(entry.id)
                taken.append(entry)
        return taken

    def finish(self, entry: Entry) -> None:
        """The delivery has a final outcome: the next of each of its keys may go."""
        self._landed(entry)
        if self._entries.pop(entry.id, None) is None:
            return
        if not entry.repair:
            self._live.subtract(entry.keys)
        for key in entry.keys:
            queue = self._queues[key]
            queue.remove(entry)
            if queue:
                self._offer(queue[0])
            else:
                del self._queues[key], self._live[key]

    def forget(self, id: int) -> None:
        """The delivery was taken out. One in flight stays until its attempt has ended."""
        if id not in self._taken and (entry := self._entries.get(id)) is not None:
            self.finish(entry)

    def again(self, entry: Entry, due_at: float) -> None:
        """The delivery stays at the head of its keys and is due later."""
        self._landed(entry)
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
        """When something can be taken next; None where only an answer can change that."""
        open_ = self._ready if len(self._history) < self._room else self._ready[:HISTORY]
        return min((ready[0][0] for ready in open_ if ready), default=None)

    def _landed(self, entry: Entry) -> None:
        self._taken.discard(entry.id)
        self._history.discard(entry.id)

    def _offer(self, entry: Entry) -> None:
        if entry.id not in self._taken and all(self._queues[key][0] is entry for key in entry.keys):
            heappush(self._ready[self._priority(entry)], (entry.due_at, entry.id, entry))

    def _priority(self, entry: Entry) -> int:
        if entry.repair and not any(self._live[key] > 0 for key in entry.keys):
            return HISTORY
        return self._priorities.of(entry.keys)
