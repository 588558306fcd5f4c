"""What only the journal in PostgreSQL has: several writers, pending rows, partitions, a server that goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hie.errors import NotFound, StoreUnavailable
from hie.intake import partition
from hie.intake.lanes import lane_of
from hie.intake.postgres import connect
from hie.intake.postgres_journal import CHANNEL, PostgresJournal
from hie.intake.postgres_reader import PostgresReader
from hie.intake.writer import JournalWriter
from hie.model import Acknowledgement, Arrival, Keys, Receipt
from tests import databases
from tests.databases import POSTGRESQL
from tests.intake.store import Clock, Store, arrival

LANES = range(64)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with databases.database(POSTGRESQL) as database:
        yield Store(database, tmp_path)


@pytest.fixture
def reader(store: Store) -> Iterator[PostgresReader]:
    with PostgresReader(store.url) as opened:
        yield opened


def keyed(control: str, *ordering: str, feed: str = "north") -> Arrival:
    return arrival(control, keys=Keys("hl7v2", control.encode(), "ADT^A40", ordering), feed=feed)


async def eventually(holds: object, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.02)


def names(taken: list[tuple[object, tuple[int, ...]]]) -> list[str]:
    return [entry.envelope.keys.control_id.decode() for entry, _ in taken]  # type: ignore[attr-defined]


# -- several intakes


@pytest.mark.invariant(6)
def test_two_intakes_agree_which_of_two_was_first(store: Store, reader: PostgresReader) -> None:
    def one(results: list[list[Receipt]], barrier: threading.Barrier) -> None:
        async def body(journal: JournalWriter) -> list[Receipt]:
            found = []
            for number in range(25):
                await asyncio.to_thread(barrier.wait, 60)
                found += await asyncio.gather(*(journal.submit(arrival(f"T{number}-{n}")) for n in range(4)))
            return found

        results.append(store.session(body))

    results: list[list[Receipt]] = []
    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=one, args=(results, barrier)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = results
    for a, b in zip(first, second, strict=True):
        assert (a.duplicate_of, b.duplicate_of) in (("", a.message_id), (b.message_id, "")), "one original, one repeat"
    assert len(reader.read(limit=1000)) == 200


@pytest.mark.broken(6)
def test_without_the_locks_both_are_originals(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: the second looks while the first has not committed."""
    import hie.intake.postgres_journal as module

    store.submit(arrival("FIRST OF THE DAY"))
    monkeypatch.setattr(module, "_LOCK", "SELECT %s::bigint[]")
    waiting, go = threading.Event(), threading.Event()
    real = PostgresJournal._note_pending

    def slow(self: PostgresJournal, *more: object) -> None:
        real(self, *more)  # type: ignore[arg-type]
        if not waiting.is_set():
            waiting.set()
            go.wait(30)

    monkeypatch.setattr(PostgresJournal, "_note_pending", slow)
    results: list[list[Receipt]] = []
    thread = threading.Thread(target=lambda: results.append(store.submit(arrival())))
    thread.start()
    waiting.wait(30)
    results.append(store.submit(arrival()))
    go.set()
    thread.join()
    assert [receipt.duplicate_of for (receipt,) in results] == ["", ""], "the check above would fail"


