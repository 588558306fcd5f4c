"""A subscriber's queue in the hands of an operator: paused, resumed, purged, with a reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hie.audit.events import Kind, event
from hie.engine.handler import Handler
from hie.errors import NotFound
from hie.store import subscribers

if TYPE_CHECKING:
    from hie.engine.process import Engine


class QueueCommands:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.handlers: dict[str, Handler] = {
            "delivery.purge": self._purge,
            "subscriber.pause": self._pause,
            "subscriber.resume": self._resume,
        }

    async def _purge(self, actor: str, ids: list[int], reason: str) -> dict[str, Any]:
        numbers = [int(id) for id in ids]

        def work(connection: Connection) -> list[int]:
            purged = subscribers.purge(connection, numbers, reason, time.time())
            self._note(connection, actor, "delivery.purge", len(purged))
            return purged

        purged = await self.engine.writer.run(work)
        for dispatcher in self.engine.dispatchers.values():
            dispatcher.forget(purged)
        return {"count": len(purged)}

    async def _pause(self, actor: str, name: str, reason: str = "") -> dict[str, Any]:
        return await self._pausing(actor, name, True, reason)

    async def _resume(self, actor: str, name: str, reason: str = "") -> dict[str, Any]:
        return await self._pausing(actor, name, False, reason)

    async def _pausing(self, actor: str, name: str, paused: bool, reason: str) -> dict[str, Any]:
        if name not in self.engine.subscribers:
            raise NotFound(f"no subscriber is called {name!r}")

        def work(connection: Connection) -> None:
            if paused:
                subscribers.pause(connection, name, reason, time.time())
            else:
                subscribers.resume(connection, name)
            self._note(connection, actor, f"subscriber.{'pause' if paused else 'resume'}", 1, name)

        await self.engine.writer.run(work)
        await self.engine.ownership.refresh()
        return {"name": name, "paused": paused}

    def _note(self, connection: Connection, actor: str, command: str, count: int, subscriber: str = "") -> None:
        body: dict[str, Any] = {"command": command, "count": count, "subscriber": subscriber}
        self.engine.trail.add(connection, event(Kind.ADMINISTRATION, actor, body))
