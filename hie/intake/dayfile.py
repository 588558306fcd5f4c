"""One day of the journal: an SQLite file with one table, written by one thread, deleted whole when its time is over."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

COLUMNS = [
    "seq",
    "received_at",
    "feed",
    "format",
    "source",
    "control_id",
    "event",
    "sender",
    "processing",
    "ordering",
    "lane",
    "flags",
    "ack",
    "err",
    "place",
    "text",
    "duplicate_of",
    "sha256",
    "identity",
    "content",
    "codec",
    "key_id",
    "raw",
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY,
    received_at REAL NOT NULL,
    feed TEXT NOT NULL,
    format TEXT NOT NULL,
    source TEXT NOT NULL,
    control_id BLOB NOT NULL,
    event TEXT NOT NULL,
    sender TEXT NOT NULL,
    processing TEXT NOT NULL,
    ordering TEXT NOT NULL,   -- keys separated by U+001F
    lane INTEGER NOT NULL,
    flags TEXT NOT NULL,      -- separated by spaces
    ack TEXT,                 -- NULL: accepted; else the refusal, "" where nobody could be answered
    err INTEGER,
    place TEXT,
    text TEXT,
    duplicate_of TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    identity INTEGER,         -- NULL: refused or repeated, so never the first of its kind
    content BLOB,
    codec TEXT NOT NULL,
    key_id TEXT NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_identity ON message (identity, content) WHERE identity IS NOT NULL;
"""
CHECKPOINT_PAGES = 4000
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.db\Z")
_CHUNKS = (256, 64, 16, 4, 1)


def days(directory: Path) -> list[str]:
    """The days on disk, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(match[1] for name in directory.iterdir() if (match := _NAME.match(name.name)))


def open_writer(directory: Path, day: str) -> sqlite3.Connection:
    """The writing connection of a day: every COMMIT is on the disk when it returns. Raises sqlite3.Error or OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = sqlite3.connect(directory / f"{day}.db", isolation_level=None, check_same_thread=False, timeout=5)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        db.executescript(SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(directory: Path, day: str) -> sqlite3.Connection | None:
    """A reading connection, or None where the day is gone or its writer has not made the table yet."""
    path = directory / f"{day}.db"
    if not path.exists():
        return None
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'message'").fetchone() is None:
        db.close()
        return None
    return db


def touch(db: sqlite3.Connection) -> None:
    """Writes something that nobody reads, down to the disk. Raises sqlite3.Error where that fails."""
    db.execute(f"PRAGMA user_version = {db.execute('PRAGMA user_version').fetchone()[0] % 1000 + 1}")


def remove(directory: Path, before: str) -> list[str]:
    """Deletes the days earlier than `before` (`YYYY-MM-DD`), which gives their space back; returns them.

    The newest day is never deleted: it says where the row numbers go on.
    """
    gone = [day for day in days(directory)[:-1] if day < before]
    for day in gone:
        for ending in (".db", ".db-wal", ".db-shm"):
            (directory / f"{day}{ending}").unlink(missing_ok=True)
    return gone


def insert(db: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
    """Inserts rows (values in the order of COLUMNS) in few statements: each one gives up the interpreter lock once."""
    at = 0
    for size in _CHUNKS:
        while len(rows) - at >= size:
            flat = [value for row in rows[at : at + size] for value in row]
            db.execute(_insert_sql(size), flat)
            at += size


def find(db: sqlite3.Connection, identities: Sequence[int]) -> set[int]:
    """Which of these identities the day has seen."""
    found: set[int] = set()
    at = 0
    for size in _CHUNKS:
        while len(identities) - at >= size:
            part: Iterable[int] = identities[at : at + size]
            found.update(row[0] for row in db.execute(_find_sql(size), list(part)))
            at += size
    return found


def first_with(db: sqlite3.Connection, identity: int, content: bytes, since: float) -> int | None:
    """Row of the first accepted arrival of this content at or after `since` (epoch seconds), or None."""
    row = db.execute(
        "SELECT seq FROM message WHERE identity = ? AND content = ? AND received_at >= ? ORDER BY seq LIMIT 1",
        (identity, content, since),
    ).fetchone()
    return None if row is None else int(row[0])


@cache
def _insert_sql(size: int) -> str:
    row = "(" + ",".join("?" * len(COLUMNS)) + ")"
    return f"INSERT INTO message ({','.join(COLUMNS)}) VALUES {','.join([row] * size)}"


@cache
def _find_sql(size: int) -> str:
    # EXISTS stops at the first hit: a sender with one control id for all its messages costs no more than another
    return (
        f"SELECT column1 FROM (VALUES {','.join(['(?)'] * size)}) "
        "WHERE EXISTS (SELECT 1 FROM message WHERE identity = column1)"
    )
