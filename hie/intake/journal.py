"""The journal in SQLite day files, append-only.

Row numbers are given and committed in order by one thread, and the writer never returns to an earlier day: a reader that
follows them skips nothing.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hie.failpoint import failpoint
from hie.intake import dayfile, repeats
from hie.intake.dedupe import Window
from hie.intake.payload import Seal
from hie.intake.position import Position
from hie.intake.repeats import Earlier
from hie.intake.row import Row
from hie.intake.writer import JournalWriter, day_of, number
from hie.model import Receipt
from hie.ports import Meter

OPEN_DAYS = 8


class Journal(JournalWriter):
    """`reserve_bytes` of the disk are left to the processes that work the backlog off: below, arrivals are refused."""

    hint = "disk full, or the disk failed"

    def __init__(
        self,
        directory: Path,
        windows: Mapping[str, Window] | None = None,
        *,
        wake: int = -1,
        seal: Seal | None = None,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.time,
        reserve_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        super().__init__(windows, wake=wake, seal=seal, meter=meter, clock=clock)
        self._directory = directory
        self._reserve = reserve_bytes
        self._db: sqlite3.Connection | None = None
        self._older: dict[str, sqlite3.Connection] = {}
        self._day = ""
        self._next = 0
        self._space_checked = 0.0

    def _write(self, rows: list[Row]) -> list[Receipt]:
        self._check_space()
        db = self._open()
        self._find_repeats(db, rows)
        db.execute("BEGIN IMMEDIATE")
        try:
            receipts = number(rows, (Position(self._day, self._next + n) for n in range(len(rows))))
            dayfile.insert(db, [row.values(self._next + n, self._seal) for n, row in enumerate(rows)])
            failpoint("intake-before-commit")
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._next += len(rows)
        return receipts

    def _look(self) -> None:
        self._check_space()
        dayfile.touch(self._open())

    def _failed(self, error: Exception) -> bool:
        # a damaged file is a plain DatabaseError; its other kinds are about what was to be written
        return isinstance(error, (sqlite3.OperationalError, OSError)) or type(error) is sqlite3.DatabaseError

    def _find_repeats(self, db: sqlite3.Connection, rows: list[Row]) -> None:
        """Marks rows that repeat an earlier accepted one: in this group, today, or on the days the window reaches."""
        asked = [row for row in rows if row.fingerprint is not None]
        if not asked:
            return
        oldest = min(row.since for row in asked)
        files = [(self._day, db), *self._reachable(oldest)]
        identities = [row.fingerprint.identity for row in asked if row.fingerprint]
        seen = [(day, file, known) for day, file in files if (known := dayfile.find(file, identities))]

        def earlier(row: Row) -> Earlier:
            assert row.fingerprint is not None
            identity, content = row.fingerprint
            holding = [(day, file) for day, file, known in seen if identity in known]
            for day, file in holding:
                seq = dayfile.first_with(file, identity, content, row.since)
                if seq is not None:
                    return Earlier(True, Position(day, seq).message_id)
            return Earlier(bool(holding))

        repeats.mark(asked, earlier)

    def _reachable(self, since: float) -> list[tuple[str, sqlite3.Connection]]:
        """Earlier day files that hold rows at or after `since`, newest first."""
        first = day_of(since)
        if first >= self._day:
            return []
        found = []
        for day in [d for d in dayfile.days(self._directory) if first <= d < self._day][-OPEN_DAYS:]:
            file = self._older.get(day) or dayfile.open_reader(self._directory, day)
            if file is not None:
                self._older[day] = file
                found.append((day, file))
        return found[::-1]

    def _open(self) -> sqlite3.Connection:
        today = day_of(self._clock())
        if self._db is not None and today <= self._day:
            return self._db
        self._forget()
        # never back to an earlier day, even if the clock is: readers follow the order of the files
        day = max([today, *dayfile.days(self._directory)[-1:]])
        db = dayfile.open_writer(self._directory, day)
        self._next = (db.execute("SELECT max(seq) FROM message").fetchone()[0] or 0) + 1
        self._db, self._day = db, day
        return db

    def _check_space(self) -> None:
        now = time.monotonic()
        if self._reserve and now - self._space_checked > 1:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = os.statvfs(self._directory)
            if free.f_bavail * free.f_frsize < self._reserve:
                raise OSError("the disk is nearly full")
            self._space_checked = now

    def _forget(self) -> None:
        for db in (self._db, *self._older.values()):
            if db is not None:
                with suppress(sqlite3.Error):
                    db.close()
        self._db, self._older, self._space_checked = None, {}, 0.0
