"""Engines that share a PostgreSQL: who gets what, who takes over, and that the dead write nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from hie.errors import ConfigurationError, Fenced
from hie.store import claims
from hie.store.claims import Standing
from hie.store.database import open_writer
from hie.store.writer import Writer
from tests import databases

NAMES = [f"lane/{n:02d}" for n in range(8)]


@pytest.fixture
def database() -> Iterator[Engine]:
    with databases.database(databases.POSTGRESQL) as made:
        engine = open_writer(made.setting)
        yield engine
        engine.dispose()


def enter(database: Engine, number: int = 0, node: str = "north", home: str = "here") -> int:
    with database.begin() as connection:
        return claims.enter(connection, node, number, home, NAMES)


def take(database: Engine, me: int, most: int = len(NAMES)) -> list[str]:
    with database.begin() as connection:
        return sorted(claims.take(connection, me, NAMES, most))


def owned(database: Engine) -> dict[str, int | None]:
    with database.begin() as connection:
        return dict(claims.standing(connection).owners)


def expire(database: Engine, me: int) -> int:
    """As if its time had passed: answers how many lives were ended."""
    with database.begin() as connection:
        connection.execute(text("UPDATE engine SET expires_at = clock_timestamp() WHERE id = :me"), {"me": me})
    with database.begin() as connection:
        return claims.bury(connection)


@pytest.mark.parametrize("engines", [1, 2, 3, 5, 8, 11])
def test_the_share_is_fair_and_everything_is_held(engines: int) -> None:
    owners: dict[str, int | None] = dict.fromkeys(NAMES)
    for _ in range(3):
        for me in range(1, engines + 1):
            back, free, most = claims.balance(NAMES, Standing(engines, owners), me)
            owners.update(dict.fromkeys(back))
            owners.update(dict.fromkeys(free[:most], me))
    assert None not in owners.values()
    counts = [list(owners.values()).count(me) for me in range(1, engines + 1)]
    assert max(counts) <= -(-len(NAMES) // engines)


def test_what_one_holds_another_does_not_get(database: Engine) -> None:
    one, two = enter(database, 0), enter(database, 1)
    first = take(database, one, 4)
    second = take(database, two)
    assert len(first) == len(second) == 4
    assert not set(first) & set(second)
    assert take(database, one) == []


def test_two_that_take_at_once_get_different_ones(database: Engine) -> None:
    one, two = enter(database, 0), enter(database, 1)
    with database.begin() as connection:
        mine = claims.take(connection, one, NAMES, 3)
        got = take(database, two)  # does not wait for the other's commit
    assert (len(mine), len(got)) == (3, 5)
    assert not set(mine) & set(got)


def test_a_life_that_is_over_frees_what_it_held_and_no_other_has_its_epoch(database: Engine) -> None:
    one, two = enter(database, 0), enter(database, 1)
    take(database, one)
    assert expire(database, one) == 1
    assert set(owned(database).values()) == {None}
    assert take(database, two) == NAMES
    assert enter(database, 0) > two


def test_the_same_engine_begins_anew_without_waiting_for_its_old_lease(database: Engine) -> None:
    take(database, enter(database, 0))
    again = enter(database, 0)
    assert take(database, again) == NAMES


def test_a_second_node_of_the_same_name_is_refused_while_the_first_lives(database: Engine) -> None:
    one = enter(database, home="here")
    with database.begin() as connection:
        claims.refuse_twin(connection, "north", "here")
        claims.refuse_twin(connection, "south", "there")
        with pytest.raises(ConfigurationError, match="name-taken"):
            claims.refuse_twin(connection, "north", "there")
    expire(database, one)
    with database.begin() as connection:
        claims.refuse_twin(connection, "north", "there")


@pytest.mark.invariant(1, 5)
def test_the_dead_write_nothing(database: Engine) -> None:
    me = enter(database)
    writer = Writer(database, guard=lambda connection: claims.hold(connection, me))
    writer.submit(_effect(1)).result(10)
    expire(database, me)
    with pytest.raises(Fenced):
        writer.submit(_effect(2)).result(10)
    assert _effects(database) == [1]


@pytest.mark.broken(1, 5)
def test_a_writer_that_does_not_hold_its_epoch_is_caught(database: Engine) -> None:
    me = enter(database)
    writer = Writer(database)
    expire(database, me)
    writer.submit(_effect(2)).result(10)
    assert _effects(database) == [2], "a zombie's commit that the guard would have refused"


@pytest.mark.invariant(1, 5)
def test_nobody_is_given_up_for_dead_within_a_transaction(database: Engine) -> None:
    """Else its commit could come after others have begun with its work."""
    me = enter(database)
    entered, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        entered.set()
        go.wait(10)
        _effect(1)(connection)

    writer = Writer(database, guard=lambda connection: claims.hold(connection, me))
    future = writer.submit(slow)
    assert entered.wait(10)
    assert expire(database, me) == 0
    go.set()
    future.result(10)
    assert expire(database, me) == 1


def test_one_that_stands_still_within_a_transaction_is_ended_by_the_server(
    database: Engine,
) -> None:
    me = enter(database)
    with database.connect() as stopped:
        stopped.exec_driver_sql("SET idle_in_transaction_session_timeout = '100ms'")
        claims.hold(stopped, me)
        for _ in range(100):
            if expire(database, me):
                break
            threading.Event().wait(0.1)
        stopped.invalidate()
    assert set(owned(database).values()) == {None}


def _effect(n: int) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE IF NOT EXISTS effect (n integer)"))
        connection.execute(text("INSERT INTO effect VALUES (:n)"), {"n": n})

    return work


def _effects(database: Engine) -> list[int]:
    with database.begin() as connection:
        return list(connection.execute(text("SELECT n FROM effect")).scalars())
