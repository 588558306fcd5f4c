"""Repairs ordered, stopped and gone on with; dead letters and quarantine released, quarantine purged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hie.audit.events import Kind, event
from hie.chosen import counted, extent
from hie.engine.handler import Handler
from hie.engine.repair import Repairs
from hie.errors import HieError
from hie.store import messages
from hie.store.selection import Selection

if TYPE_CHECKING:
    from hie.engine.process import Engine

PATIENCE = 20.0
"""Seconds that an answer waits for a repair to be done; it goes on after that."""


class RepairCommands:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.work = Repairs(engine)
        self.handlers: dict[str, Handler] = {
            "repair.start": self._start,
            "repair.stop": self._stop,
            "repair.resume": self._resume,
            "deadletters.release": self._release_dead,
            "quarantine.release": self._release_quarantine,
            "quarantine.purge": self._purge_quarantine,
        }

    async def _start(
        self, actor: str, kind: str, selection: dict[str, Any], as_new: bool = False, rate: float = 0.0
    ) -> dict[str, Any]:
        id = await self.work.start(actor, kind, Selection.of(selection), as_new, rate)
        self.work.drive(id)
        return {"id": id}

    async def _stop(self, actor: str, id: int) -> dict[str, Any]:
        await self.work.stop(actor, id)
        return {"id": id}

    async def _resume(self, actor: str, id: int) -> dict[str, Any]:
        await self.work.go_on(actor, id)
        return {"id": id}

    async def _release_dead(
        self,
        actor: str,
        ids: list[int] | None = None,
        subscriber: str | None = None,
        reason: str | None = None,
        all: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Dead letters back into the queue, or the number of them by subscriber."""
        given = {
            "numbers": ids or [],
            "subscriber": subscriber or "",
            "reasons": [reason] if reason else [],
            "everything": all,
        }
        selection = Selection.of(given)
        counts = await self.engine.writer.run(lambda connection: counted(connection, "deadletters", selection))
        by_subscriber: dict[str, int] = {}
        for name, n in counts.items():
            to = name.partition("/")[0]
            if to in self.engine.subscribers:
                by_subscriber[to] = by_subscriber.get(to, 0) + n
        if not dry_run and by_subscriber:
            await self.work.finished(await self.work.start(actor, "deadletters", selection), PATIENCE)
        return {"count": sum(by_subscriber.values()), "by_subscriber": by_subscriber, "dry_run": dry_run}

    async def _release_quarantine(self, actor: str, ids: list[str]) -> dict[str, Any]:
        """Runs quarantined messages through today's decoders again."""
        selection = Selection.of({"messages": ids})
        count, _ = await self.engine.writer.run(lambda connection: extent(connection, "quarantine", selection))
        if count:
            await self.work.finished(await self.work.start(actor, "quarantine", selection), PATIENCE)
        return {"count": count}

    async def _purge_quarantine(self, actor: str, selection: dict[str, Any], reason: str) -> dict[str, Any]:
        """Off the list for good; the bytes stay in the journal for as long as it is kept."""
        if not reason.strip():
            raise HieError("a purge needs a reason", code="no-reason")
        wanted = Selection.of(selection)

        def work(connection: Connection) -> int:
            count = messages.resolve(connection, wanted, reason.strip()[:200], time.time())
            body: dict[str, Any] = {"command": "quarantine.purge", "count": count, "feed": wanted.feed}
            self.engine.trail.add(connection, event(Kind.ADMINISTRATION, actor, body))
            return count

        return {"count": await self.engine.writer.run(work)}
