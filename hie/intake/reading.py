"""Whether a stored message can be read, for the senders that want to know it from their acknowledgement.

A process of its own reads (`reading` of the node), so that a message which ends a decoder costs the engine nothing. It is
asked by one thread, which takes along whatever has gathered meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hie.model import Acknowledgement, Arrival, FeedContext
from hie.pool import Worker
from hie.task import Task

NAME = "reading"
MOST = 32
CRASHES = 2
UNREADABLE = Acknowledgement("AE", 207, "", "stored, but it cannot be read: a defect of ours")


class Context(NamedTuple):
    """How the messages of a feed are read."""

    feed: FeedContext
    source_types: frozenset[str] = frozenset()


class _Asked(NamedTuple):
    task: Task
    answer: asyncio.Future[Acknowledgement]


class Reading:
    """The asking side. Nothing runs before the first `ask`."""

    def __init__(self, directory: Path, contexts: Mapping[str, Context]) -> None:
        self._worker = Worker(directory, NAME)
        self._contexts = contexts
        self._queue: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, arrival: Arrival) -> asyncio.Future[Acknowledgement]:
        """AA, or what the decoder says against it. Cancelled, it is not asked any more."""
        self._loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
            self._thread.start()
        context = self._contexts.get(arrival.feed) or Context(FeedContext(feed=arrival.feed))
        answer: asyncio.Future[Acknowledgement] = self._loop.create_future()
        self._queue.put(_Asked(Task(arrival.format, arrival.raw, *context), answer))
        return answer

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            with suppress(queue.Empty):
                while len(group) < MOST:
                    group.append(self._queue.get_nowait())
            found = self._read([asked for asked in group if not asked.answer.done()])
            with suppress(RuntimeError):  # the loop has gone: nobody is left to be told
                self._loop.call_soon_threadsafe(_tell, found)

    def _read(self, group: Sequence[_Asked]) -> list[tuple[_Asked, Acknowledgement]]:
        """One message that ends the reader is found by asking for each alone."""
        crashes = 0
        while group:
            try:
                verdicts = self._worker.run([asked.task for asked in group])
                return list(zip(group, verdicts, strict=True))
            except (FileNotFoundError, ConnectionRefusedError):  # it is starting
                time.sleep(0.02)
                group = [asked for asked in group if not asked.answer.done()]
            except (OSError, EOFError):
                crashes += 1
                if len(group) > 1:
                    return [told for asked in group for told in self._read([asked])]
                if crashes == CRASHES:
                    return [(group[0], UNREADABLE)]
        return []


def _tell(found: Sequence[tuple[_Asked, Acknowledgement]]) -> None:
    for asked, verdict in found:
        if not asked.answer.done():
            asked.answer.set_result(verdict)
