"""A database with the real tables and a chain in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hie.audit.chain import Chain
from hie.store.database import open_reader, open_writer
from tests.databases import Database


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def engine(var: Path, database: Database) -> Iterator[Engine]:
    engine = open_writer(database.migrated(var))
    yield engine
    engine.dispose()


@pytest.fixture
def reader(var: Path, database: Database, engine: Engine) -> Iterator[Engine]:
    reader = open_reader(database.url(var))
    yield reader
    reader.dispose()


@pytest.fixture
def chain() -> Chain:
    return Chain("engine")
