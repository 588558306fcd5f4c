"""Which engine works on what, on a PostgreSQL that several share.

An engine lives as long as its row in `engine`: it moves the row's expiry along by the database's clock, and whoever finds
a row past it deletes it, which frees what it held in the same commit. The row's id is the epoch: no later life of any
engine has it again. Every transaction of an engine's writer first holds its own row (`hold`); a deletion waits for it or
passes it by, so an engine that was given up for dead writes nothing any more, however late it wakes up.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from hie.errors import ConfigurationError, Fenced

LEASE = 8.0
"""Seconds for which an engine lives without moving its expiry."""
CHANGED = "hie_engines"
"""Channel on which engines hear that somebody came, went or let go."""


class Standing(NamedTuple):
    """What an engine sees of all: how many live, and the owner (None: free) of each claim."""

    live: int
    owners: Mapping[str, int | None]


def home_of(var: Path) -> str:
    """The name of a state directory that no other has: its node is the one that was killed there, not a second one."""
    file = var / "home"
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.write_text(str(uuid.uuid4()))
        os.replace(draft, file)
    return file.read_text()


def refuse_twin(connection: Connection, node: str, home: str) -> None:
    """Raises ConfigurationError where a node of this name lives elsewhere: both would extend the same audit chain."""
    if connection.exec_driver_sql(
        "SELECT 1 FROM engine WHERE node = %s AND home <> %s AND expires_at > clock_timestamp()", (node, home)
    ).first():
        raise ConfigurationError(
            f"a node called {node!r} with another state directory already runs on this database",
            code="name-taken",
            hint=f"give each node its own `name`; one that was killed is forgotten after {LEASE:.0f} seconds",
        )


def enter(connection: Connection, node: str, number: int, home: str, names: Collection[str]) -> int:
    """Begins a life; answers its epoch. An earlier life of the same engine is over. `names`: all that can be claimed."""
    connection.exec_driver_sql("DELETE FROM engine WHERE node = %s AND number = %s AND home = %s", (node, number, home))
    connection.exec_driver_sql(
        "INSERT INTO claim (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (sorted(names),)
    )
    epoch: int = connection.exec_driver_sql(
        "INSERT INTO engine (node, number, home, expires_at) "
        "VALUES (%s, %s, %s, clock_timestamp() + %s * interval '1 second') RETURNING id",
        (node, number, home, LEASE),
    ).scalar_one()
    tell(connection)
    return epoch


def hold(connection: Connection, me: int) -> None:
    """Keeps this life from being ended by others before the transaction in hand has. Raises Fenced where it was."""
    if connection.exec_driver_sql("SELECT 1 FROM engine WHERE id = %s FOR KEY SHARE", (me,)).first() is None:
        raise _fenced()


def renew(connection: Connection, me: int) -> None:
    """Moves the expiry along. Raises Fenced."""
    moved = connection.exec_driver_sql(
        "UPDATE engine SET expires_at = clock_timestamp() + %s * interval '1 second' WHERE id = %s", (LEASE, me)
    )
    if moved.rowcount != 1:
        raise _fenced()


def bury(connection: Connection) -> int:
    """Ends the lives that are past their expiry, but for those with a transaction open; answers how many."""
    buried = connection.exec_driver_sql(
        "DELETE FROM engine WHERE id IN "
        "(SELECT id FROM engine WHERE expires_at < clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED)"
    ).rowcount
    if buried:
        tell(connection)
    return buried


def standing(connection: Connection) -> Standing:
    live: int = connection.exec_driver_sql("SELECT count(*) FROM engine").scalar_one()
    return Standing(live, {row.name: row.owner for row in connection.exec_driver_sql("SELECT name, owner FROM claim")})


def take(connection: Connection, me: int, names: Collection[str], most: int) -> list[str]:
    """Claims up to `most` of `names` that are free; answers those it got. Raises Fenced."""
    try:
        got = connection.exec_driver_sql(
            "UPDATE claim SET owner = %s WHERE name IN (SELECT name FROM claim "
            "WHERE owner IS NULL AND name = ANY(%s) ORDER BY name LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING name",
            (me, list(names), most),
        )
        return [row.name for row in got]
    except IntegrityError:
        raise _fenced() from None


def release(connection: Connection, me: int, names: Collection[str]) -> None:
    connection.exec_driver_sql("UPDATE claim SET owner = NULL WHERE owner = %s AND name = ANY(%s)", (me, sorted(names)))
    tell(connection)


def leave(connection: Connection, me: int) -> None:
    """Ends this life and frees what it held."""
    connection.exec_driver_sql("DELETE FROM engine WHERE id = %s", (me,))
    tell(connection)


def owned_elsewhere(connection: Connection, me: int, name: str) -> bool:
    """Whether another engine, perhaps under another configuration, holds `name`."""
    row = connection.exec_driver_sql("SELECT owner FROM claim WHERE name = %s", (name,)).first()
    return row is not None and row.owner not in (None, me)


def tell(connection: Connection) -> None:
    connection.exec_driver_sql(f"NOTIFY {CHANGED}")


def balance(names: Sequence[str], standing: Standing, me: int) -> tuple[list[str], list[str], int]:
    """A fair share of `names`: what to give back, what is free, and how many of those to take."""
    share = -(-len(names) // max(1, standing.live))
    mine = sorted(name for name in names if standing.owners.get(name) == me)
    free = [name for name in names if standing.owners.get(name) is None]
    return mine[share:], free, max(0, share - len(mine))


def _fenced() -> Fenced:
    return Fenced("other engines took this one for dead and do its work", hint="it starts anew by itself")
