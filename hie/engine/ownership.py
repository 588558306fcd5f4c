"""What this engine works on, and how it hears of work: everything (one engine on SQLite), or its share of lanes and
subscribers (hie.engine.shared)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection

from hie.delivery import outbox
from hie.delivery.schedule import Entry
from hie.engine.inbox import CursorInbox, Inbox
from hie.errors import StoreUnavailable
from hie.intake import journals
from hie.intake.position import Position
from hie.logs import get_logger
from hie.store import lanes, subscribers

if TYPE_CHECKING:
    from hie.engine.process import Engine

log = get_logger(__name__)


class Ownership(Protocol):
    def guard(self, connection: Connection) -> None:
        """In each transaction of the writer. Raises Fenced where the engine may not write any more."""
        ...

    def may_send(self) -> bool:
        """Whether the subscribers are still this engine's, as far as it can know without asking."""
        ...

    async def start(self) -> Inbox:
        """Takes what is to be worked on; from here on deliveries go out."""
        ...

    async def run(self) -> None:
        """While the engine lives. Raises StoreUnavailable where it has to start anew."""
        ...

    def queued(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        """After the commit that queued, released or repeated deliveries of these subscribers."""
        ...

    async def wake(self, messages: Collection[str]) -> None:
        """What waits of these messages is due at once."""
        ...

    async def refresh(self) -> None:
        """An operator changed something about a subscriber's queue."""
        ...

    def report(self) -> None:
        """Writes to the page of back-pressure how far the engine has come."""
        ...

    async def stop(self) -> None:
        """Nothing is in flight any more: lets go of everything."""
        ...


class Alone:
    """One engine with a database of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._inbox: CursorInbox

    def guard(self, connection: Connection) -> None:
        return None

    def may_send(self) -> bool:
        return True

    async def start(self) -> Inbox:
        engine = self.engine
        position, unfinished, paused = await engine.writer.run(self._take_over)
        for name in engine.deliveries.subscribers:
            engine.deliveries.open(name, [row for row in unfinished if row.subscriber == name], name in paused)
        settings = engine.settings
        self._inbox = CursorInbox(
            journals.open_reader(settings.database_url, settings.var / journals.JOURNAL), position
        )
        return self._inbox

    def _take_over(self, connection: Connection) -> tuple[Position, list[Any], set[str]]:
        """The normal start, which is also recovery: attempts that were begun are unknown, the cursor says where to go on."""
        lanes.take(connection, f"{self.engine.settings.name}:{os.getpid()}", time.time())
        self.engine.began(connection, outbox.mark_unknown(connection))
        unfinished = outbox.unfinished(connection)
        gone = [row.id for row in unfinished if row.subscriber not in self.engine.deliveries.subscribers]
        # a subscriber that was taken out of the configuration: its deliveries end where an operator sees them
        subscribers.abandon(connection, gone, time.time())
        return Position(*lanes.cursor(connection)), unfinished, subscribers.paused(connection)

    async def run(self) -> None:
        """Raises StoreUnavailable once the SQLite file is no longer the one that is open: commits would go into a file that
        nobody can find again, and disclosures with them."""
        file = self.engine.settings.var / "hie.db"
        if self.engine.settings.database:
            await asyncio.Event().wait()
        opened = file.stat().st_ino
        while True:
            await asyncio.sleep(1)
            try:
                present = file.stat().st_ino
            except FileNotFoundError:
                present = 0
            if present != opened:
                log.error("database-gone")
                raise StoreUnavailable("the database was removed or replaced under the node", code="database-gone")

    def queued(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        for name, new in entries.items():
            self.engine.deliveries.add(name, new)

    async def wake(self, messages: Collection[str]) -> None:
        with self.engine.reader.connect() as connection:
            ids = {id for message in messages for id in outbox.unfinished_of(connection, message)}
        if ids:
            self.engine.deliveries.wake(ids)

    async def refresh(self) -> None:
        with self.engine.reader.connect() as connection:
            self.engine.deliveries.pause(subscribers.paused(connection))

    def report(self) -> None:
        self.engine.progress.write(self._inbox.applied, self.engine.deliveries.undelivered)

    async def stop(self) -> None:
        return None
