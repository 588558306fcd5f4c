"""The work list of codes and fields without a standard meaning: counted in memory, written now and then.

A feed repeats itself: the same hundred codes with every message. So the first sighting of each goes into the commit of its
message, and counts follow once a minute: a steady stream costs the list nothing. What a crash takes is at most a minute of
counts, never an entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from hie.store.tables import unmapped

CODE = "code"
FIELD = "field"
EVERY = 60.0
"""Seconds between two writes of counts."""
MOST = 5_000
"""Entries of one feed: a sender that puts something else than codes in their place must not fill the list."""
MORE = "..."
"""Stands for all beyond that."""


class Key(NamedTuple):
    kind: str
    feed: str
    sender: str
    system: str
    code: str


class Tally:
    """Not thread-safe: the writer thread alone calls it."""

    def __init__(self) -> None:
        self._counts: dict[Key, list[Any]] = {}
        """Times, id of the latest message."""
        self._known: dict[str, set[Key]] = {}
        self._written = 0.0

    def note(self, connection: Connection, seen: Iterable[tuple[Key, int, str]], now: float) -> None:
        """Adds sightings: what was seen, how often, in which message; writes what is due, in the caller's transaction."""
        new = False
        for key, times, message in seen:
            known = self._known.get(key.feed)
            if known is None:
                known = self._known[key.feed] = _load(connection, key.feed)
            if key not in known:
                if len(known) >= MOST:
                    key = key._replace(sender="", system="", code=MORE)
                new = new or key not in known
                known.add(key)
            count = self._counts.setdefault(key, [0, message])
            count[0] += times
            count[1] = message
        if self._counts and (new or now - self._written >= EVERY):
            _write(connection, self._counts, now)
            self._counts.clear()
            self._written = now


def _load(connection: Connection, feed: str) -> set[Key]:
    columns = (getattr(unmapped.c, name) for name in Key._fields)
    return {Key(*row) for row in connection.execute(select(*columns).where(unmapped.c.feed == feed))}


def _write(connection: Connection, counts: dict[Key, list[Any]], now: float) -> None:
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(unmapped)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=Key._fields,
            set_={
                "seen": unmapped.c.seen + insert.excluded.seen,
                "last_at": insert.excluded.last_at,
                "example": insert.excluded.example,
            },
        ),
        # in one order everywhere: engines that write the same entries wait for each other, and never in a circle
        [
            {**key._asdict(), "seen": times, "first_at": now, "last_at": now, "example": message}
            for key, (times, message) in sorted(counts.items())
        ],
    )


class Entry(NamedTuple):
    """One row of the list. Times in seconds since the epoch."""

    key: Key
    seen: int
    first_at: float
    last_at: float
    example: str


def listed(connection: Connection, *, feed: str = "", sender: str = "", since: float = 0.0) -> list[Entry]:
    """By feed and sender, codes first, the most frequent first; narrowed to one feed, one sender, what was seen since."""
    columns = (getattr(unmapped.c, name) for name in Key._fields)
    query = select(*columns, unmapped.c.seen, unmapped.c.first_at, unmapped.c.last_at, unmapped.c.example)
    if feed:
        query = query.where(unmapped.c.feed == feed)
    if sender:
        query = query.where(unmapped.c.sender == sender)
    query = query.where(unmapped.c.last_at >= since).order_by(
        unmapped.c.feed, unmapped.c.sender, unmapped.c.kind, unmapped.c.seen.desc(), unmapped.c.system, unmapped.c.code
    )
    rows = connection.execute(query)
    return [
        Entry(Key(r.kind, r.feed, r.sender, r.system, r.code), r.seen, r.first_at, r.last_at, r.example) for r in rows
    ]
