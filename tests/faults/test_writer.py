"""The one writer: a unit that fails takes nobody with it, and a database that fails loses nothing and stops nobody for good."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy import event as listen
from sqlalchemy.exc import DBAPIError

from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind, event
from hie.errors import StoreUnavailable
from hie.store.database import open_reader, open_writer
from hie.store.writer import Writer
from tests import databases
from tests.databases import Database

KINDS = ("good", "defect", "statement", "constraint")


@pytest.fixture
def engine(tmp_path: Path, database: Database) -> Iterator[Engine]:
    engine = open_writer(database.migrated(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (n INTEGER PRIMARY KEY)"))
    yield engine
    engine.dispose()


class Holding(Writer):
    """Lets units gather before the first group is taken, so that a test decides what lies in one commit."""

    def __init__(self, engine: Engine) -> None:
        self.release = threading.Event()
        super().__init__(engine)

    def _gather(self) -> Any:
        self.release.wait(10)
        return super()._gather()


def unit(kind: str, n: int, trail: Trail) -> Any:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO effect VALUES (:n)"), {"n": n})
        trail.add(connection, event(Kind.ADMINISTRATION, "test", {"count": n}))
        if kind == "defect":
            raise ValueError("a defect of the caller")
        if kind == "statement":
            connection.execute(text("SELECT nothing FROM nowhere"))
        if kind == "constraint":
            connection.execute(text("INSERT INTO effect VALUES (:n)"), {"n": n})
        return n

    return work


def outcome(future: Future[Any]) -> Any:
    try:
        return future.result(10)
    except BaseException as error:
        return error


def isolated(kinds: list[str], results: list[Any], effects: set[int], audited: list[int]) -> list[str]:
    """Each good unit has its effect, its answer and its audit event; each other has none of them and an error."""
    found = []
    for n, (kind, result) in enumerate(zip(kinds, results, strict=True)):
        good = kind == "good"
        if good and result != n:
            found.append(f"unit {n} was good and got {type(result).__name__}")
        if not good and not isinstance(result, Exception):
            found.append(f"unit {n} failed and was told {result}")
        if (n in effects) is not good:
            found.append(f"effect of unit {n} ({kind}): {n in effects}")
        if audited.count(n) != good:
            found.append(f"audit of unit {n} ({kind}): {audited.count(n)}")
    return found


def audited(connection: Connection) -> list[int]:
    return [orjson.loads(body)["count"] for body in connection.execute(text("SELECT body FROM audit")).scalars()]


@pytest.mark.invariant(2, 5)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
def test_a_unit_that_fails_takes_no_other_with_it(engine: Engine, kinds: list[str]) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM effect"))
        connection.execute(text("DELETE FROM audit"))
    trail = Trail(engine, Chain("test"))
    writer = Holding(engine)
    futures = [writer.submit(unit(kind, n, trail)) for n, kind in enumerate(kinds)]
    writer.release.set()
    results = [outcome(future) for future in futures]
    with engine.connect() as connection:
        effects = set(connection.execute(text("SELECT n FROM effect")).scalars())
        assert isolated(kinds, results, effects, audited(connection)) == []
    writer._queue.put(None)
    writer._thread.join(10)


class Careless(Holding):
    """Broken: no savepoint, so what a failing unit wrote stays in the group."""

    @staticmethod
    def _attempt(connection: Connection, unit: Any) -> Any:
        try:
            return unit, unit.work(connection), None
        except Exception as error:
            return unit, None, error


@pytest.mark.broken(2, 5)
def test_a_writer_without_savepoints_is_caught(engine: Engine) -> None:
    kinds = ["good", "defect", "good"]
    trail = Trail(engine, Chain("test"))
    writer = Careless(engine)
    futures = [writer.submit(unit(kind, n, trail)) for n, kind in enumerate(kinds)]
    writer.release.set()
    results = [outcome(future) for future in futures]
    with engine.connect() as connection:
        effects = set(connection.execute(text("SELECT n FROM effect")).scalars())
        assert isolated(kinds, results, effects, audited(connection)) == [
            "effect of unit 1 (defect): True",
            "audit of unit 1 (defect): 1",
        ]
    writer.close()


@pytest.mark.invariant(1)
def test_a_full_disk_is_told_to_every_caller_and_passes(engine: Engine) -> None:
    writer = Writer(engine)
    writer.submit(databases.fill).result(10)

    def large(connection: Connection) -> None:
        databases.run(
            connection, "INSERT INTO audit VALUES ('x', 1, 0, 'k', 'a', ?, ?, ?)", "0" * 1_000_000, b"0", b"0"
        )

    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            writer.submit(large).result(10)
    writer.submit(databases.clear).result(10)
    writer.submit(large).result(10)
    writer.close()


@pytest.mark.invariant(1)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL])
def test_a_failing_database_is_nobodys_fault(engine: Engine, code: int) -> None:
    """Units that happen to meet the failure must not be told that they are wrong: their message would be quarantined."""
    failing = [True]

    def fail(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if failing and statement.startswith("INSERT INTO effect"):
            error = sqlite3.OperationalError("simulated")
            error.sqlite_errorcode = code
            raise error

    listen.listen(engine, "before_cursor_execute", fail)
    engine.dialect.is_disconnect = lambda *_: False  # type: ignore[method-assign]
    writer = Writer(engine)
    trail = Trail(engine, Chain("test"))

    def wrapped(connection: Connection) -> int:
        try:
            connection.execute(text("INSERT INTO effect VALUES (7)"))
        except sqlite3.OperationalError as error:
            from sqlalchemy.exc import OperationalError

            raise OperationalError("INSERT", {}, error) from error
        trail.add(connection, event(Kind.ADMINISTRATION, "test", {"count": 7}))
        return 7

    with pytest.raises(StoreUnavailable) as caught:
        writer.submit(wrapped).result(10)
    assert "simulated" not in str(caught.value)
    failing.clear()
    assert writer.submit(wrapped).result(10) == 7
    writer.close()


@pytest.mark.invariant(2)
def test_a_defect_at_the_commit_itself_does_not_stop_the_writer(engine: Engine) -> None:
    broken = [True]

    def at_commit(connection: Connection) -> None:
        if broken:
            raise RuntimeError("PID|1||12345")

    listen.listen(engine, "commit", at_commit)
    writer = Writer(engine)
    insert = text("INSERT INTO effect VALUES (1)")
    with pytest.raises(StoreUnavailable) as caught:
        writer.submit(lambda c: c.execute(insert)).result(10)
    assert "12345" not in str(caught.value)
    broken.clear()
    writer.submit(lambda c: c.execute(insert)).result(10)
    writer.close()


@pytest.mark.invariant(2)
def test_a_caller_that_has_gone_stops_nobody(engine: Engine) -> None:
    writer = Holding(engine)
    gone = writer.submit(lambda c: c.execute(text("INSERT INTO effect VALUES (1)")))
    assert gone.cancel()
    stays = writer.submit(lambda c: c.execute(text("INSERT INTO effect VALUES (2)")).rowcount)
    writer.release.set()
    assert stays.result(10) == 1
    writer.close()


@pytest.mark.invariant(3)
def test_a_reader_cannot_write(engine: Engine, tmp_path: Path, database: Database) -> None:
    reader = open_reader(database.url(tmp_path))
    with reader.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(text("INSERT INTO effect VALUES (1)"))
    reader.dispose()
