"""The dispatchers of this engine: one for each subscriber whose deliveries it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from hie.delivery.outbox import KEY_SEPARATOR
from hie.delivery.schedule import Entry
from hie.engine.dispatch import Dispatcher
from hie.sections import Subscriber


class Deliveries:
    """`build` makes a dispatcher; `spawn` runs something that must not end by itself while the engine lives."""

    def __init__(
        self,
        subscribers: Sequence[Subscriber],
        build: Callable[[Subscriber], Dispatcher],
        spawn: Callable[[Any], asyncio.Task[None]],
    ) -> None:
        self.subscribers: Mapping[str, Subscriber] = {subscriber.name: subscriber for subscriber in subscribers}
        self.dispatchers: dict[str, Dispatcher] = {}
        self._build = build
        self._spawn = spawn
        self._running: dict[str, asyncio.Task[None]] = {}

    def open(self, name: str, unfinished: Iterable[Any], paused: bool) -> None:
        """Begins to send to a subscriber: `unfinished` are rows of the outbox, oldest first."""
        dispatcher = self._build(self.subscribers[name])
        dispatcher.paused = paused
        for row in unfinished:
            keys = tuple(row.ordering_key.split(KEY_SEPARATOR))
            dispatcher.schedule.add(Entry(row.id, keys, row.due_at, row.queued_at, row.attempts, row.run is not None))
        self.dispatchers[name] = dispatcher
        self._running[name] = self._spawn(dispatcher.run())

    def add(self, name: str, entries: Sequence[Entry]) -> None:
        if (dispatcher := self.dispatchers.get(name)) is not None:
            dispatcher.add(entries)

    def wake(self, ids: set[int]) -> None:
        for dispatcher in self.dispatchers.values():
            dispatcher.wake(ids)

    def forget(self, ids: Sequence[int]) -> None:
        for dispatcher in self.dispatchers.values():
            dispatcher.forget(ids)

    def pause(self, paused: Collection[str]) -> None:
        """`paused` are all subscribers that an operator has paused."""
        for name, dispatcher in self.dispatchers.items():
            if dispatcher.paused is not (name in paused):
                dispatcher.paused = name in paused
                dispatcher.wake()

    @property
    def undelivered(self) -> int:
        """The longest queue. A subscriber that is down or paused holds up nobody."""
        healthy = [d for d in self.dispatchers.values() if not d.paused and not d.breaker.open]
        return max((len(d.schedule) for d in healthy), default=0)

    async def shut(self, names: Collection[str]) -> None:
        """Stops sending to them, once what is in flight has its outcome."""
        for name in names:
            self.dispatchers[name].stop()
        await asyncio.gather(*(self._running[name] for name in names), return_exceptions=True)
        for name in names:
            del self.dispatchers[name], self._running[name]