@pytest.mark.invariant(1)
def test_a_commit_that_is_late_loses_nothing(
    store: Store, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lower number becomes visible after the higher one has been taken and applied."""
    store.submit(arrival("BEFORE"))
    numbered, go = threading.Event(), threading.Event()
    real = PostgresJournal._note_pending

    def slow(self: PostgresJournal, connection: object, rows: object, numbers: object) -> None:
        real(self, connection, rows, numbers)  # type: ignore[arg-type]
        if not numbered.is_set():
            numbered.set()
            go.wait(30)

    monkeypatch.setattr(PostgresJournal, "_note_pending", slow)
    late = threading.Thread(target=lambda: store.submit(arrival("LATE")))
    late.start()
    numbered.wait(30)
    store.submit(arrival("EARLY"))
    taken = reader.take(LANES, 10)
    assert names(taken) == ["BEFORE", "EARLY"]
    with connect(store.url) as connection:
        connection.execute("DELETE FROM pending WHERE seq = ANY(%s)", ([entry.position.seq for entry, _ in taken],))
    go.set()
    late.join()
    (left,) = reader.take(LANES, 10)
    assert left[0].envelope.keys.control_id == b"LATE"
    assert left[0].position < taken[-1][0].position


# -- pending


def test_each_arrival_is_pending_once_a_lane_and_says_so(store: Store, reader: PostgresReader) -> None:
    with connect(store.url) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        refusal = Acknowledgement("AR", 203, "MSH-12", "")
        store.submit(
            keyed("A", "X|MR|1", "X|MR|2", "X|MR|1"), keyed("B"), keyed("B"), arrival("R", refusal=refusal, keys=None)
        )
        assert [notice.channel for notice in listener.notifies(timeout=30, stop_after=1)] == [CHANNEL]
    taken = reader.take(LANES, 10)
    assert names(taken) == ["A", "B", "B", ""]
    both = (lane_of("north", "X|MR|1"), lane_of("north", "X|MR|2"))
    assert [lanes for _, lanes in taken] == [both, *[(lane_of("north", ""),)] * 3]
    assert taken[0][0].lane == both[0]
    assert [entry.duplicate_of != "" for entry, _ in taken] == [False, False, True, False]
    assert taken[3][0].refusal == refusal
    assert names(reader.take([both[1]], 10)) == ["A"]
    assert names(reader.take(LANES, 10, [taken[0][0].position.seq])) == ["B", "B", ""]
    assert reader.take([], 10) == []


def test_what_is_live_comes_before_what_is_history(store: Store, reader: PostgresReader) -> None:
    store.submit(keyed("OLD", "X|MR|1", feed="archive"), keyed("NEW", "X|MR|1"), history={"archive"})
    taken = reader.take(LANES, 10)
    assert names(taken) == ["NEW", "OLD"]
    old = taken[1]
    with connect(store.url) as connection:  # as if both lay in one lane
        connection.execute("UPDATE pending SET lane = 7 WHERE lane <> 7")
    assert reader.held_up(old[0].position.seq, 7, [7])
    assert not reader.held_up(taken[0][0].position.seq, 7, [7])


def test_a_batch_is_cut_short_by_its_bytes(store: Store, reader: PostgresReader) -> None:
    import os

    store.submit(*(Arrival("f", "fax", os.urandom(200_000), "s", None) for _ in range(6)))
    assert len(reader.take(LANES, 10, max_bytes=500_000)) == 3


def test_bytes_that_a_text_cannot_hold(store: Store, reader: PostgresReader) -> None:
    keys = Keys("hl7v2", b"\x00\xff", "AD\0T", ("A|\0|1",), "s\0", "P")
    (receipt,) = store.submit(arrival(keys=keys, flags=("nul",)))
    assert reader.get(receipt.message_id).envelope.keys == keys


# -- days


def test_a_day_is_a_partition_and_goes_with_it(store: Store, reader: PostgresReader) -> None:
    clock = Clock()
    first = store.submit(arrival("A"), clock=clock)[0]
    clock.now += 86_400

    async def body(journal: JournalWriter) -> list[Receipt]:
        found = [await journal.submit(arrival("B"))]
        clock.now += 86_400
        return [*found, await journal.submit(arrival("C"))]

    second, third = store.session(body, clock=clock)
    assert reader.days() == ["2026-01-02", "2026-01-03", "2026-01-04"]
    with connect(store.url) as connection:
        assert partition.remove(connection, "2026-01-04") == [], "what is not applied yet is kept"
        connection.execute("DELETE FROM pending WHERE day = '2026-01-02'")
        assert partition.remove(connection, "2026-01-04") == ["2026-01-02"]
    with pytest.raises(NotFound):
        reader.get(first.message_id)
    assert reader.days() == ["2026-01-03", "2026-01-04"]
    assert [entry.envelope.message_id for entry in reader.read()] == [second.message_id, third.message_id]


def test_a_day_that_was_taken_away_is_made_anew(store: Store, reader: PostgresReader) -> None:
    async def body(journal: JournalWriter) -> Receipt:
        await journal.submit(arrival("A"))
        with connect(store.url) as connection:
            connection.execute(f"DROP TABLE arrival_{reader.days()[0].replace('-', '')}")
        with pytest.raises(StoreUnavailable):
            await journal.submit(arrival("B"))
        return await journal.submit(arrival("B"))

    receipt = store.session(body)
    assert reader.get(receipt.message_id).envelope.keys.control_id == b"B"


def test_intakes_that_begin_a_day_together(store: Store, reader: PostgresReader) -> None:
    barrier = threading.Barrier(4)

    def begin() -> None:
        with connect(store.url) as connection:
            barrier.wait(30)
            partition.make(connection, "2026-01-02")

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reader.days() == ["2026-01-02"]


# -- the server goes away


@pytest.mark.invariant(1)
def test_a_session_that_ends_is_told_and_recovered_from_alone(store: Store, reader: PostgresReader) -> None:
    async def body(journal: JournalWriter) -> None:
        await journal.submit(arrival("A"))
        with connect(store.url) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(StoreUnavailable):
            await journal.submit(arrival("B"))
        assert not journal.healthy
        await eventually(lambda: journal.healthy)  # nothing arrives meanwhile
        assert (await journal.submit(arrival("B"))).duplicate_of == ""

    store.session(body)
    assert names([(entry, ()) for entry in reader.read()]) == ["A", "B"]


@pytest.mark.invariant(1)
def test_a_write_that_hangs_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers, nothing fails: the sender is told all the same."""
    import hie.intake.postgres_journal as module
    import hie.intake.writer as writer

    monkeypatch.setattr(writer, "LONGEST_WRITE", 1.0)

    async def body(journal: JournalWriter) -> None:
        await journal.submit(arrival("A"))
        monkeypatch.setattr(module, "_LOCK", "SELECT pg_sleep(600), %s::bigint[]")
        with pytest.raises(StoreUnavailable):
            await journal.submit(arrival("B"))
        monkeypatch.undo()
        await eventually(lambda: journal.healthy)
        await journal.submit(arrival("B"))

    store.session(body)


def test_nobody_waits_for_a_database_that_is_away(tmp_path: Path) -> None:
    """Nothing listens there: every arrival is refused, and most without another try."""
    store = Store(databases.Database(POSTGRESQL, "postgresql+psycopg://nobody@127.0.0.1:1/none"), tmp_path)
    real = psycopg.connect
    tried = 0

    def connecting(*asked: object, **more: object) -> object:
        nonlocal tried
        tried += 1
        return real(*asked, **more)  # type: ignore[arg-type]

    async def body(journal: JournalWriter) -> None:
        for number in range(200):
            with pytest.raises(StoreUnavailable):
                await journal.submit(arrival(f"C{number}"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg, "connect", connecting)
        store.session(body)
    assert 0 < tried < 100
    with pytest.raises(StoreUnavailable):
        store.reader().latest()


def test_a_commit_that_a_standby_has_not_is_no_commit(store: Store) -> None:
    """The server warns where somebody ended its wait for the synchronous standby."""

    async def body(journal: JournalWriter) -> None:
        await journal.submit(arrival("A"))
        with connect(store.url) as connection:
            connection.execute(
                "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'x'; RETURN NULL; END $$"
            )
            connection.execute(
                "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON pending DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION warn()"
            )
        with pytest.raises(StoreUnavailable):
            await journal.submit(arrival("B"))

    store.session(body)


def test_what_a_commit_waits_for(store: Store) -> None:
    with psycopg.connect(store.url.replace("+psycopg", ""), autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with connect(store.url) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
