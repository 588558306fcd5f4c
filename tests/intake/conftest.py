from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import Database
from tests.intake.store import Store


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    """An empty journal: the test runs once on each kind."""
    return Store(database, tmp_path)
