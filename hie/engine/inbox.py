"""Where the engine's work comes from: the journal's rows, each to be applied once.

One engine on day files reads them in order behind a cursor. Several engines on one PostgreSQL take what is pending in the
lanes they hold (hie.engine.lane_inbox).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from hie.intake.journals import JournalReader
from hie.intake.position import Position
from hie.intake.reader import Entry
from hie.pipeline import Step
from hie.store import lanes


class Inbox(Protocol):
    @property
    def patience(self) -> float:
        """Seconds after which to look again where nobody has said that there is something."""
        ...

    def read(self, limit: int) -> list[Entry]:
        """The next rows, in the order in which they are to be applied. Called in a thread; raises StoreUnavailable."""
        ...

    def settle(self, connection: Connection, steps: Sequence[Step]) -> Sequence[Step]:
        """In the transaction that applies `steps`: marks them as applied; answers those that are still to be."""
        ...

    def committed(self, steps: Sequence[Step]) -> None:
        """That transaction is on the disk."""
        ...


class CursorInbox:
    """Rows of day files behind a cursor that moves in the commit of their effects."""

    patience = 1.0

    def __init__(self, reader: JournalReader, position: Position) -> None:
        self.reader = reader
        self.position = position
        """Up to where the journal has been read."""
        self.applied = position
        """Up to where its effects are committed."""

    def read(self, limit: int) -> list[Entry]:
        entries = self.reader.read(self.position, limit)
        if entries:
            self.position = entries[-1].position
        return entries

    def settle(self, connection: Connection, steps: Sequence[Step]) -> Sequence[Step]:
        position = Position.of(steps[-1].envelope.message_id)
        lanes.advance(connection, position.day, position.seq, time.time())
        return steps

    def committed(self, steps: Sequence[Step]) -> None:
        self.applied = Position.of(steps[-1].envelope.message_id)
