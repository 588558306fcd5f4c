"""The writer on PostgreSQL: deadlocks lost to another engine, units that fail, connections that break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind, event
from hie.errors import StoreUnavailable
from hie.store.database import open_writer
from hie.store.writer import Writer
from tests import databases


@pytest.fixture
def url() -> Iterator[str]:
    with databases.database(databases.POSTGRESQL) as made:
        engine = open_writer(made.setting)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE effect (n integer PRIMARY KEY, times integer NOT NULL)"))
            connection.execute(text("INSERT INTO effect VALUES (1, 0), (2, 0)"))
        engine.dispose()
        yield made.setting


class Holding(Writer):
    """Lets units gather before the first group is taken, so that a test decides what lies in one commit."""

    def __init__(self, engine: Engine) -> None:
        self.release = threading.Event()
        super().__init__(engine)

    def _gather(self) -> Any:
        self.release.wait(10)
        return super()._gather()


def add(n: int, before: Callable[[], object] = lambda: None) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        before()
        connection.execute(text("UPDATE effect SET times = times + 1 WHERE n = :n"), {"n": n})
        return n

    return work


def times(url: str) -> dict[int, int]:
    engine = open_writer(url)
    with engine.begin() as connection:
        found = {row.n: row.times for row in connection.execute(text("SELECT n, times FROM effect"))}
    engine.dispose()
    return found


@pytest.mark.invariant(1)
def test_a_deadlock_between_two_engines_loses_nothing(url: str) -> None:
    """Each has changed one row and wants the other's: one of them is rolled back and runs again."""
    met = threading.Barrier(2)

    def meet() -> None:
        try:
            met.wait(5)
        except threading.BrokenBarrierError:
            return  # the second time nobody waits

    def work(first: int, second: int) -> Callable[[Connection], None]:
        def both(connection: Connection) -> None:
            add(first)(connection)
            meet()
            met.abort()
            add(second)(connection)

        return both

    writers = [Writer(open_writer(url)) for _ in range(2)]
    futures = [writer.submit(work(*order)) for writer, order in zip(writers, ((1, 2), (2, 1)), strict=True)]
    for future in futures:
        future.result(30)
    assert times(url) == {1: 2, 2: 2}
    for writer in writers:
        writer.close()


@pytest.mark.invariant(2, 5)
def test_a_unit_that_fails_takes_no_other_with_it(url: str) -> None:
    engine = open_writer(url)
    trail = Trail(engine, Chain("test"))
    writer = Holding(engine)

    def failing(connection: Connection) -> None:
        trail.add(connection, event(Kind.ADMINISTRATION, "test", {"count": 13}))
        connection.execute(text("INSERT INTO effect VALUES (1, 0)"))

    def noted(connection: Connection) -> int:
        trail.add(connection, event(Kind.ADMINISTRATION, "test", {"count": 1}))
        return add(1)(connection)

    futures: list[Any] = [writer.submit(noted), writer.submit(failing), writer.submit(add(2))]
    writer.release.set()
    assert (futures[0].result(10), futures[2].result(10)) == (1, 2)
    assert type(futures[1].exception(10)).__name__ == "IntegrityError"
    assert times(url) == {1: 1, 2: 1}
    with engine.begin() as connection:
        assert list(connection.execute(text("SELECT body FROM audit")).scalars()) == ['{"count":1}']
    writer.close()


@pytest.mark.invariant(1)
def test_a_broken_connection_is_told_to_every_caller_and_passes(url: str) -> None:
    writer = Holding(open_writer(url))

    def broken(connection: Connection) -> None:
        add(1)(connection)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    futures: list[Any] = [writer.submit(add(2)), writer.submit(broken), writer.submit(add(2))]
    writer.release.set()
    assert {type(future.exception(10)) for future in futures} == {StoreUnavailable}
    assert times(url) == {1: 0, 2: 0}
    assert writer.submit(add(2)).result(10) == 2
    writer.close()


@pytest.mark.invariant(1)
def test_a_server_that_may_not_write_is_nobodys_fault(url: str) -> None:
    writer = Writer(open_writer(url))

    def read_only(connection: Connection) -> None:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        add(1)(connection)

    assert type(writer.submit(read_only).exception(10)) is StoreUnavailable
    assert writer.submit(add(1)).result(10) == 1
    writer.close()
