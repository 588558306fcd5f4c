"""Opening the database: what each connection is told, read-only views, migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import StaticPool

POSTGRESQL = {
    "connect_timeout": 3,
    # a server that vanished without a word is noticed within seconds, also with an answer outstanding
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""What libpq is told of a connection."""


def open_writer(url: str, patience: float = 0) -> Engine:
    """A connection whose commits survive power loss once they have returned. `patience`: seconds for which a transaction
    on PostgreSQL may stand still before the server ends it (0: for ever), so that it holds up no other process longer."""
    if url.startswith("sqlite"):
        return _sqlite_writer(url)
    # stricter than asked is left alone
    durable = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'"
    return _postgresql(url, durable, f"SET idle_in_transaction_session_timeout = {round(patience * 1000)}")


def open_reader(url: str) -> Engine:
    """For who only reads (web, CLI, the gate): cannot write, by the database's own rule, and sees one snapshot a
    transaction, so that what it reads later never belies what it read before.
    """
    if url.startswith("sqlite"):
        return _sqlite_reader(url)
    return _postgresql(url, "SET default_transaction_read_only = on", isolation_level="REPEATABLE READ")


def _postgresql(url: str, *settings: str, **options: Any) -> Engine:
    engine = create_engine(url, connect_args=POSTGRESQL, **options)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # short statements, often: compiling one costs more than it can ever win
        for setting in ("SET jit = off", *settings):
            connection.execute(setting)
        connection.commit()

    return engine


def _sqlite_writer(url: str) -> Engine:
    """WAL and synchronous=FULL."""
    engine = create_engine(url, poolclass=StaticPool)

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


def _sqlite_reader(url: str) -> Engine:
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
