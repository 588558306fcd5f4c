"""The journal in PostgreSQL, for a region: any number of intakes write, and every engine reads.

One transaction a group: a lock for each identity of the group, in one order everywhere, so that of two intakes that get the
same message at once one sees the other's; the look-up; the rows; what is pending in which lane; one notification.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hie.failpoint import failpoint
from hie.intake import heading, partition, repeats
from hie.intake.dedupe import Window
from hie.intake.lanes import lane_of
from hie.intake.payload import Seal, pack
from hie.intake.position import Position
from hie.intake.postgres import connect
from hie.intake.repeats import Earlier
from hie.intake.row import Row
from hie.intake.writer import JournalWriter, day_of, number
from hie.model import Receipt
from hie.ports import Meter

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.errors import Diagnostic

LIVE, HISTORY = 0, 1
AWAY_SECONDS = 0.5
"""After a connection failed, arrivals are refused for so long without another try: senders learn at once."""
CHANNEL = "hie_arrived"
_LOCK = "SELECT count(pg_advisory_xact_lock(identity)) FROM unnest(%s::bigint[]) AS identity"
_FIND = """
SELECT nextval('arrival_seq'), known.found, first.day, first.seq
FROM unnest(%s::bigint[], %s::bytea[], %s::float8[]) AS asked(identity, content, since)
LEFT JOIN LATERAL (
    SELECT true AS found FROM arrival a WHERE a.identity = asked.identity AND a.day >= %s LIMIT 1
) known ON true
LEFT JOIN LATERAL (
    SELECT day, seq FROM arrival a
    WHERE a.identity = asked.identity AND a.content = asked.content AND a.day >= %s AND a.received_at >= asked.since
    ORDER BY a.received_at, a.seq LIMIT 1
) first ON known.found
"""
_INSERT = """
INSERT INTO arrival (day, seq, received_at, feed, heading, duplicate_of, sha256, identity, content, codec, key_id, raw) VALUES
"""
_NONE = 0
"""Stands for no identity on the way: one type for every value is one statement to prepare."""
_CHUNKS = (64, 32, 16, 8, 4, 2, 1)
_PENDING = """
WITH pending AS (
    INSERT INTO pending (lane, seq, day, lanes, priority)
    SELECT lane, seq, %s, lanes::smallint[], priority
    FROM unnest(%s::smallint[], %s::bigint[], %s::text[], %s::smallint[]) AS row(lane, seq, lanes, priority)
)
SELECT pg_notify(%s, '')
"""


class PostgresJournal(JournalWriter):
    """`history` names the feeds whose messages are applied when nothing live waits."""

    hint = "the database is away, full or read-only; the journal goes on when it answers"
    idle_look = True
    group_rows = 512  # each takes a lock, of which the server has some thousands

    def __init__(
        self,
        url: str,
        windows: Mapping[str, Window] | None = None,
        *,
        history: Collection[str] = (),
        wake: int = -1,
        seal: Seal | None = None,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(windows, wake=wake, seal=seal, meter=meter, clock=clock)
        self._url = url
        self._history = history  # not copied: a feed that comes later is added to it
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._line: socket.socket | None = None
        self._line_lock = threading.Lock()
        self._away_until = 0.0
        self._day = ""
        self._warned = False

    def _write(self, rows: list[Row]) -> list[Receipt]:
        connection = self._open()
        today = day_of(self._clock())
        if today > self._day:
            # never back to an earlier day, even if the clock is
            self._day = max([today, *partition.days(connection)[-1:]])
            partition.make(connection, self._day)
        connection.execute("BEGIN")
        try:
            numbers = self._find_repeats(connection, rows)
            receipts = number(rows, (Position(self._day, seq) for seq in numbers))
            self._insert(connection, [self._values(row, seq) for row, seq in zip(rows, numbers, strict=True)])
            self._note_pending(connection, rows, numbers)
            failpoint("intake-before-commit")
            self._warned = False
            connection.execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                connection.execute("ROLLBACK")
            raise
        if self._warned:
            # somebody ended the wait for the synchronous standby: it is on this server alone
            raise ConnectionError("the commit is in doubt")
        return receipts

    def _find_repeats(self, connection: Connection[tuple[Any, ...]], rows: list[Row]) -> list[int]:
        """Marks rows that repeat an earlier accepted one, of this group or of any intake; answers a number for each row."""
        marks = [row.fingerprint for row in rows]
        if identities := {mark.identity for mark in marks if mark}:
            # a statement of its own: the look-up must see what was committed while this one waited
            connection.execute(_LOCK, (sorted(identities),))
        day = day_of(min(row.since for row in rows))
        places = [mark.identity if mark else None for mark in marks], [mark.content if mark else None for mark in marks]
        found = connection.execute(_FIND, (*places, [row.since for row in rows], day, day)).fetchall()
        known = {
            id(row): Earlier(True, Position(day, seq).message_id if day else None)
            for row, (_, there, day, seq) in zip(rows, found, strict=True)
            if there
        }
        repeats.mark([row for row in rows if row.fingerprint], lambda row: known.get(id(row), Earlier()))
        return [seq for seq, *_ in found]

    def _values(self, row: Row, seq: int) -> tuple[object, ...]:
        """In the order of the columns."""
        from psycopg.types.numeric import Int8

        arrival, mark = row.arrival, row.fingerprint
        packed = pack(arrival.raw, self._seal)
        return (
            self._day,
            Int8(seq),
            row.received_at,
            arrival.feed,
            heading.encode(arrival if row.flags == arrival.flags else replace(arrival, flags=row.flags)).decode(),
            row.duplicate_of,
            row.sha256,
            Int8(_NONE if mark is None else mark.identity),
            b"" if mark is None else mark.content,
            packed.codec,
            packed.key_id,
            packed.data,
        )

    @staticmethod
    def _insert(connection: Connection[tuple[Any, ...]], rows: list[tuple[object, ...]]) -> None:
        """In few statements, each prepared once: every one is a round trip."""
        import psycopg

        cursor, at = psycopg.RawCursor(connection), 0
        for size in _CHUNKS:
            while len(rows) - at >= size:
                cursor.execute(_insert_sql(size), [value for row in rows[at : at + size] for value in row])
                at += size

    def _note_pending(self, connection: Connection[tuple[Any, ...]], rows: list[Row], numbers: list[int]) -> None:
        places = []
        for row, seq in zip(rows, numbers, strict=True):
            feed = row.arrival.feed
            # in the order of the keys: the first is the lane that applies it
            lanes = list(dict.fromkeys(lane_of(feed, key) for key in row.keys.ordering or ("",)))
            written = "{" + ",".join(map(str, lanes)) + "}"
            priority = HISTORY if feed in self._history else LIVE
            places += [(lane, seq, written, priority) for lane in lanes]
        connection.execute(_PENDING, (self._day, *(list(column) for column in zip(*places, strict=True)), CHANNEL))

    def _look(self) -> None:
        if self._open().execute("SHOW transaction_read_only").fetchone() != ("off",):
            raise ConnectionError("the database is read-only")

    def _failed(self, error: Exception) -> bool:
        import psycopg

        # a check that fails is a day whose partition was taken away: the next group makes it anew
        if isinstance(error, (psycopg.DataError, psycopg.IntegrityError)):
            return isinstance(error, psycopg.errors.CheckViolation)
        return isinstance(error, (psycopg.Error, OSError))

    def _open(self) -> Connection[tuple[Any, ...]]:
        if self._connection is None:
            if time.monotonic() < self._away_until:
                raise ConnectionError("the database was away a moment ago")
            try:
                connection = connect(self._url)
            except BaseException:
                self._away_until = time.monotonic() + AWAY_SECONDS
                raise
            connection.add_notice_handler(self._heard)
            with self._line_lock:
                self._line = socket.socket(fileno=os.dup(connection.fileno()))
            self._connection = connection
        return self._connection

    def _heard(self, notice: Diagnostic) -> None:
        self._warned = self._warned or notice.severity_nonlocalized == "WARNING"

    def _interrupt(self) -> None:
        with self._line_lock, suppress(OSError):
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        with self._line_lock:
            if self._line is not None:
                self._line.close()
            self._line = None
        if self._connection is not None:
            self._connection.close()
        self._connection, self._day = None, ""


@cache
def _insert_sql(size: int) -> str:
    rows = []
    for first in range(1, 12 * size, 12):
        at = [f"${n}" for n in range(first, first + 12)]
        at[7], at[8] = f"NULLIF({at[7]}::bigint, {_NONE})", f"NULLIF({at[8]}::bytea, '')"
        rows.append(f"({', '.join(at)})")
    return _INSERT + ",".join(rows)
