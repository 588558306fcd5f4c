from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from mpi.index import Index
from tests.mpi.people import empty


@pytest.fixture
def connection() -> Iterator[Connection]:
    with empty() as opened:
        yield opened


@pytest.fixture
def index() -> Index:
    return Index()
