"""The database: there, of a version that serves, at our schema, and such that a commit that returned is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

import hie.store
from hie.doctor import clock, feeds, standby
from hie.doctor.finding import Finding, fail, ok, warn
from hie.settings import Settings
from hie.store.database import open_reader

OLDEST_SQLITE = (3, 35)
OLDEST_POSTGRESQL = 13
QUICK_CHECK_SECONDS = 15.0
FEW_CONNECTIONS = 20
REVISION_OF_TODAY = "head"
LOCAL = ("", "localhost", "127.0.0.1", "::1")


def database(settings: Settings) -> Iterator[Finding]:
    url = make_url(settings.database_url)
    where = "SQLite" if url.drivername.startswith("sqlite") else f"PostgreSQL {url.host or 'on the local socket'}"
    if where == "SQLite" and not Path(url.database or "").exists():
        yield ok("database-new", "the SQLite file is made at the first start")
        return
    engine = open_reader(settings.database_url)
    try:
        with engine.connect() as connection:
            yield ok("database-reached", f"{where}, version {'.'.join(map(str, _version(connection)))}")
            yield from _sqlite(connection) if where == "SQLite" else _postgresql(connection, url.host or "", settings)
            at_head = list(schema(connection))
            yield from at_head
            if all(finding.code == "schema-current" for finding in at_head):
                yield from clock.against_database(connection)
                yield from feeds.credentials(connection, settings)
    except DBAPIError as error:
        # the driver's words may hold the user and the address with its password
        kind = type(error.orig).__name__
        hint = "is it running? user, password, network and permissions"
        yield fail("database-unreachable", f"{where} does not answer as it should ({kind})", hint)
    finally:
        engine.dispose()


def _version(connection: Connection) -> tuple[int, ...]:
    return tuple(int(part) for part in connection.dialect.server_version_info or ())


def schema(connection: Connection) -> Iterator[Finding]:
    config = Config()
    config.set_main_option("script_location", str(Path(hie.store.__path__[0]) / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    head = ScriptDirectory.from_config(config).get_current_head()
    if not inspect(connection).has_table("alembic_version"):
        yield ok("schema-new", "the tables are made at the first start")
        return
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == head:
        yield ok("schema-current", f"the tables are those of this version ({revision})")
    elif revision in known:
        text_ = f"the tables are of an earlier version ({revision}, not {head})"
        yield warn("schema-old", text_, "back up; the next start of the node brings them along")
    else:
        text_ = f"the tables are of a later version than this program ({revision})"
        yield fail("schema-newer", text_, "install the version that wrote them, or restore the backup of before")


def _sqlite(connection: Connection) -> Iterator[Finding]:
    version = _version(connection)
    if version < OLDEST_SQLITE:
        yield fail("database-version", "this SQLite is too old", "SQLite 3.35 or newer")
    mode = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
    if mode != "wal":
        yield warn("sqlite-mode", f"the file is in mode {mode}, not wal", "the next start of the node sets it")
    else:
        yield ok("sqlite-mode", "write-ahead log; the node's connection commits with synchronous=FULL")
    yield quick_check(connection.connection.dbapi_connection)


def quick_check(connection: Any, seconds: float = QUICK_CHECK_SECONDS) -> Finding:
    """SQLite's own look at its pages, as far as it comes in `seconds`. Takes a connection of sqlite3."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    try:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except Exception as error:
        if "interrupted" in str(error):
            return ok("sqlite-intact", f"no damage within the first {seconds:.0f} s of looking")
        said = "damaged"
    finally:
        connection.set_progress_handler(None, 0)
    if said == "ok":
        return ok("sqlite-intact", "the file is in order (quick_check)")
    hint = "stop the node, copy the file, restore the newest backup, look at the disk"
    return fail("sqlite-damaged", "the database file is damaged", hint)


def _postgresql(connection: Connection, host: str, settings: Settings) -> Iterator[Finding]:
    if _version(connection)[0] < OLDEST_POSTGRESQL:
        yield fail("database-version", "this PostgreSQL is too old", f"PostgreSQL {OLDEST_POSTGRESQL} or newer")

    def shown(name: str) -> str:
        return str(connection.execute(text(f"SHOW {name}")).scalar())

    for name, why in (
        ("fsync", "a crash of the server can destroy the whole database"),
        ("full_page_writes", "a crash of the server can leave torn pages"),
    ):
        if shown(name) != "on":
            yield fail("postgresql-not-durable", f"{name} is off: {why}", f"{name} = on")
    if (commits := shown("synchronous_commit")) in ("off", "local"):
        text_ = f"synchronous_commit is {commits}; the node sets it for itself, other programs may rely on it"
        yield warn("postgresql-commits", text_, "synchronous_commit = on")
    if shown("data_checksums") != "on":
        hint = "pg_checksums --enable, with the server stopped"
        yield warn("postgresql-checksums", "pages carry no checksums: damage of a disk goes unseen", hint)
    if shown("server_encoding") != "UTF8":
        yield fail("postgresql-encoding", "the database is not in UTF-8", "create it with ENCODING 'UTF8'")
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar():
        yield fail("postgresql-is-standby", "this server is a standby: nothing can be written", "name the primary")
    if host not in LOCAL and not host.startswith("/"):
        secure = connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar()
        if not secure:
            hint = "sslmode=verify-full in the URL"
            yield warn("database-in-the-clear", "the connection to the database is not encrypted", hint)
    yield from _connections(connection, settings)
    yield from standby.standbys(connection, shown("synchronous_standby_names"))


def _connections(connection: Connection, settings: Settings) -> Iterator[Finding]:
    most, kept, used = connection.execute(
        text(
            "SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int, "
            "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
    ).one()
    left, needed = most - kept - used, FEW_CONNECTIONS * settings.workers.engines
    said = f"{left} of {most} connections are free"
    if left < needed:
        yield warn("postgresql-connections", said, f"raise max_connections: a node may use {needed}")
    else:
        yield ok("postgresql-connections", said)
