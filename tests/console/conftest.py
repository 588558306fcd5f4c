from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import quiet
from tests.api.region import Region, sample
from tests.console.story import tell
from tests.databases import Database

__all__ = ["quiet"]


@pytest.fixture
def region(tmp_path: Path, database: Database) -> Iterator[Region]:
    with Region(tmp_path / "var", database) as running:
        yield running


@pytest.fixture
def story(region: Region) -> Region:
    """A region in trouble: one feed silent, one refusing, one waiting; a paused subscriber, dead letters, quarantine."""
    with region.client("north") as client:
        answer = client.post("/intake/north", content=sample("SEEN-1"))
    tell(region, answer.json()["message_id"], time.time())
    return region
