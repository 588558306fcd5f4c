"""For commands that change something: by the engine while the node runs, directly in the database while it does not."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind
from hie.control import socket_path
from hie.errors import ConfigurationError, StoreUnavailable
from hie.settings import Settings
from hie.store.database import open_reader, open_writer


def actor() -> str:
    """Who sits at the terminal, as the audit chain names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return f"cli:uid-{os.getuid()}"


def running(settings: Settings) -> bool:
    """Whether an engine answers on this machine. A socket left behind by a crash does not."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(socket_path(settings.var)))
        except OSError:
            return False
        return True


@contextmanager
def transaction(settings: Settings) -> Iterator[Connection]:
    """A transaction in the node's database, for when no engine runs."""
    engine = open_writer(settings.database_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def audited(settings: Settings) -> Iterator[tuple[Connection, Trail]]:
    """As `transaction`, with the trail whose events are committed along."""
    engine = open_writer(settings.database_url)
    try:
        trail = Trail(engine, Chain(settings.name))
        with engine.begin() as connection:
            yield connection, trail
    finally:
        engine.dispose()


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """A connection that cannot write. Raises ConfigurationError where there is no database, StoreUnavailable where it
    cannot be read: opening a SQLite file that is not there would make an empty one, and call it intact.
    """
    file = settings.var / "hie.db"
    if not settings.database and not file.is_file():
        raise ConfigurationError("there is no database", file=str(file), code="no-database", hint="start the node once")
    engine = open_reader(settings.database_url)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        # the driver's text may quote parameters
        raise StoreUnavailable(
            f"the database cannot be read ({type(error.orig).__name__})", hint="is it the database of this version?"
        ) from None
    finally:
        engine.dispose()


def change_access(settings: Settings, change: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """One of hie.access.changes, by whoever may write now."""
    from hie import control
    from hie.access import changes

    if running(settings):
        asked = {"change": change, "arguments": arguments}
        answer: dict[str, Any] = control.ask(settings.var, "access", asked, actor())
        return answer
    with audited(settings) as (connection, trail):
        return changes.apply(connection, trail, actor(), change, arguments)


def noted(settings: Settings, kind: Kind, body: dict[str, Any]) -> None:
    """One event of the audit chain, by whoever may write now. Raises StoreUnavailable where it cannot be written."""
    from hie import control
    from hie.audit.events import event

    if running(settings):
        control.ask(settings.var, "audit.note", {"kind": str(kind), "body": body}, actor())
        return
    with audited(settings) as (connection, trail):
        trail.add(connection, event(kind, actor(), body))
