from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.region import Region
from tests.databases import Database


@pytest.fixture
def region(tmp_path: Path, database: Database) -> Iterator[Region]:
    with Region(tmp_path / "var", database) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
