"""Reads the journal from other processes, in the order it was written, across day files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from hie.errors import NotFound, StoreUnavailable
from hie.intake import dayfile
from hie.intake.payload import Seal, unpack
from hie.intake.position import START, Position
from hie.intake.row import KEY_SEPARATOR
from hie.model import Acknowledgement, Envelope, Keys

BATCH_BYTES = 32 * 1024 * 1024
_SELECT = (
    "SELECT seq, received_at, feed, format, source, control_id, event, sender, processing, ordering, lane, flags, "
    "ack, err, place, text, duplicate_of, sha256, codec, key_id, raw FROM message "
)


class Entry(NamedTuple):
    """One row of the journal."""

    position: Position
    envelope: Envelope
    refusal: Acknowledgement | None
    """Set where the arrival was refused: it belongs into quarantine and must not be routed."""
    duplicate_of: str
    """Message id of the first arrival of the same message, or ""."""
    flags: tuple[str, ...]
    lane: int


class Reader:
    """A reader for one thread. It never blocks the writer and never skips a row."""

    def __init__(self, directory: Path, *, seal: Seal | None = None) -> None:
        self._directory = directory
        self._seal = seal
        self._files: dict[str, sqlite3.Connection] = {}

    def read(self, after: Position = START, limit: int = 500, max_bytes: int = BATCH_BYTES) -> list[Entry]:
        """At most `limit` rows after a position, in order; fewer where their stored bytes pass `max_bytes`.

        Raises StoreUnavailable where the files cannot be read.
        """
        try:
            return list(self._walk(after, limit, max_bytes))
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreUnavailable(f"the journal cannot be read ({type(error).__name__})") from error

    def get(self, message_id: str) -> Entry:
        """Raises NotFound where there is no such message, or its day has been deleted."""
        position = Position.of(message_id)
        db = self._file(position.day)
        row = db.execute(_SELECT + "WHERE seq = ?", (position.seq,)).fetchone() if db is not None else None
        if row is None:
            raise NotFound(f"no message {message_id} in the journal", hint="it may be past its retention")
        return self._entry(position.day, row)

    def get_all(self, message_ids: Collection[str]) -> dict[str, Entry]:
        """As `get`, for several."""
        return {id: self.get(id) for id in message_ids}

    def latest(self) -> Position:
        """Position of the newest row, START where the journal is empty."""
        for day in reversed(dayfile.days(self._directory)):
            db = self._file(day)
            newest = db.execute("SELECT max(seq) FROM message").fetchone()[0] if db is not None else None
            if newest:
                return Position(day, newest)
        return START

    def days(self) -> list[str]:
        """The days on disk, oldest first."""
        return dayfile.days(self._directory)

    def close(self) -> None:
        for db in self._files.values():
            with suppress(sqlite3.Error):
                db.close()
        self._files.clear()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _walk(self, after: Position, limit: int, max_bytes: int) -> Iterator[Entry]:
        # the list is taken first: a day that has a successor in it was complete before we read it
        days = [day for day in dayfile.days(self._directory) if day >= after.day]
        for gone in [day for day in self._files if day not in days]:
            self._files.pop(gone).close()
        size = taken = 0
        for day in days:
            db = self._file(day)
            if db is None:
                continue
            first = after.seq if day == after.day else 0
            rows = db.execute(_SELECT + "WHERE seq > ? ORDER BY seq LIMIT ?", (first, limit - taken))
            try:
                for row in rows:
                    yield self._entry(day, row)
                    taken += 1
                    size += len(row[-1])
                    if taken >= limit or size >= max_bytes:
                        return
            finally:
                rows.close()  # an open statement would keep the write-ahead log from being cut

    def _file(self, day: str) -> sqlite3.Connection | None:
        db = self._files.get(day)
        if db is None:
            db = dayfile.open_reader(self._directory, day)
            if db is not None:
                self._files[day] = db
        return db

    def _entry(self, day: str, row: tuple[Any, ...]) -> Entry:
        (seq, received_at, feed, format_, source, control_id, event, sender, processing, ordering, lane, flags) = row[
            :12
        ]
        (ack, err, place, text, duplicate_of, digest, codec, key_id, data) = row[12:]
        position = Position(day, seq)
        found = Keys(
            format_,
            control_id,
            event,
            tuple(ordering.split(KEY_SEPARATOR)) if ordering else (),
            sender,
            processing,
        )
        envelope = Envelope(
            position.message_id,
            feed,
            format_,
            unpack(codec, key_id, data, self._seal),
            digest,
            received_at,
            found,
            source,
        )
        refusal = None if ack is None else Acknowledgement(ack, err, place, text)
        return Entry(position, envelope, refusal, duplicate_of, tuple(flags.split()), lane)
