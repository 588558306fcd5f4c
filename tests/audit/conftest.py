"""A database with the real tables and a chain in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hie.audit.chain import Chain
from hie.store.database import open_reader, open_writer, sqlite_url
from hie.store.tables import metadata


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def engine(var: Path) -> Iterator[Engine]:
    var.mkdir()
    engine = open_writer(sqlite_url(var))
    with engine.begin() as connection:
        metadata.create_all(connection)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(var: Path, engine: Engine) -> Iterator[Engine]:
    reader = open_reader(sqlite_url(var))
    yield reader
    reader.dispose()


@pytest.fixture
def chain() -> Chain:
    return Chain("engine")
