"""What intake has accepted and the engine has not applied yet: the part of the journal behind the engine's cursor."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

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


def size(directory: Path) -> int:
    """Bytes of the journal on disk, its write-ahead logs included."""
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
