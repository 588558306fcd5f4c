"""The journal's writing side, whatever keeps it: every arrival durable before anybody is told that it was taken.

One thread writes. While it waits for the disk, arrivals gather; the next commit takes all of them (group commit), so
the rate grows with the load while each sender waits for one or two commits. A store that went away is tried again when
nobody sends, too: a node that is not asked because it says that it is not ready must find out that it is.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from hie.errors import StoreUnavailable
from hie.failpoint import failpoint
from hie.intake.dedupe import Window
from hie.intake.payload import Seal
from hie.intake.position import Position
from hie.intake.row import Row, prepare
from hie.model import Arrival, Receipt
from hie.ports import Meter

GROUP_ROWS = 2048
GROUP_BYTES = 64 * 1024 * 1024
LOOK_SECONDS = 1.0
"""Between two looks whether a store that failed is back."""
LONGEST_WRITE = 10.0
"""Seconds after which a write that does not end is given up, and its senders are told."""
Submitted = tuple[Arrival, asyncio.Future[Receipt], float]


class JournalWriter(ABC):
    """`windows` say how each feed recognises repeats. `wake` is an eventfd that is written after every commit (-1: none)."""

    hint = ""
    """What may be wrong where the store fails."""
    idle_look = False
    """Whether to look at a healthy store, too, while nothing arrives."""
    group_rows = GROUP_ROWS

    def __init__(
        self,
        windows: Mapping[str, Window] | None = None,
        *,
        wake: int = -1,
        seal: Seal | None = None,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # not copied: a feed that comes later is added to it
        self._windows: Mapping[str, Window] = {} if windows is None else windows
        self._wake = wake
        self._seal = seal
        self._meter = meter
        self._clock = clock
        self._queue: queue.SimpleQueue[Submitted | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._since: float | None = None
        """When the write at hand began, by the monotonic clock."""
        self.healthy = True
        """Whether the store took what it was last given, or answered when it was last looked at."""
        self.commits = 0

    def start(self) -> None:
        """Starts the writer; to be called on the event loop. The store is opened by the first arrival."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        self._watching = self._loop.call_later(LOOK_SECONDS, self._watch)

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
        if self._watching is not None:
            self._watching.cancel()

    # -- what keeps the rows

    @abstractmethod
    def _write(self, rows: list[Row]) -> list[Receipt]:
        """Commits all rows, or raises and leaves nothing of them."""

    @abstractmethod
    def _look(self) -> None:
        """Raises where a write would fail now."""

    @abstractmethod
    def _failed(self, error: Exception) -> bool:
        """Whether the store failed, and not one of the rows is at fault."""

    @abstractmethod
    def _forget(self) -> None:
        """Closes everything; the next group opens it anew, which is also how the journal recovers."""

    def _interrupt(self) -> None:  # noqa: B027 - a file needs none
        """Makes a write that hangs fail. Called from another thread."""

    # -- the writer thread

    def _run(self) -> None:
        while True:
            group, last = self._gather()
            self._since = time.monotonic()
            if group:
                self._settle(group, self._commit(group))
            elif not last:
                self._check()
            self._since = None
            if last:
                self._forget()
                return

    def _gather(self) -> tuple[list[Submitted], bool]:
        """What has arrived, after waiting for something; nothing where it is time to look at the store instead."""
        group: list[Submitted] = []
        size = 0
        patience = LOOK_SECONDS if self.idle_look or not self.healthy else None
        try:
            item = self._queue.get(timeout=patience)
            while item is not None:
                group.append(item)
                size += len(item[0].raw)
                if len(group) >= self.group_rows or size >= GROUP_BYTES:
                    return group, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _check(self) -> None:
        try:
            self._look()
            self.healthy = True
        except Exception:
            self._forget()
            self.healthy = False

    def _commit(self, group: list[Submitted]) -> Sequence[Receipt | StoreUnavailable]:
        """One transaction for all; where one of them is at fault, one for each, so that only it is refused."""
        try:
            rows = [prepare(arrival, at, self._windows.get(arrival.feed)) for arrival, _, at in group]
            receipts = self._write(rows)
        except Exception as error:
            if self._failed(error):
                self.healthy = False
                self._forget()
                self._count("hie_journal_failures_total", len(group))
                why = f"the journal did not take the write ({type(error).__name__})"
                return [StoreUnavailable(why, hint=self.hint)] * len(group)
            if len(group) == 1:
                self._count("hie_journal_failures_total", 1)
                return [StoreUnavailable(f"the journal cannot hold this arrival ({type(error).__name__})")]
            return [self._commit([one])[0] for one in group]
        self.healthy = True
        self.commits += 1
        failpoint("intake-after-commit")
        self._count("hie_journal_commits_total", 1)
        if self._wake >= 0:
            with suppress(OSError):  # committed is committed; the engine polls as well
                os.eventfd_write(self._wake, 1)
        return receipts

    def _count(self, name: str, amount: float) -> None:
        if self._meter is not None:
            self._meter.count(name, amount)

    # -- telling

    def _settle(self, group: list[Submitted], results: Sequence[Receipt | StoreUnavailable]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has gone: nobody is left to be told
            self._loop.call_soon_threadsafe(self._tell, group, results)

    def _tell(self, group: list[Submitted], results: Sequence[Receipt | StoreUnavailable]) -> None:
        for (_, future, _), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Receipt):
                future.set_result(result)
            else:
                future.set_exception(result)
        assert self._loop is not None
        self._loop.call_soon(failpoint, "intake-after-ack")

    def _watch(self) -> None:
        """On the event loop: a store that neither answers nor fails must not keep the senders waiting."""
        since = self._since
        if since is not None and time.monotonic() - since > LONGEST_WRITE:
            self._interrupt()
        assert self._loop is not None
        self._watching = self._loop.call_later(LOOK_SECONDS, self._watch)


def number(rows: Iterable[Row], positions: Iterable[Position]) -> list[Receipt]:
    """Gives each row its place; a repeat of a row of the same group learns what that one is called."""
    receipts = []
    for row, position in zip(rows, positions, strict=True):
        if isinstance(row.duplicate_of, Row):
            row.duplicate_of = row.duplicate_of.message_id
        row.message_id = position.message_id
        receipts.append(Receipt(row.message_id, row.duplicate_of))
    return receipts


def day_of(at: float) -> str:
    """UTC day (`YYYY-MM-DD`) of a time in epoch seconds."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))
