"""The hash chain: each record's hash covers its own content and the hash before it, so no single record can be
changed, inserted or removed without every later one showing it.

Rollback safety without bookkeeping: the head is read from the database inside the transaction that extends it, so
whatever was rolled back was never there. `Trail` gathers the events of a commit group and extends the chain once, just
before the commit, with one read and one batched insert.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Connection, Dialect, Engine, func, insert, select
from sqlalchemy import event as listen

from hie.audit.events import Body, Event, Kind, event
from hie.store.tables import audit

GENESIS = bytes(32)
COLUMNS = tuple(column.name for column in audit.columns)


class Head(NamedTuple):
    """Where a chain ends: `seq` 0 and 32 zero bytes before its first record."""

    seq: int
    hash: bytes


def digest(previous: bytes, chain: str, seq: int, at: float, kind: str, actor: str, body: str) -> bytes:
    """sha256 over the previous hash and the record's canonical JSON array."""
    return hashlib.sha256(previous + orjson.dumps([chain, seq, at, kind, actor, body])).digest()


def chains(connection: Connection) -> list[str]:
    """Names of all chains, by jumps through the primary key: a DISTINCT would read the whole log."""
    found: list[str] = []
    while True:
        following = select(func.min(audit.c.chain)).where(audit.c.chain > (found[-1] if found else ""))
        name = connection.execute(following).scalar_one()
        if name is None:
            return found
        found.append(name)


class _Sql(NamedTuple):
    """The two statements as the driver takes them: SQLAlchemy's own execution costs 100 us more for a single event."""

    head: str
    insert: str
    positional: bool


@lru_cache(maxsize=4)
def _sql(dialect: Dialect) -> _Sql:
    compiled = insert(audit).compile(dialect=dialect)
    mark = "?" if compiled.positional else "%(chain)s"
    head = f"SELECT seq, hash FROM audit WHERE chain = {mark} ORDER BY seq DESC LIMIT 1"
    return _Sql(head, str(compiled), compiled.positional)


class Chain:
    """One named chain: one writer's. Stateless, so it is right after any crash, rollback or restore."""

    def __init__(self, name: str) -> None:
        self.name = name

    def head(self, connection: Connection) -> Head:
        sql = _sql(connection.dialect)
        row = connection.exec_driver_sql(sql.head, (self.name,) if sql.positional else {"chain": self.name}).first()
        return Head(row[0], bytes(row[1])) if row is not None else Head(0, GENESIS)

    def append(self, connection: Connection, events: Sequence[Event]) -> Head:
        """Extends the chain inside the caller's transaction; the new head. Its last step, where others may write."""
        head = self.head(connection)
        return self.extend(connection, head, events) if events else head

    def extend(self, connection: Connection, head: Head, events: Iterable[Event]) -> Head:
        """As `append`, from a head that the caller has just read in the same transaction."""
        name, (seq, previous) = self.name, head
        rows: list[tuple[Any, ...]] = []
        for kind, actor, body, at in events:
            seq += 1
            text = body.decode()
            now = digest(previous, name, seq, at, kind.value, actor, text)
            rows.append((name, seq, at, kind.value, actor, text, previous, now))
            previous = now
        sql = _sql(connection.dialect)
        named = [dict(zip(COLUMNS, row, strict=True)) for row in rows] if not sql.positional else rows
        connection.exec_driver_sql(sql.insert, named)
        return Head(seq, previous)


class _Pending:
    """Events of one transaction, and how many there were when each open savepoint began."""

    __slots__ = ("events", "marks")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.marks: list[int] = []


class Trail:
    """The events of the transaction in hand, for the one writer of an engine.

    Units of work call `add`; the savepoint that rolls back takes its events with it; the commit writes what is left.
    It follows each connection's transaction by itself through SQLAlchemy's events: there is nothing else to call.
    """

    def __init__(self, engine: Engine, chain: Chain) -> None:
        self.chain = chain
        self.written = 0
        self._pending: WeakKeyDictionary[Connection, _Pending] = WeakKeyDictionary()
        # heads this writer may have left behind: after a failed commit the one before counts, else the one after
        self._expected: set[Head] = set()
        listen.listen(engine, "begin", self._begin)
        listen.listen(engine, "savepoint", self._savepoint)
        listen.listen(engine, "rollback_savepoint", self._rollback_savepoint)
        listen.listen(engine, "release_savepoint", self._release_savepoint)
        listen.listen(engine, "rollback", self._rollback)
        listen.listen(engine, "commit", self._commit)

    def add(self, connection: Connection, *events: Event) -> None:
        """Writes `events` with the transaction that `connection` is in. A few hundred nanoseconds."""
        pending = self._pending.get(connection)
        if pending is None or not connection.in_transaction():
            raise RuntimeError("an audit event needs the transaction whose effect it records")
        pending.events.extend(events)

    def note(self, connection: Connection, kind: str, actor: str, body: Body) -> None:
        """`add` for layers below this one, which cannot name its types."""
        self.add(connection, event(Kind(kind), actor, body))

    def _begin(self, connection: Connection) -> None:
        self._pending[connection] = _Pending()

    def _rollback(self, connection: Connection) -> None:
        self._pending.pop(connection, None)

    def _savepoint(self, connection: Connection, _: str) -> None:
        pending = self._pending[connection]
        pending.marks.append(len(pending.events))

    def _rollback_savepoint(self, connection: Connection, _: str, __: Any) -> None:
        pending = self._pending[connection]
        del pending.events[pending.marks.pop() :]

    def _release_savepoint(self, connection: Connection, _: str, __: Any) -> None:
        self._pending[connection].marks.pop()

    def _commit(self, connection: Connection) -> None:
        pending = self._pending.pop(connection, None)
        if pending is None or not pending.events:
            return
        head, events = self.chain.head(connection), pending.events
        if self._expected and head not in self._expected:
            body: Body = {"chain": self.chain.name, "expected": max(h.seq for h in self._expected), "found": head.seq}
            events = [event(Kind.FOREIGN_WRITE, "node", body), *events]
        self._expected = {head, self.chain.extend(connection, head, events)}
        self.written += len(events)
