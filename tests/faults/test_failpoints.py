"""kill -9 of each process at every named place: nothing acknowledged is lost, nothing is sent under another key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.databases import Database
from tests.faults import ledger
from tests.faults.load import Load
from tests.node import Site

# the second number: at which pass the process dies, again in each of its lives; both engines where there are two
PLACES = {
    "intake-before-commit:9": "intake",
    "intake-after-commit:9": "intake",
    "intake-after-ack:9": "intake",
    "before-apply-commit:2": "engine",
    "after-apply-commit:2": "engine",
    "before-t1:3": "engine",
    "before-t1-commit:3": "engine",
    "after-t1:3": "engine",
    "after-send:20": "engine",
    "before-t2-commit:4": "engine",
    "after-t2:4": "engine",
    "pool-before-answer:2": "pool-0",
    "pool-after-answer:2": "pool-0",
    "web-before-intake:5": "web",
    "web-after-intake:5": "web",
}
KEEPERS = ("intake", "engine")


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    running = Site(tmp_path, database=database)
    yield running
    running.close()


def deaths(site: Site, process: str) -> int:
    return sum("process-ended" in line and process in line for line in site.log.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.invariant(1, 2, 5, 6)
@pytest.mark.parametrize(
    ("database", "place"),
    # pool and web know nothing of the database
    [
        (kind, place)
        for kind in databases.BOTH
        for place in PLACES
        if kind == databases.SQLITE or PLACES[place] in KEEPERS
    ],
    indirect=["database"],
)
def test_a_process_that_dies_there_loses_nothing(site: Site, place: str) -> None:
    site.start(place)
    load = Load(site, seed=len(place))
    asyncio.run_coroutine_threadsafe(load.run(12), site.loop).result(60)
    site.until(lambda: deaths(site, PLACES[place]), "the process died there")
    site.node.kill()
    site.start()
    site.settled()
    assert load.refused == []
    assert len(set(load.acknowledged)) == 60
    assert ledger.violations(site, load.acknowledged) == []
    assert site.stop() == 0
