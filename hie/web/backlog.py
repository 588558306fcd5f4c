"""What intake has accepted and no engine has applied yet: the part of the day files behind the engine's cursor, or on
PostgreSQL what the table `pending` names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from hie.errors import StoreUnavailable
from hie.intake import dayfile

COUNTED = 20_000
"""Rows of a day that are told apart by feed; behind a longer queue its length is known, its feeds are not."""


@dataclass(slots=True)
class Waiting:
    """Messages of one feed that wait. Times in epoch seconds."""

    count: int
    oldest: float
    newest: float


@dataclass(slots=True)
class Backlog:
    total: int = 0
    feeds: dict[str, Waiting] = field(default_factory=dict)

    @property
    def oldest(self) -> float | None:
        return min((w.oldest for w in self.feeds.values()), default=None)


def read(directory: Path, day: str, seq: int) -> Backlog:
    """Everything after the cursor (`day`, `seq`). Raises StoreUnavailable where a file cannot be read."""
    backlog = Backlog()
    for name in dayfile.days(directory):
        if name >= day:
            try:
                _add(backlog, directory, name, seq if name == day else 0)
            except sqlite3.Error as error:
                raise StoreUnavailable(f"the journal cannot be read ({type(error).__name__})") from None
    return backlog


# a message has a row for each of its lanes: one of them stands for it
_PENDING = text("SELECT count(*) FROM pending WHERE lane = lanes[1]")
_FEEDS = text(
    "SELECT a.feed, count(*), min(a.received_at), max(a.received_at) FROM "
    "(SELECT day, seq FROM pending WHERE lane = lanes[1] ORDER BY priority, seq LIMIT :counted) p "
    "JOIN arrival a ON a.day = p.day AND a.seq = p.seq GROUP BY a.feed"
)
_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits WHERE inhparent = 'arrival'::regclass"
)


def pending(connection: Connection) -> Backlog:
    """The same where the journal lies in PostgreSQL."""
    rows = connection.execute(_FEEDS, {"counted": COUNTED})
    feeds = {feed: Waiting(count, oldest, newest) for feed, count, oldest, newest in rows}
    return Backlog(connection.execute(_PENDING).scalar_one(), feeds)


def size(connection: Connection, directory: Path) -> int:
    """Bytes of the journal: of the day files with their write-ahead logs, or of its tables with their indexes."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(_SIZE).scalar_one())
    return sum(f.stat().st_size for f in directory.iterdir() if f.is_file()) if directory.is_dir() else 0


def _add(backlog: Backlog, directory: Path, day: str, after: int) -> None:
    db = dayfile.open_reader(directory, day)
    if db is None:
        return
    with closing(db):
        # rows are numbered without gaps from 1
        last = db.execute("SELECT max(seq) FROM message").fetchone()[0] or 0
        backlog.total += max(0, last - after)
        rows = db.execute(
            "SELECT feed, count(*), min(received_at), max(received_at) FROM "
            "(SELECT feed, received_at FROM message WHERE seq > ? ORDER BY seq LIMIT ?) GROUP BY feed",
            (after, COUNTED),
        )
        for feed, count, oldest, newest in rows:
            known = backlog.feeds.setdefault(feed, Waiting(0, oldest, newest))
            known.count += count
            known.oldest, known.newest = min(known.oldest, oldest), max(known.newest, newest)
