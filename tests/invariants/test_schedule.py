"""Invariant 5 at its root: the schedule of one subscriber, against a model, under any course of events."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hie.delivery.priority import Priorities
from hie.delivery.schedule import AT_ONCE, BESIDE_LIVE, Entry, Schedule
from hie.sections import Feed

KEYS = ("a", "b", "c", "d")
DELIVERIES = st.lists(st.sets(st.sampled_from(KEYS), min_size=1, max_size=3), min_size=1, max_size=25)


class Course:
    """Plays deliveries through a schedule and keeps what happened."""

    def __init__(self, schedule: Schedule, keys: Sequence[set[str]], chance: random.Random) -> None:
        self.schedule, self.chance = schedule, chance
        self.entries = [Entry(n, tuple(sorted(k)), 0.0, 0.0, repair=chance.random() < 0.3) for n, k in enumerate(keys)]
        self.waiting = list(self.entries)
        self.flying: list[Entry] = []
        self.begun: list[tuple[int, frozenset[int]]] = []
        """(id, ids in flight beside it) of every attempt, in order."""
        self.finished: list[int] = []
        self.now = 0.0

    def step(self) -> None:
        self.now += self.chance.choice((0.0, 0.5, 2.0))
        what = self.chance.random()
        if self.waiting and what < 0.4:
            self.schedule.add(self.waiting.pop(0))
        elif self.flying and what < 0.8:
            entry = self.flying.pop(self.chance.randrange(len(self.flying)))
            match self.chance.randrange(4):
                case 0:  # a temporary failure: the same one is due later
                    self.schedule.again(entry, self.now + self.chance.choice((0.0, 1.0, 5.0)))
                case _:
                    self.schedule.finish(entry)
                    self.finished.append(entry.id)
        elif what < 0.85 and self.entries:
            self.schedule.wake({entry.id for entry in self.chance.sample(self.entries, 1)}, self.now)
        else:
            for entry in self.schedule.take(self.now, self.chance.randrange(1, 5)):
                self.begun.append((entry.id, frozenset(e.id for e in self.flying)))
                self.flying.append(entry)

    def drain(self) -> None:
        for _ in range(400):
            self.step()
        while self.waiting:
            self.schedule.add(self.waiting.pop(0))
        for _ in range(10 * len(self.entries) + 10):
            self.now += 10
            for entry in self.flying:
                self.schedule.finish(entry)
                self.finished.append(entry.id)
            self.flying = self.schedule.take(self.now, 3)
            self.begun += [(entry.id, frozenset()) for entry in self.flying]


def disorder(
    entries: Sequence[Entry], begun: Sequence[tuple[int, frozenset[int]]], finished: Sequence[int]
) -> list[str]:
    """What went before an older one of one of its keys had ended, what flew beside one of its keys, what never went."""
    found = []
    keys = {entry.id: set(entry.keys) for entry in entries}
    ended = {id: at for at, id in enumerate(finished)}
    for id in keys:
        if id not in ended:
            found.append(f"{id} starved")
    for a in sorted(keys):
        for b in sorted(keys):
            if a < b and keys[a] & keys[b] and ended.get(a, 0) > ended.get(b, 0):
                found.append(f"{b} ended before {a}")
    found += [f"{id} beside {other}" for id, beside in begun for other in beside if keys[id] & keys[other]]
    return found


@pytest.mark.invariant(5)
@settings(max_examples=150, deadline=None)
@given(keys=DELIVERIES, seed=st.integers(0, 10**6))
def test_order_per_key_barriers_and_nobody_starves(keys: list[set[str]], seed: int) -> None:
    course = Course(Schedule(), keys, random.Random(seed))
    course.drain()
    assert disorder(course.entries, course.begun, course.finished) == []
    assert len(course.schedule) == 0
    assert course.schedule.oldest is None


@pytest.mark.invariant(5)
def test_a_stranger_never_waits() -> None:
    """A delivery that fails for ever holds its own key; all others go meanwhile."""
    schedule = Schedule()
    schedule.add(sick := Entry(0, ("sick",), 0, 0))
    for n in range(1, 50):
        schedule.add(Entry(n, (f"well-{n % 7}",), 0, 0))
    schedule.add(behind := Entry(50, ("sick",), 0, 0))
    gone = []
    for now in range(200):
        for entry in schedule.take(now, 4):
            if entry is sick:
                schedule.again(entry, now + 3)
            else:
                gone.append(entry.id)
                schedule.finish(entry)
    assert gone == sorted(gone, key=lambda id: gone.index(id))
    assert set(gone) == set(range(1, 50))
    assert len(schedule) == 2
    schedule.finish(sick)
    assert schedule.take(1000, 4) == [behind]


PRIORITIES = Priorities(
    [
        Feed(name="live", participant="p", source={"kind": "http"}),
        Feed(name="past", participant="p", source={"kind": "http"}, priority="backfill"),
    ]
)


@pytest.mark.invariant(5)
@settings(max_examples=100, deadline=None)
@given(keys=DELIVERIES, past=st.sets(st.integers(0, 24)), seed=st.integers(0, 10**6))
def test_order_and_nobody_starves_with_history_among_them(keys: list[set[str]], past: set[int], seed: int) -> None:
    feeds = [{f"{'past' if n in past else 'live'}|{key}" for key in ks} for n, ks in enumerate(keys)]
    course = Course(Schedule(PRIORITIES), feeds, random.Random(seed))
    course.drain()
    assert disorder(course.entries, course.begun, course.finished) == []
    assert len(course.schedule) == 0


def test_history_goes_when_nothing_live_is_due_and_a_few_at_a_time() -> None:
    schedule = Schedule(PRIORITIES)
    for n in range(100):
        schedule.add(Entry(n, (f"past|{n}",), 0, 0))
    for n in range(100, 140):
        schedule.add(Entry(n, (f"live|{n}",), 0, 0))
    assert [e.id for e in schedule.take(1, 32)] == list(range(100, 132))
    mixed = schedule.take(1, 32)
    assert [e.id for e in mixed] == [*range(132, 140), *range(BESIDE_LIVE)]
    assert schedule.take(1, 32) == []
    assert schedule.next_due() is None  # an answer must come first
    schedule.add(Entry(200, ("live|200",), 0, 0))
    assert [e.id for e in schedule.take(1, 32)] == [200]
    schedule.finish(mixed[-1])
    schedule.again(mixed[-2], 5)
    assert schedule.next_due() == 0
    assert [e.id for e in schedule.take(1, 32)] == [BESIDE_LIVE, BESIDE_LIVE + 1]
    # nothing live for a while: more of it may be on its way
    assert [e.id for e in schedule.take(3, 64)] == list(range(BESIDE_LIVE + 2, AT_ONCE + 2))


class Hasty(Schedule):
    """Broken: an entry is ready as soon as it heads one of its keys, so a merge does not wait for both patients."""

    def _offer(self, entry: Entry) -> None:
        from heapq import heappush

        if entry.id not in self._taken and any(self._queues[key][0] is entry for key in entry.keys):
            heappush(self._ready[0], (entry.due_at, entry.id, entry))


class Forgetful(Schedule):
    """Broken: what waits behind a finished delivery is not offered."""

    def finish(self, entry: Entry) -> None:
        self._taken.discard(entry.id)
        if self._entries.pop(entry.id, None) is not None:
            for key in entry.keys:
                self._queues[key].remove(entry)
                if not self._queues[key]:
                    del self._queues[key]


@pytest.mark.broken(5)
@pytest.mark.parametrize(("broken", "what"), [(Hasty, "beside"), (Forgetful, "starved")])
def test_a_schedule_without_barriers_or_without_successors_is_caught(broken: type[Schedule], what: str) -> None:
    chance = random.Random(1)
    found: list[str] = []
    for seed in range(40):
        keys = [set(chance.sample(KEYS, chance.randrange(1, 4))) for _ in range(20)]
        course = Course(broken(), keys, random.Random(seed))
        try:
            course.drain()
        except (KeyError, IndexError, ValueError) as error:
            found.append(f"{what} ({type(error).__name__})" if broken is Hasty else "")
        found += disorder(course.entries, course.begun, course.finished)
    assert any(what in text for text in found)


@pytest.mark.invariant(5)
def test_what_a_repair_sends_goes_when_nothing_live_is_due() -> None:
    schedule = Schedule()
    for number in range(3):
        schedule.add(Entry(number, (f"old-{number}",), 0.0, 0.0, repair=True))
    for number in range(3, 6):
        schedule.add(Entry(number, (f"new-{number}",), 0.0, 0.0))
    assert [entry.id for entry in schedule.take(1.0, 4)] == [3, 4, 5, 0]


@pytest.mark.invariant(5)
def test_what_a_repair_sends_does_not_hold_up_what_is_live_behind_it() -> None:
    schedule = Schedule()
    schedule.add(Entry(0, ("one",), 0.0, 0.0, repair=True))
    schedule.add(Entry(1, ("other",), 0.0, 0.0, repair=True))
    schedule.add(Entry(2, ("other",), 0.0, 0.0))
    [first] = schedule.take(1.0, 1)
    assert first.id == 1
    schedule.again(first, 5.0)
    assert [entry.id for entry in schedule.take(1.0, 9)] == [0], "the other waits for its back-off"
    schedule.forget(1)
    assert [entry.id for entry in schedule.take(1.0, 9)] == [2]
