"""Reads the journal that lies in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from hie.errors import NotFound, StoreUnavailable
from hie.intake import heading, partition
from hie.intake.lanes import lane_of_all
from hie.intake.payload import Seal, unpack
from hie.intake.position import START, Position
from hie.intake.postgres import connect
from hie.intake.reader import BATCH_BYTES, Entry
from hie.model import Envelope, Keys

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
_COLUMNS = "a.day, a.seq, a.received_at, a.heading, a.duplicate_of, a.sha256, a.codec, a.key_id, a.raw"
_ONE = f"SELECT {_COLUMNS} FROM arrival a WHERE day = %s AND seq = %s"
_ALL = f"""
SELECT {_COLUMNS} FROM unnest(%s::text[], %s::bigint[]) AS w(day, seq),
    LATERAL (SELECT * FROM arrival WHERE day = w.day AND seq = w.seq LIMIT 1) a
"""
# LATERAL with a limit: looked up row by row, even while statistics say that the newest day is empty.
# the running sum is taken before the limit in bytes cuts, so no more is fetched than is handed out
_AFTER = """
SELECT day, seq, received_at, heading, duplicate_of, sha256, codec, key_id, raw FROM (
    SELECT *, sum(octet_length(raw)) OVER (ORDER BY seq) - octet_length(raw) AS before
    FROM arrival WHERE day = %s AND seq > %s ORDER BY seq LIMIT %s
) a WHERE before < %s ORDER BY seq
"""
_LATEST = "SELECT seq FROM arrival WHERE day = %s ORDER BY seq DESC LIMIT 1"
_TAKE = """
SELECT day, seq, received_at, heading, duplicate_of, sha256, codec, key_id, raw, lanes FROM (
    SELECT a.*, p.lanes, p.priority,
        sum(octet_length(a.raw)) OVER (ORDER BY p.priority, p.seq) - octet_length(a.raw) AS before
    FROM (
        SELECT DISTINCT priority, seq, day, lanes FROM (
            SELECT priority, seq, day, lanes FROM pending
            WHERE lane = ANY(%(lanes)s) AND seq <> ALL(%(busy)s) ORDER BY priority, seq LIMIT %(limit)s
        ) first
    ) p, LATERAL (SELECT * FROM arrival WHERE day = p.day AND seq = p.seq LIMIT 1) a
) found WHERE before < %(bytes)s ORDER BY priority, seq
"""
_HELD_UP = """
SELECT EXISTS (
    SELECT 1 FROM pending p JOIN pending q ON q.lane = ANY(%s) AND (q.priority, q.seq) < (p.priority, p.seq)
    WHERE p.lane = %s AND p.seq = %s
)
"""
_PENDING = "SELECT count(*) FROM (SELECT 1 FROM pending LIMIT %s) waiting"


class PostgresReader:
    """What hie.intake.reader.Reader is for day files. Threads may share one: they take turns."""

    def __init__(self, url: str, *, seal: Seal | None = None) -> None:
        self._url = url
        self._seal = seal
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._turn = threading.Lock()

    def read(self, after: Position = START, limit: int = 500, max_bytes: int = BATCH_BYTES) -> list[Entry]:
        """At most `limit` rows after a position, in the order of day and number; fewer where their stored bytes pass `max_bytes`.

        A row of another intake may be committed later under an earlier number: what must miss none uses `take`.
        Raises StoreUnavailable.
        """
        found: list[Entry] = []
        for day in self.days():
            if day >= after.day and max_bytes > 0 and limit > len(found):
                first = after.seq if day == after.day else 0
                rows = self._rows(_AFTER, (day, first, limit - len(found), max_bytes))
                max_bytes -= sum(len(row[8]) for row in rows)
                found += [self._entry(row) for row in rows]
        return found

    def take(
        self, lanes: Collection[int], limit: int, in_flight: Collection[int] = (), max_bytes: int = BATCH_BYTES
    ) -> list[tuple[Entry, tuple[int, ...]]]:
        """What is pending in these lanes, each message once with all its lanes, in the order of priority and number.

        Numbers `in_flight` are left out. At most `limit` rows; fewer where their stored bytes pass `max_bytes`.
        Raises StoreUnavailable.
        """
        asked = {"lanes": list(lanes), "busy": list(in_flight), "limit": limit, "bytes": max_bytes}
        return [(self._entry(row), tuple(row[9])) for row in self._rows(_TAKE, asked)]

    def held_up(self, seq: int, first: int, lanes: Collection[int]) -> bool:
        """Whether something is pending in `lanes` that goes before the row of this number. `first`: the row's first lane."""
        return bool(self._rows(_HELD_UP, (list(lanes), first, seq))[0][0])

    def pending(self, most: int) -> int:
        """How many rows wait to be applied, counted up to `most`."""
        return int(self._rows(_PENDING, (most,))[0][0])

    def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """`question(connection, *arguments)`, a reading of another part of the database on the same connection."""
        return self._with(lambda connection: question(connection, *arguments))

    def tell(self, channel: str) -> None:
        """Wakes whoever listens on `channel`."""
        self._with(lambda connection: connection.execute(f"NOTIFY {channel}"))

    def get(self, message_id: str) -> Entry:
        """Raises NotFound where there is no such message, or its day has been dropped."""
        rows = self._rows(_ONE, Position.of(message_id))
        if not rows:
            raise NotFound(f"no message {message_id} in the journal", hint="it may be past its retention")
        return self._entry(rows[0])

    def get_all(self, message_ids: Collection[str]) -> dict[str, Entry]:
        """As `get`, in one statement."""
        positions = [Position.of(id) for id in message_ids]
        asked = [p.day for p in positions], [p.seq for p in positions]
        found = {entry.envelope.message_id: entry for entry in map(self._entry, self._rows(_ALL, asked))}
        if missing := set(message_ids) - set(found):
            raise NotFound(f"no message {min(missing)} in the journal", hint="it may be past its retention")
        return found

    def latest(self) -> Position:
        """Day and number of the newest row, START where the journal is empty."""
        for day in reversed(self.days()):
            if rows := self._rows(_LATEST, (day,)):
                return Position(day, rows[0][0])
        return START

    def days(self) -> list[str]:
        """The days that are kept, oldest first."""
        return self._with(partition.days)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> PostgresReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _rows(self, sql: str, asked: Any) -> Sequence[tuple[Any, ...]]:
        return self._with(lambda connection: connection.execute(sql, asked, binary=True).fetchall())

    def _with(self, work: Callable[[Connection[tuple[Any, ...]]], T]) -> T:
        """Asks again on a new connection where the one at hand turns out to be dead: reading twice does no harm."""
        import psycopg

        with self._turn:
            while True:
                reused = self._connection is not None
                try:
                    if self._connection is None:
                        self._connection = connect(self._url, read_only=True)
                    return work(self._connection)
                except psycopg.Error as error:
                    self.close()
                    if not (reused and isinstance(error, psycopg.OperationalError)):
                        raise StoreUnavailable(f"the journal cannot be read ({type(error).__name__})") from error

    def _entry(self, row: Sequence[Any]) -> Entry:
        day, seq, received_at, said, duplicate_of, digest, codec, key_id, data = row[:9]
        arrival = heading.decode(said, unpack(codec, key_id, data, self._seal))
        keys = arrival.keys or Keys(arrival.format, b"", "", ())
        position = Position(day, seq)
        envelope = Envelope(
            position.message_id, arrival.feed, arrival.format, arrival.raw, digest, received_at, keys, arrival.source
        )
        lane = lane_of_all(arrival.feed, keys.ordering)
        return Entry(position, envelope, arrival.refusal, duplicate_of, arrival.flags, lane)
