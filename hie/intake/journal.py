"""The journal: every arrival, raw, append-only, on the disk before anybody is told that it was taken.

One thread writes. While it waits for the disk, arrivals gather; the next commit takes all of them (group commit), so
the rate grows with the load while each sender waits for one or two commits. Row numbers are given and committed in
order by that one thread, and the writer never returns to an earlier day: a reader that follows them skips nothing.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from hie.errors import StoreUnavailable
from hie.failpoint import failpoint
from hie.intake import dayfile
from hie.intake.dedupe import SAME_ID, Window
from hie.intake.payload import Seal
from hie.intake.position import Position
from hie.intake.reader import Entry, Reader
from hie.intake.row import Row, prepare
from hie.model import Arrival, Receipt
from hie.ports import Meter

GROUP_ROWS = 2048
GROUP_BYTES = 64 * 1024 * 1024
OPEN_DAYS = 8
Submitted = tuple[Arrival, asyncio.Future[Receipt], float]
__all__ = ["Entry", "Journal", "JournalWriter", "Position", "Reader"]


class JournalWriter(Protocol):
    """What intake needs of a journal, whatever keeps it."""

    def start(self) -> None: ...

    def submit(self, arrival: Arrival) -> Awaitable[Receipt]: ...

    async def close(self) -> None: ...


class Journal:
    """The journal in SQLite day files (implements JournalWriter).

    `windows` say how each feed recognises repeats. `wake` is an eventfd that is written after every commit (-1: none).
    `reserve_bytes` of the disk are left to the processes that work the backlog off: below, arrivals are refused.
    """

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
        self._directory = directory
        # not copied: a feed that comes later is added to it
        self._windows: Mapping[str, Window] = {} if windows is None else windows
        self._wake = wake
        self._seal = seal
        self._meter = meter
        self._clock = clock
        self._reserve = reserve_bytes
        self._queue: queue.SimpleQueue[Submitted | None] = queue.SimpleQueue()
        self._db: sqlite3.Connection | None = None
        self._older: dict[str, sqlite3.Connection] = {}
        self._day = ""
        self._next = 0
        self._space_checked = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.healthy = True
        self.commits = 0

    def start(self) -> None:
        """Starts the writer; to be called on the event loop. The store is opened by the first arrival."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        """Resolves after the commit (hie.ports.Accept); StoreUnavailable where it failed."""
        assert self._loop is not None, "start() first"
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._queue.put((arrival, future, self._clock()))
        return future

    async def close(self) -> None:
        """Commits what was submitted, then ends the writer."""
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    # -- the writer thread

    def _run(self) -> None:
        while True:
            group, last = self._gather()
            if group:
                self._settle(group, self._commit(group))
            if last:
                self._forget()
                return

    def _gather(self) -> tuple[list[Submitted], bool]:
        group = []
        size = 0
        item = self._queue.get()
        while item is not None:
            group.append(item)
            size += len(item[0].raw)
            if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
                return group, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[Submitted]) -> list[Receipt | StoreUnavailable]:
        """One transaction for all; where one of them is at fault, one for each, so that only it is refused."""
        try:
            rows = [prepare(arrival, at, self._windows.get(arrival.feed)) for arrival, _, at in group]
            receipts: list[Receipt | StoreUnavailable] = list(self._write(rows))
            self.healthy = True
        except (sqlite3.OperationalError, OSError) as error:
            self.healthy = False
            failure = StoreUnavailable(
                f"the journal did not take the write ({type(error).__name__})", hint="disk full, or the disk failed"
            )
            receipts = [failure] * len(group)
            self._forget()
            self._count("hie_journal_failures_total", len(group))
        except Exception as error:
            self._forget()
            if len(group) == 1:
                self._count("hie_journal_failures_total", 1)
                return [StoreUnavailable(f"the journal cannot hold this arrival ({type(error).__name__})")]
            receipts = [self._commit([one])[0] for one in group]
        return receipts

    def _write(self, rows: list[Row]) -> list[Receipt]:
        self._check_space()
        db = self._open()
        self._find_repeats(db, rows)
        db.execute("BEGIN IMMEDIATE")
        try:
            receipts = []
            values = []
            for offset, row in enumerate(rows):
                position = Position(self._day, self._next + offset)
                if isinstance(row.duplicate_of, Row):
                    row.duplicate_of = row.duplicate_of.message_id
                row.message_id = position.message_id
                receipts.append(Receipt(row.message_id, row.duplicate_of))
                values.append(row.values(position.seq, self._seal))
            dayfile.insert(db, values)
            failpoint("intake-before-commit")
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._next += len(rows)
        self.commits += 1
        failpoint("intake-after-commit")
        self._count("hie_journal_commits_total", 1)
        if self._wake >= 0:
            with suppress(OSError):  # committed is committed; the engine polls as well
                os.eventfd_write(self._wake, 1)
        return receipts

    def _find_repeats(self, db: sqlite3.Connection, rows: list[Row]) -> None:
        """Marks rows that repeat an earlier accepted one: in this group, today, or on the days the window reaches."""
        asked = [row for row in rows if row.fingerprint is not None]
        if not asked:
            return
        oldest = min(row.since for row in asked)
        files = [(self._day, db), *self._reachable(oldest)]
        identities = [row.fingerprint.identity for row in asked if row.fingerprint]
        seen = [(day, file, known) for day, file in files if (known := dayfile.find(file, identities))]
        fresh: dict[int, dict[bytes, Row]] = {}
        for row in asked:
            mark = row.fingerprint
            assert mark is not None
            siblings = fresh.setdefault(mark.identity, {})
            first: Row | str | None = siblings.get(mark.content)
            known_id = bool(siblings)
            for day, file, known in seen:
                if first is None and mark.identity in known:
                    known_id = True
                    seq = dayfile.first_with(file, mark.identity, mark.content, row.since)
                    first = Position(day, seq).message_id if seq is not None else None
            if first is not None:
                row.repeat(first)
            else:
                siblings[mark.content] = row
                if known_id and row.control_id:
                    row.flag(SAME_ID)

    def _reachable(self, since: float) -> list[tuple[str, sqlite3.Connection]]:
        """Earlier day files that hold rows at or after `since`, newest first."""
        first = _day(since)
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
        today = _day(self._clock())
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

    def _count(self, name: str, amount: float) -> None:
        if self._meter is not None:
            self._meter.count(name, amount)

    def _forget(self) -> None:
        """Closes every file; the next group opens them anew, which is also how the journal recovers."""
        for db in (self._db, *self._older.values()):
            if db is not None:
                with suppress(sqlite3.Error):
                    db.close()
        self._db, self._older, self._space_checked = None, {}, 0.0

    def _settle(
        self,
        group: list[Submitted],
        results: list[Receipt | StoreUnavailable],
    ) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has gone: nobody is left to be told
            self._loop.call_soon_threadsafe(self._tell, group, results)

    def _tell(
        self,
        group: list[Submitted],
        results: list[Receipt | StoreUnavailable],
    ) -> None:
        for (_, future, _), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Receipt):
                future.set_result(result)
            else:
                future.set_exception(result)
        assert self._loop is not None
        self._loop.call_soon(failpoint, "intake-after-ack")


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
