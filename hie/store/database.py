"""Opening `hie.db`: pragmas, read-only views, migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import StaticPool


def open_writer(url: str) -> Engine:
    """The engine's own connection. WAL and synchronous=FULL: a commit that returned survives power loss."""
    engine = create_engine(url, poolclass=StaticPool if url.startswith("sqlite") else None)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "busy_timeout=10000",
                "foreign_keys=OFF",
                "cache_size=-65536",
                "wal_autocheckpoint=4000",
                "temp_store=MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            # take the write lock at once: a read that turns into a write could otherwise lose to another writer
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def open_reader(url: str) -> Engine:
    """For who only reads (web, CLI, the gate): cannot write, by the database's own rule, and sees one snapshot a
    transaction, so that what it reads later never belies what it read before.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, isolation_level="REPEATABLE READ")
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def sqlite_url(var: Path) -> str:
    return f"sqlite:///{var / 'hie.db'}"


def migrate(url: str, revision: str = "head") -> None:
    """Brings the schema (tables of the exchange and of patient matching) to this version, or up to `revision`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, revision)
