"""A new database and one from an earlier version end with the same tables, the ones that the code names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, insert, select, text

import hie.store
import mpi.tables
from hie.store import tables
from hie.store.database import migrate, open_writer
from tests import databases

FIRST = "0001"
MESSAGE = {
    "id": "20260101-00000001", "feed": "north", "format": "hl7v2", "event": "ADT^A01", "control_id": "C-1",
    "received_at": 1.5, "processed_at": 2.5, "sha256": bytes(range(32)), "outcome": "routed", "reason": "routed",
    "configuration": "c",
}  # fmt: skip
DELIVERY = {
    "message_id": "20260101-00000001", "idx": 0, "subscriber": "emergency", "ordering_key": "k", "key": "k-1",
    "state": "queued", "received_at": 1.5, "queued_at": 1.5, "due_at": 1.5,
}  # fmt: skip


@pytest.fixture(params=databases.BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table."""
    with databases.database(request.param, empty=True) as made:
        yield made.url(tmp_path)


@pytest.fixture
def engine(empty: str) -> Iterator[Engine]:
    opened = open_writer(empty)
    yield opened
    opened.dispose()


def missing(engine: Engine) -> list[Any]:
    """What the code names and the database lacks, or has otherwise. Tables that one kind alone has are not in question."""
    with engine.connect() as connection, warnings.catch_warnings():
        # PostgreSQL's transaction id, in a column that it alone has
        warnings.filterwarnings("ignore", "Did not recognize type 'xid8'")
        context = MigrationContext.configure(connection)
        found = compare_metadata(context, [tables.metadata, mpi.tables.METADATA])
    flat = [change for one in found for change in (one if isinstance(one, list) else [one])]
    return [change for change in flat if not change[0].startswith("remove_") and change[0] != "modify_comment"]


def scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(hie.store.__file__).parent / "migrations"))


def test_the_migrations_are_one_line() -> None:
    assert len(scripts().get_heads()) == 1
    assert [s.revision for s in scripts().walk_revisions()][-1] == FIRST


def test_a_new_database_has_what_the_code_names(empty: str, engine: Engine) -> None:
    migrate(empty)
    assert missing(engine) == []
    migrate(empty)


def test_a_table_without_its_migration_is_noticed(empty: str, engine: Engine) -> None:
    migrate(empty)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE work_item"))
        connection.execute(text("ALTER TABLE delivery DROP COLUMN answer"))
    assert {change[0] for change in missing(engine)} == {"add_table", "add_column"}


def test_a_database_of_the_first_version_comes_along_with_its_data(empty: str, engine: Engine) -> None:
    migrate(empty, FIRST)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO consent_epoch (eid, epoch) VALUES ('E1', 7)"))
        for name, row in (("message", MESSAGE), ("delivery", DELIVERY)):
            then = Table(name, MetaData(), autoload_with=connection)
            defaults = {c.name: c.default.arg for c in tables.metadata.tables[name].c if c.default is not None}
            connection.execute(insert(then).values({k: v for k, v in defaults.items() if k in then.c} | row))
    migrate(empty)
    assert missing(engine) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT eid, epoch FROM consent_epoch")).all() == [("E1", 7)]
        kept = connection.execute(select(tables.message)).mappings().one()
        assert {**kept, "sha256": bytes(kept["sha256"])}.items() >= MESSAGE.items()
        queued = connection.execute(select(tables.delivery)).mappings().one()
        assert queued.items() >= DELIVERY.items()
