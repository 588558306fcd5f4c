"""What several engines may take from one journal, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import Engine

from hie.engine.lane_inbox import LaneInbox
from hie.intake import heading
from hie.intake.lanes import LANES, lane_of
from hie.intake.postgres_reader import PostgresReader
from hie.intake.reader import Entry
from hie.model import Arrival, Keys
from hie.pipeline import Step
from hie.store.database import open_writer
from tests import databases

DAY = "2026-01-01"


class Journal:
    """Rows as an intake writes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database: Engine = open_writer(url)
        self.keys: dict[int, tuple[str, ...]] = {}
        with self.database.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE arrival_one PARTITION OF arrival FOR VALUES IN ('{DAY}')")

    def arrive(self, *keys: str, priority: int = 0) -> int:
        arrival = Arrival("north", "hl7v2", b"MSH|", "", Keys("hl7v2", b"1", "ADT^A01", keys))
        lanes = list(dict.fromkeys(lane_of("north", key) for key in keys))
        with self.database.begin() as connection:
            seq: int = connection.exec_driver_sql("SELECT nextval('arrival_seq')").scalar_one()
            connection.exec_driver_sql(
                "INSERT INTO arrival VALUES (%s, %s, 0, 'north', %s, '', '\\x00', NULL, NULL, 'raw', '', %s)",
                (DAY, seq, heading.encode(arrival).decode(), arrival.raw),
            )
            for lane in lanes:
                connection.exec_driver_sql(
                    "INSERT INTO pending VALUES (%s, %s, %s, %s, %s)", (lane, seq, DAY, lanes, priority)
                )
        self.keys[seq] = keys
        return seq

    def inbox(self, lanes: Sequence[int]) -> LaneInbox:
        inbox = LaneInbox(PostgresReader(self.url))
        inbox.hold(lanes)
        return inbox

    def commit(self, inbox: LaneInbox, entries: Sequence[Entry]) -> list[int]:
        """Applies what was read; answers the numbers that were still to be applied."""
        steps = [Step(entry.envelope, None, "", (), None) for entry in entries]
        with self.database.begin() as connection:
            left = inbox.settle(connection, steps) if steps else []
        inbox.committed(steps)
        return [int(step.envelope.message_id.partition("-")[2]) for step in left]


@pytest.fixture
def journal() -> Iterator[Journal]:
    with databases.database(databases.POSTGRESQL) as made:
        running = Journal(made.setting)
        yield running
        running.database.dispose()


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry.position.seq for entry in entries]


def two_keys() -> tuple[str, str, list[int], list[int]]:
    """Two keys whose lanes two engines hold."""
    one = "a"
    other = next(key for key in map(str, range(1000)) if lane_of("north", key) % 2 != lane_of("north", one) % 2)
    mine = [lane for lane in range(LANES) if lane % 2 == lane_of("north", one) % 2]
    return one, other, mine, [lane for lane in range(LANES) if lane not in mine]


def test_each_takes_what_lies_in_its_lanes(journal: Journal) -> None:
    a, b, mine, theirs = two_keys()
    rows = [journal.arrive(key) for key in (a, b, a, b, b)]
    one, two = journal.inbox(mine), journal.inbox(theirs)
    assert numbers(one.read(10)) == [rows[0], rows[2]]
    assert numbers(two.read(10)) == [rows[1], rows[3], rows[4]]
    assert one.read(10) == [], "what is in flight is not read again"


def test_what_is_applied_is_gone_and_applied_once(journal: Journal) -> None:
    row = journal.arrive("a")
    one, two = journal.inbox(range(LANES)), journal.inbox(range(LANES))
    entries, again = one.read(10), two.read(10)
    assert numbers(entries) == numbers(again) == [row]
    assert journal.commit(one, entries) == [row]
    assert journal.commit(two, again) == [], "somebody has applied it"
    assert one.read(10) == []


@pytest.mark.invariant(5)
def test_a_message_of_two_lanes_waits_for_both_and_holds_up_both(journal: Journal) -> None:
    a, b, mine, theirs = two_keys()
    before, barrier, after_a, after_b = (journal.arrive(*keys) for keys in ((b,), (a, b), (a,), (b,)))
    one, two = journal.inbox(mine), journal.inbox(theirs)
    assert one.read(10) == [], "the other has not applied what goes before"
    entries = two.read(10)
    assert numbers(entries) == [before], "nothing from behind the barrier"
    assert one.read(10) == [], "read is not applied"
    journal.commit(two, entries)
    assert two.read(10) == [], "the barrier is the other's: its first lane is"
    passed = one.read(10)
    assert numbers(passed) == [barrier, after_a]
    journal.commit(one, passed)
    assert numbers(two.read(10)) == [after_b]


