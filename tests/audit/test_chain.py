"""The chain follows the transaction: what was rolled back was never there, what was committed is linked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from hie.audit.chain import GENESIS, Chain, Head, Trail, digest
from hie.audit.events import Event, Kind, event
from hie.audit.verify import verify
from hie.errors import StoreUnavailable
from hie.store.tables import audit, lane
from hie.store.writer import Writer


def started(n: int) -> Event:
    return event(Kind.START, "node", {"count": n}, at=1_700_000_000.0 + n)


def counts(connection: Connection) -> list[str]:
    return [r.body for r in connection.execute(select(audit).order_by(audit.c.seq)) if r.kind == "start"]


def expect(*numbers: int) -> list[str]:
    return [f'{{"count":{n}}}' for n in numbers]


def intact(connection: Connection, tmp_path: Path) -> bool:
    return verify(connection, tmp_path / "none", "").finding is None


def test_a_record_is_hashed_with_all_that_it_says(engine: Engine, chain: Chain) -> None:
    with engine.begin() as connection:
        head = chain.append(connection, [started(1), started(2)])
    with engine.begin() as connection:
        first, second = connection.execute(select(audit).order_by(audit.c.seq)).all()
        assert chain.head(connection) == head == Head(2, second.hash)
    assert (first.previous, second.previous) == (GENESIS, first.hash)
    arguments = (first.previous, "engine", 1, first.at, "start", "node", first.body)
    assert digest(*arguments) == first.hash
    for i, other in enumerate([bytes(31) + b"\1", "x", 2, 2.0, "stop", "user:x", "{}"]):
        changed = list(arguments)
        changed[i] = other
        assert digest(*changed) != first.hash  # type: ignore[arg-type]


def test_chains_do_not_mix(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        for _ in range(3):
            Chain("a").append(connection, [started(1)])
            Chain("b").append(connection, [started(2), started(3)])
        assert verify(connection, tmp_path / "none", "").records == {"a": 3, "b": 6}


def test_nothing_to_append_changes_nothing(engine: Engine, chain: Chain) -> None:
    with engine.begin() as connection:
        assert chain.append(connection, []) == Head(0, GENESIS)


def test_a_unit_that_fails_leaves_no_event_and_takes_no_other_with_it(
    engine: Engine, chain: Chain, tmp_path: Path
) -> None:
    trail = Trail(engine, chain)
    writer = Writer(engine)

    def good(n: int) -> None:
        writer.submit(lambda c: trail.add(c, started(n)))

    def bad(connection: Connection) -> None:
        trail.add(connection, started(99))
        raise StoreUnavailable("on purpose")

    def half(connection: Connection) -> None:
        trail.add(connection, started(3))
        inner = connection.begin_nested()
        trail.add(connection, started(98))
        inner.rollback()
        with connection.begin_nested():
            trail.add(connection, started(4))

    good(1)
    failed = writer.submit(bad)
    good(2)
    writer.submit(half)
    writer.submit(lambda c: trail.add(c, started(5))).result()
    with pytest.raises(StoreUnavailable):
        failed.result()
    with engine.begin() as connection:
        assert counts(connection) == expect(1, 2, 3, 4, 5)
        assert intact(connection, tmp_path)
    writer.close()


@pytest.mark.parametrize("where", ["before", "during"])
def test_a_commit_that_fails_leaves_no_event_and_the_chain_goes_on(
    engine: Engine, chain: Chain, tmp_path: Path, where: str
) -> None:
    trail = Trail(engine, chain)
    with engine.begin() as connection:
        trail.add(connection, started(1))

    def fails(connection: Connection) -> None:
        trail.add(connection, started(2))
        if where == "before":
            raise OperationalError("INSERT", {}, Exception("disk is full"))

    if where == "before":
        with pytest.raises(OperationalError), engine.begin() as connection:
            fails(connection)
    else:
        # the chain is extended already when the database refuses: a deferred foreign key does that at COMMIT
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
            connection.exec_driver_sql(
                "CREATE TABLE child (id INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)"
            )
        if engine.dialect.name == "sqlite":
            raw = engine.raw_connection()
            raw.cursor().execute("PRAGMA foreign_keys=ON")
            raw.close()
        with pytest.raises(IntegrityError):
            refused(engine, fails)
    with engine.begin() as connection:
        trail.add(connection, started(3))
    with engine.begin() as connection:
        assert counts(connection) == expect(1, 3)
        assert [r.kind for r in connection.execute(select(audit))] == ["start", "start"]
        assert intact(connection, tmp_path)


def refused(engine: Engine, fails: Callable[[Connection], None]) -> None:
    with engine.begin() as connection:
        fails(connection)
        connection.exec_driver_sql("INSERT INTO child VALUES (7)")


def test_a_group_without_events_writes_none(engine: Engine, chain: Chain) -> None:
    trail = Trail(engine, chain)
    with engine.begin() as connection:
        connection.execute(insert(lane).values(lane=1, owner="", epoch=0, expires_at=0, day="", seq=0))
    with engine.begin() as connection:
        assert counts(connection) == []
    assert trail.written == 0


def test_an_event_outside_a_transaction_is_refused(engine: Engine, chain: Chain) -> None:
    trail = Trail(engine, chain)
    with engine.connect() as connection, pytest.raises(RuntimeError):
        trail.add(connection, started(1))


def test_a_write_by_somebody_else_while_the_node_runs_is_said(engine: Engine, chain: Chain, tmp_path: Path) -> None:
    trail = Trail(engine, chain)
    with engine.begin() as connection:
        trail.add(connection, started(1))
    with engine.begin() as connection:
        chain.append(connection, [started(2)])
    with engine.begin() as connection:
        trail.add(connection, started(3))
    with engine.begin() as connection:
        kinds = [r.kind for r in connection.execute(select(audit).order_by(audit.c.seq))]
        report = verify(connection, tmp_path / "none", "")
    assert kinds == ["start", "start", "foreign-write", "start"]
    assert report.finding is None
    assert "somebody else" in " ".join(report.notes)


def test_a_reader_on_the_same_engine_takes_nothing_away(engine: Engine, chain: Chain) -> None:
    trail = Trail(engine, chain)
    with engine.begin() as connection:
        trail.add(connection, started(1))
        other = engine.connect()
        trail._begin(other)
        trail._rollback(other)
        other.close()
    with engine.begin() as connection:
        assert counts(connection) == expect(1)
