from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from mpi.index import Index
from tests.databases import SQLITE, Database
from tests.mpi.people import empty


@pytest.fixture
def connection(database: Database, tmp_path: Path) -> Iterator[Connection]:
    if database.kind == SQLITE:
        with empty() as opened:
            yield opened
        return
    engine = create_engine(database.url(tmp_path))
    with engine.connect() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def index() -> Index:
    return Index()
