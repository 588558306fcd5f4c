"""What other processes may ask of the writer. Who may ask is decided before (hie.access in the web process, the file system
for the socket); who asked is audited here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from hie.access import changes
from hie.audit.events import Kind
from hie.engine.consent_commands import ConsentCommands
from hie.engine.handler import Handler
from hie.engine.queue_commands import QueueCommands
from hie.engine.repair_commands import RepairCommands
from hie.errors import NotFound
from hie.store.tables import configuration

if TYPE_CHECKING:
    from hie.engine.process import Engine


class Commands:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repairs = RepairCommands(engine)
        self._handlers: dict[str, Handler] = {
            "ping": self._ping,
            "access": self._access,
            "audit.note": self._note,
            **ConsentCommands(engine).handlers,
            **QueueCommands(engine).handlers,
            **self.repairs.handlers,
        }

    async def answer(self, command: str, arguments: dict[str, Any], actor: str) -> Any:
        handler = self._handlers.get(command)
        if handler is None:
            raise NotFound(f"there is no command {command!r}", code="unknown-command")
        return await handler(actor, **arguments)

    async def _ping(self, actor: str) -> dict[str, Any]:
        """Alive, and the writer commits: what readiness asks. An empty commit succeeds on a full disk, so one row is
        written as it was."""
        same = update(configuration).values(loaded_at=configuration.c.loaded_at)
        same = same.where(configuration.c.hash == self.engine.settings.hash)
        await self.engine.writer.run(lambda connection: connection.execute(same).rowcount)
        mine = self.engine.dispatchers
        return {
            "unfinished": {name: len(d.schedule) for name, d in mine.items()},
            "resting": sorted(name for name, d in mine.items() if d.breaker.open),
        }

    async def _access(self, actor: str, change: str, arguments: dict[str, Any]) -> Any:
        """Credentials and sessions: the changes of hie.access, by name."""
        return await self.engine.writer.run(
            lambda connection: changes.apply(connection, self.engine.trail, actor, change, arguments)
        )

    async def _note(self, actor: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """One event of the audit chain."""
        await asyncio.wrap_future(self.engine.note(Kind(kind), actor, body))
        return {}
