"""A folder as a source: looked at again and again, one file at a time, its messages stored before it is moved away.

A crash at any point leaves the file in the folder or in hand. It is then taken again, and what was stored before is
recognised as a repeat: nothing is lost and nothing has a second effect.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from adapters.files.ending import Ending, Endings
from adapters.files.hand import Moving, Taken, TooLarge, left, put_back, read, take
from adapters.files.lease import Lease
from adapters.files.listing import Listing
from adapters.files.report import Report, empty, too_large
from adapters.files.settings import FolderSource
from adapters.files.submission import Submission
from adapters.files.trouble import Troubles, reason_of
from hie.model import Arrival
from hie.ports import Accept, Budget, Meter, Open, Source

T = TypeVar("T")
log = logging.getLogger(__name__)
LOOK_SHARE = 20
"""A look costs at most one part in so many of the time: a folder of 100,000 files is not listed for each of them."""
SWEEP_SECONDS = 3600.0


class Watcher:
    """One folder of one feed (hie.ports.Source)."""

    def __init__(self, feed: str, settings: FolderSource, accept: Accept, meter: Meter, open: Open) -> None:
        self.feed = feed
        self.settings = settings
        self.meter = meter
        self.open = open
        self.folder = settings.folder
        self.lease = Lease(self.folder, settings.lease_seconds)
        self.listing = Listing(settings)
        self.endings = Endings(self.folder, settings.keep_days)
        self.troubles = Troubles(feed, meter)
        self.draining = asyncio.Event()
        self._accept = accept
        self._budget: Budget | None = getattr(accept, "budget", None)
        self._stuck: tuple[Taken, Ending] | None = None
        """A file whose messages are stored and that cannot be moved: no other is taken meanwhile."""
        self._held = False
        self._swept = float("-inf")
        # a thread that a dead share holds up must stop nobody else, and life is shown beside the work
        self._threads = ThreadPoolExecutor(2, f"files-{feed}")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to look. A folder that is not there is waited for."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._show_life())]

    async def drain(self, seconds: float) -> None:
        """Finishes the file in hand, or gives it back between two of its messages."""
        self.draining.set()
        if self._tasks:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._tasks[0]), seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _off(self, work: Callable[..., T], *arguments: object) -> T:
        """Runs file input and output off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _run(self) -> None:
        while not self.draining.is_set():
            busy = False
            try:
                busy = await self._round()
                self.troubles.over("folder")
            except OSError as error:
                self._hold(False)
                self.troubles.met("folder", reason_of(error))
            except Exception as error:  # a defect costs this round; the file in hand is taken again
                log.error("folder-defect", extra={"feed": self.feed, "kind": type(error).__name__})
                self.troubles.met("folder", "internal-error")
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.draining.wait(), self.settings.poll_seconds)
        self._hold(False)
        await self._off(self.lease.release)

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(self.settings.lease_seconds / 4)
            if self._held:
                with suppress(OSError):
                    await self._off(self.lease.renew)

    def _hold(self, held: bool) -> None:
        if held != self._held:
            self._held = held
            self.meter.count("hie_feed_connected", 1 if held else -1, feed=self.feed)

    async def _round(self) -> bool:
        """Everything that is ready now. False: there was nothing, or nothing can be done at present."""
        self._hold(await self._off(self._may_work))
        if not self._held:
            self._stuck = None  # whoever has the folder has its file too
            return False
        if self._stuck is not None and not await self._end(*self._stuck):
            return False
        for taken in left(await self._off(self.lease.in_hand), self._companions(), self.folder):
            if self.draining.is_set() or not await self._file(taken):
                return False
        began = time.monotonic()
        found = await self._off(self.listing.look)
        enough = max(self.settings.poll_seconds, LOOK_SHARE * (time.monotonic() - began))
        self._sweep()
        unreadable = 0
        for file in found:
            if self.draining.is_set() or time.monotonic() - began > enough:
                break
            try:
                taken_now = await self._off(take, file, self.lease)
            except PermissionError:
                unreadable += 1
                self.troubles.met("file", "permission")
                continue
            self.listing.forget(file)
            if taken_now is not None and not await self._file(taken_now):
                return False
        if not unreadable:
            self.troubles.over("file")
        return len(found) > unreadable

    def _may_work(self) -> bool:
        if not self.folder.is_dir():  # never made here: it may be a share that is not mounted
            raise FileNotFoundError(2, "")
        return self.lease.hold()

    def _companions(self) -> tuple[str, ...]:
        return tuple(e for e in (self.settings.marker, *self.settings.companions) if e)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            sweeping = asyncio.ensure_future(self._off(self.endings.sweep, _now()))
            sweeping.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- one file

    async def _file(self, taken: Taken) -> bool:
        """One file to its end. False: it is still in hand, or was given back."""
        if taken.path.name.lower().endswith(self._companions() or ("\x00",)):
            return await self._end(taken, Ending(taken.path, False))
        if self._budget is None:
            return await self._read(taken)
        while self._budget.full and not self.draining.is_set():
            await asyncio.sleep(self.settings.poll_seconds)
        size = (await self._off(taken.path.lstat)).st_size
        self._budget.change(self.feed, size)
        try:
            return await self._read(taken)
        finally:
            self._budget.change(self.feed, -size)

    async def _read(self, taken: Taken) -> bool:
        try:
            digest, size, arrivals = await self._off(self._opened, taken.path)
        except TooLarge as error:
            return await self._end(taken, too_large(taken, error.args[0], self.settings.max_file_bytes))
        except Moving:
            await self._off(put_back, taken)
            return True
        if not arrivals:
            return await self._end(taken, empty(taken))
        submission = Submission(self.feed, self._accept, self.meter, self.settings, self.troubles, self.draining)
        if not await submission.run(arrivals):
            await self._off(put_back, taken)
            return False
        report = Report(digest, size, arrivals, submission.receipts)
        return await self._end(taken, report.ending(taken), report.result)

    def _opened(self, path: Path) -> tuple[str, int, list[Arrival]]:
        raw = read(path, self.settings.max_file_bytes)
        digest = sha256(raw).hexdigest()
        if not raw.strip(b"\x00\r\n\t \xef\xbb\xbf"):
            return digest, len(raw), []
        name = f"file:{digest[:16]}"
        arrivals = self.open(raw, name)
        return digest, len(raw), [replace(a, source=f"{name}#{n}") for n, a in enumerate(arrivals, 1)]

    async def _end(self, taken: Taken, ending: Ending, result: str = "") -> bool:
        """Moves a file away. False: it cannot be moved now, and is tried again before anything else."""
        ending.beside = taken.beside
        try:
            given_up = await self._off(self.endings.end, ending, _now())
        except OSError as error:
            self._stuck = taken, ending
            self.troubles.met("move", reason_of(error))
            return False
        self._stuck = None
        self.troubles.over("move")
        for problem in given_up:
            self.troubles.met("note", reason_of(problem))
        if not given_up:
            self.troubles.over("note")
        self.meter.count("hie_files_total", feed=self.feed, result=result or ("refused" if ending.refused else "done"))
        return True


def _now() -> datetime:
    return datetime.now(UTC)


def serve(feed: str, settings: FolderSource, accept: Accept, meter: Meter, open: Open) -> Source:
    """The entry named in manifest.toml."""
    return Watcher(feed, settings, accept, meter, open)