@pytest.mark.invariant(5)
def test_others_go_on_behind_a_barrier(journal: Journal) -> None:
    a, b, mine, _ = two_keys()
    stranger = next(
        key
        for key in map(str, range(1000))
        if lane_of("north", key) in mine and lane_of("north", key) != lane_of("north", a)
    )
    journal.arrive(b)
    journal.arrive(a, b)
    for _ in range(20):
        journal.arrive(a)
    free = journal.arrive(stranger)
    one = journal.inbox(mine)
    assert numbers(one.read(5)) == [free], "however much waits behind the barrier"
    assert one.patience < 1


def test_live_feeds_go_before_backfill(journal: Journal) -> None:
    history = [journal.arrive("old", priority=1) for _ in range(3)]
    live = journal.arrive("new")
    assert numbers(journal.inbox(range(LANES)).read(10)) == [live, *history]


def test_a_lane_given_up_is_busy_until_its_rows_are_applied(journal: Journal) -> None:
    journal.arrive("a")
    one = journal.inbox(range(LANES))
    entries = one.read(10)
    one.hold([])
    assert one.busy([lane_of("north", "a")])
    assert not one.busy([(lane_of("north", "a") + 1) % LANES])
    journal.commit(one, entries)
    assert not one.busy(range(LANES))
    journal.arrive("a")
    assert one.read(10) == []


def disorder(journal: Journal, applied: Sequence[int]) -> list[str]:
    """Keys whose messages were applied in another order than they came, and messages not applied exactly once."""
    found = [str(seq) for seq in journal.keys if list(applied).count(seq) != 1]
    for key in {key for keys in journal.keys.values() for key in keys}:
        of_key = [seq for seq in applied if key in journal.keys[seq]]
        if of_key != sorted(of_key):
            found.append(key)
    return found


def run_engines(journal: Journal, chance: random.Random, inbox_type: type[LaneInbox] = LaneInbox) -> list[int]:
    """Three engines that read and commit in any order, between which lanes change hands."""
    inboxes = [journal.inbox([lane for lane in range(LANES) if lane % 3 == n]) for n in range(3)]
    for inbox in inboxes:
        inbox.__class__ = inbox_type
    in_hand: list[list[Entry]] = [[], [], []]
    applied: list[int] = []
    keys = [str(n) for n in range(8)]
    for turn in range(400):
        n = chance.randrange(3)
        if turn < 200:
            journal.arrive(*chance.sample(keys, chance.choice((1, 1, 1, 2, 3))))
        if in_hand[n] and chance.random() < 0.6:
            applied += journal.commit(inboxes[n], in_hand[n])
            in_hand[n] = []
        elif not in_hand[n]:
            in_hand[n] = inboxes[n].read(chance.choice((1, 3, 20)))
        elif (lanes := list(inboxes[n].lanes)) and not inboxes[n].busy(given := chance.sample(lanes, 1)):
            inboxes[n].hold(set(lanes) - set(given))
            inboxes[(n + 1) % 3].hold(inboxes[(n + 1) % 3].lanes | set(given))
    for _ in range(2000):
        for n in range(3):
            applied += journal.commit(inboxes[n], in_hand[n])
            in_hand[n] = inboxes[n].read(50)
        if len(applied) >= len(journal.keys):
            break
    return applied


@pytest.mark.invariant(1, 5)
@pytest.mark.parametrize("seed", range(4))
def test_three_engines_keep_the_order_of_every_key(journal: Journal, seed: int) -> None:
    assert disorder(journal, run_engines(journal, random.Random(seed))) == []


class Hasty(LaneInbox):
    """Broken: takes a message of several lanes as soon as its first lane is at hand."""

    def _ready(self, row, held):  # type: ignore[no-untyped-def]
        return row.lanes[0] in held


@pytest.mark.broken(5)
def test_an_inbox_that_ignores_the_other_lanes_is_caught(journal: Journal) -> None:
    assert disorder(journal, run_engines(journal, random.Random(0), Hasty))
