"""What is pending in the lanes this engine holds, on a PostgreSQL that several engines share.

Rows come in the order of priority and number. A row is deleted in the transaction that applies it, so it is applied once,
whoever tries; a row that is not there any more was applied by a commit whose answer was lost.

A message with several keys lies in several lanes and is a barrier in each: it is applied by whoever holds its first lane,
when nothing before it is left in any of them, and until then it holds up what comes behind it. Where another engine holds
one of its lanes, that one waits at the same row, and the database alone tells both when to go on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from hie.intake.position import Position
from hie.intake.postgres_reader import PostgresReader
from hie.intake.reader import Entry
from hie.pipeline import Step

QUIET, AT_A_BARRIER = 1.0, 0.05


class _Row(NamedTuple):
    entry: Entry
    lanes: tuple[int, ...]


class LaneInbox:
    def __init__(self, reader: PostgresReader) -> None:
        self.reader = reader
        self.patience = QUIET
        self._lanes: frozenset[int] = frozenset()
        self._in_flight: dict[int, tuple[int, ...]] = {}
        """Numbers that are read and not committed yet, with all their lanes."""

    @property
    def lanes(self) -> frozenset[int]:
        return self._lanes

    def hold(self, lanes: Collection[int]) -> None:
        """From now on rows of exactly these lanes are taken."""
        self._lanes = frozenset(lanes)

    def busy(self, lanes: Collection[int]) -> bool:
        """Whether something of these lanes is in hand: they cannot be handed to another engine yet."""
        wanted = set(lanes)
        return any(not wanted.isdisjoint(held) for held in self._in_flight.copy().values())

    def read(self, limit: int) -> list[Entry]:
        held = self._lanes
        taken: list[_Row] = []
        blocked: set[int] = set()
        while True:
            busy = [*self._in_flight, *(row.entry.position.seq for row in taken)]
            open_lanes = held - blocked
            found = [_Row(*row) for row in self.reader.take(open_lanes, limit - len(taken), busy)] if open_lanes else []
            stopped = len(blocked)
            for row in found:
                if blocked.isdisjoint(row.lanes) and self._ready(row, held):
                    taken.append(row)
                else:
                    blocked.update(row.lanes)
            # rows behind a barrier may have filled the room of others
            if len(blocked) == stopped or len(taken) >= limit:
                break
        self.patience = AT_A_BARRIER if blocked else QUIET
        self._in_flight.update((row.entry.position.seq, row.lanes) for row in taken)
        if not held <= self._lanes:
            # a lane was given up meanwhile: what it has taken along is read again
            for row in taken:
                del self._in_flight[row.entry.position.seq]
            return []
        return [row.entry for row in taken]

    def _ready(self, row: _Row, held: Collection[int]) -> bool:
        elsewhere = [lane for lane in row.lanes if lane not in held]
        if not elsewhere:
            return True
        first = row.lanes[0]
        return first in held and not self.reader.held_up(row.entry.position.seq, first, elsewhere)

    def settle(self, connection: Connection, steps: Sequence[Step]) -> Sequence[Step]:
        numbers = [Position.of(step.envelope.message_id).seq for step in steps]
        places = [(lane, number) for number in numbers for lane in self._in_flight[number]]
        rows = connection.exec_driver_sql(_SETTLE, ([lane for lane, _ in places], [number for _, number in places]))
        left = {row[0] for row in rows}
        return [step for step, number in zip(steps, numbers, strict=True) if number in left]

    def committed(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._in_flight.pop(Position.of(step.envelope.message_id).seq, None)


_SETTLE = (
    "DELETE FROM pending USING unnest(%s::smallint[], %s::bigint[]) AS done(lane, seq) "
    "WHERE pending.lane = done.lane AND pending.seq = done.seq RETURNING pending.seq"
)
