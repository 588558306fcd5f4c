from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases, node
from tests.databases import Database
from tests.invariants.bench import Bench
from tests.node import Site


@pytest.fixture
def bench(tmp_path: Path, database: Database) -> Iterator[Bench]:
    made = Bench(tmp_path, database=database)
    yield made
    made.close()


@pytest.fixture(scope="module", params=databases.BOTH)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One running node for the tests of a module; each uses people of its own. On PostgreSQL it has two engines."""
    with (
        databases.database(request.param) as made,
        node.site(tmp_path_factory.mktemp("site"), database=made) as running,
    ):
        yield running
