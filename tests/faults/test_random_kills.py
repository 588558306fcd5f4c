"""A hundred kills at seeded random times under load, of every process of the node in turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import POSTGRESQL, Database
from tests.faults import ledger
from tests.faults.load import Load
from tests.node import Site

PROCESSES = ("intake", "engine", "pool-0", "web", "parent")
SECOND = ("engine-1", "pool-1")
"""Those of the second engine, that a site on PostgreSQL has."""
RUNS, KILLS = 5, 20


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    running = Site(tmp_path, database=database)
    yield running
    running.close()


@pytest.mark.slow
@pytest.mark.invariant(1, 2, 5, 6)
@pytest.mark.parametrize("seed", range(RUNS))
def test_whatever_dies_whenever_nothing_acknowledged_is_lost(site: Site, seed: int) -> None:
    chance = random.Random(f"kill {seed}")
    site.start()
    load = Load(site, seed, people=4, pace=0.02)
    sending = asyncio.run_coroutine_threadsafe(load.run(), site.loop)
    # every process dies as often as any other, in an order of the seed's own
    processes = PROCESSES + (SECOND if site.database.kind == POSTGRESQL else ())
    victims = [processes[n % len(processes)] for n in range(KILLS)]
    chance.shuffle(victims)
    for victim in victims:
        time.sleep(chance.uniform(0.05, 0.4))
        site.kill(victim)
        if victim == "parent":
            site.start()
    time.sleep(0.2)
    site.loop.call_soon_threadsafe(load.enough.set)
    sending.result(90)
    site.settled()
    assert load.refused == []
    assert len(load.acknowledged) >= 20, "hardly any load"
    assert ledger.violations(site, load.acknowledged) == []
