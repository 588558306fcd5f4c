"""A node with two engines on PostgreSQL, from outside: real senders, real sinks, real kills."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hie.simulation import messages
from hie.simulation.people import someone
from hie.store.claims import LEASE
from tests import databases
from tests.faults import ledger
from tests.faults.load import Load
from tests.invariants.bench import opt_out
from tests.node import Site

ENGINES = ("engine", "engine-1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with databases.database(databases.POSTGRESQL) as made:
        running = Site(tmp_path, database=made, engines=2)
        yield running
        running.close()


def owners(site: Site) -> dict[int, int]:
    """Engine epoch -> how many claims it holds."""
    return dict(site.rows("SELECT owner, count(*) FROM claim WHERE owner IS NOT NULL GROUP BY owner"))


def shared(site: Site) -> bool:
    """Every lane and subscriber is held, and two engines have their share."""
    free = site.rows("SELECT count(*) FROM claim WHERE owner IS NULL")[0][0]
    return not free and len(owners(site)) == 2 and min(owners(site).values()) >= 32


def worked(site: Site) -> dict[str, int]:
    """Audit chain of an engine -> messages it applied."""
    return dict(site.rows("SELECT chain, count(*) FROM audit WHERE kind = 'message-processed' GROUP BY chain"))


@pytest.mark.invariant(1, 2, 5, 6)
def test_two_engines_share_the_work_and_keep_the_ledger(site: Site) -> None:
    site.start()
    site.until(lambda: shared(site), "both have their share")
    load = Load(site, seed=2, connections=6)
    asyncio.run_coroutine_threadsafe(load.run(12), site.loop).result(120)
    site.settled()
    assert load.refused == []
    assert ledger.violations(site, load.acknowledged) == []
    assert set(worked(site)) == {"proving", "proving.1"}
    assert not site.mllp.duplicates
    assert site.stop() == 0
    assert site.rows("SELECT count(*) FROM engine") == [(0,)], "a clean stop leaves nothing to wait for"


@pytest.mark.invariant(5)
def test_a_merge_of_two_patients_is_a_barrier_over_both_engines(site: Site) -> None:
    site.start()
    site.until(lambda: shared(site), "both have their share")
    chance = random.Random(5)
    sending = ("NORTH", "NORTHEHR", "NORTHCLINIC")
    pairs = [((f"5{n}1", someone(chance)), (f"5{n}2", someone(chance))) for n in range(8)]
    for n, pair in enumerate(pairs):
        for mrn, person in pair:
            site.send(messages.admission(person, mrn, *sending, "A04", f"{n}-0-{mrn}", f"V{mrn}"))
    for n, pair in enumerate(pairs):
        for mrn, person in pair:
            site.send(messages.admission(person, mrn, *sending, "A08", f"{n}-1-{mrn}", f"V{mrn}"))
        (survivor, person), (prior, _) = pair
        site.send(messages.merge(person, survivor, prior, *sending, f"{n}-2-merge"))
        site.send(messages.admission(person, survivor, *sending, "A08", f"{n}-3-{survivor}", f"V{survivor}"))
    site.settled()
    assert len(worked(site)) == 2
    came = [tuple(control_id.split("-")) for control_id, _ in site.mllp.seen]
    for n, pair in enumerate(pairs):
        mine = [(int(phase), of) for number, phase, of in came if int(number) == n]
        # what is about one patient keeps its order; the merge is about both and waits for both
        for mrn, _ in pair:
            assert [phase for phase, of in mine if of == mrn and phase < 2] == [0, 1], f"pair {n}"
        assert [phase for phase, _ in mine][-2:] == [2, 3], f"pair {n}"


@pytest.mark.invariant(3)
def test_a_revocation_reaches_the_engine_that_delivers(site: Site) -> None:
    """Commands go to the first engine; one of the two subscribers belongs to the other."""
    site.start()
    site.until(lambda: shared(site), "both have their share")
    person, sending = someone(random.Random(6)), ("NORTH", "NORTHEHR", "NORTHCLINIC")
    site.send(messages.admission(person, "61", *sending, "A04", "before", "V61"))
    site.settled()
    site.consent(opt_out("61"))
    site.send(messages.admission(person, "61", *sending, "A08", "after", "V61"))
    site.settled()
    assert {row["reason"] for row in site.deliveries("after")} == {"denied"}
    assert {row["state"] for row in site.deliveries("before")} == {"delivered"}
    assert site.mllp.of("after") == []


def test_what_an_operator_does_reaches_the_engine_that_delivers(site: Site) -> None:
    site.start()
    site.until(lambda: shared(site), "both have their share")
    person, sending = someone(random.Random(7)), ("NORTH", "NORTHEHR", "NORTHCLINIC")
    names = ("emergency", "practice")
    for name in names:
        site.asked("subscriber.pause", name=name, reason="works")
    time.sleep(2.5)  # a pause is heard of at the next look, each second
    site.send(messages.admission(person, "71", *sending, "A04", "held", "V71"))
    site.until(lambda: len(site.deliveries("held")) == 2, "both are queued")
    time.sleep(1)
    assert [row["state"] for row in site.deliveries("held")] == ["queued", "queued"]
    for name in names:
        site.asked("subscriber.resume", name=name)
    site.settled()
    assert {row["state"] for row in site.deliveries("held")} == {"delivered"}


@pytest.mark.slow
@pytest.mark.invariant(1, 2, 5, 6)
@pytest.mark.parametrize("victims", [("engine",), ("engine-1",), ENGINES, ("parent",)])
def test_whichever_engine_dies_nothing_is_lost(site: Site, victims: tuple[str, ...]) -> None:
    chance = random.Random(str(victims))
    site.start()
    load = Load(site, seed=3, people=4, pace=0.02)
    sending = asyncio.run_coroutine_threadsafe(load.run(), site.loop)
    for _ in range(4):
        time.sleep(chance.uniform(0.3, 1.0))
        for victim in victims:
            site.kill(victim)
        if victims == ("parent",):
            site.start()
    site.loop.call_soon_threadsafe(load.enough.set)
    sending.result(120)
    site.settled(120)
    assert load.refused == []
    assert len(load.acknowledged) >= 10, "hardly any load"
    assert ledger.violations(site, load.acknowledged) == []


@pytest.mark.slow
@pytest.mark.invariant(1, 3, 5, 6)
def test_one_that_stood_still_until_others_had_its_work_writes_and_sends_nothing(site: Site) -> None:
    site.start()
    site.until(lambda: shared(site), "both have their share")
    load = Load(site, seed=4, people=4, pace=0.05)
    sending = asyncio.run_coroutine_threadsafe(load.run(), site.loop)
    time.sleep(1)
    zombie = site.pid("engine-1")
    os.kill(zombie, signal.SIGSTOP)
    try:
        site.until(lambda: len(owners(site)) == 1 and sum(owners(site).values()) == 66, "the other has all", LEASE + 60)
        site.loop.call_soon_threadsafe(load.enough.set)
        sending.result(120)
        site.until(lambda: not site.rows("SELECT 1 FROM pending LIMIT 1"), "everything is applied without it", 60)
        site.settled()
        seen, heads = len(site.mllp.seen) + len(site.fhir.seen), worked(site)
    finally:
        os.kill(zombie, signal.SIGCONT)
    site.until(lambda: not alive(zombie), "it ends by itself")
    site.until(lambda: shared(site), "its next life has its share")
    assert len(site.mllp.seen) + len(site.fhir.seen) == seen
    assert worked(site) == heads
    assert "engine-fenced" in site.log.read_text() or '"code": "fenced"' in site.log.read_text()
    assert ledger.violations(site, load.acknowledged) == []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
