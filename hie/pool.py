"""The pool: processes that decode. Pure work only, so one that dies takes nothing with it but its turn.

A worker listens on `var/run/pool-N.sock`; the engine sends a list of tasks and gets a list of results, both pickled (the
socket is the node's own, mode 600). Either side may restart at any time. The context of a feed holds its code tables, which
may be large: it goes over a connection once, and afterwards by its number.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from hie.failpoint import failpoint

Work = Callable[[Any], Any]
LONGEST_SECONDS = 30.0
MOST_CONTEXTS = 1_000
"""Contexts that a connection knows; beyond that another begins with none."""


def socket_path(var: Path, number: int | str) -> Path:
    return var / "run" / f"pool-{number}.sock"


def serve(var: Path, number: int | str, work: Work) -> None:
    """Body of a worker process: answers tasks until SIGTERM. One engine at a time."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # a message makes thousands of short-lived objects and hardly a cycle
    gc.set_threshold(50_000, 20, 100)
    path = socket_path(var, number)
    path.unlink(missing_ok=True)
    os.umask(0o077)
    with Listener(str(path), family="AF_UNIX") as listener:
        while True:
            with contextlib.suppress(OSError, EOFError), listener.accept() as connection:
                contexts: dict[int, Any] = {}
                while True:
                    new, tasks = connection.recv()
                    contexts.update(new)
                    results = [_bounded(work, _with(task, contexts)) for task in tasks]
                    failpoint("pool-before-answer")
                    connection.send(results)
                    failpoint("pool-after-answer")


def _with(task: Any, contexts: Mapping[int, Any]) -> Any:
    number = getattr(task, "context", None)
    return task._replace(context=contexts[number]) if type(number) is int else task


def _bounded(work: Work, task: Any) -> Any:
    """One task. One that does not end costs this process (SIGALRM's default), and the engine sees whose fault it was."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    try:
        return work(task)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Worker:
    """The engine's end: blocking, so it is called from a thread of its own."""

    def __init__(self, var: Path, number: int | str) -> None:
        self.path = socket_path(var, number)
        self.connection: Connection | None = None
        self._sent: dict[int, tuple[int, Any]] = {}
        """What the other side has of this connection: id of a context -> its number, and the context, so that its id stays its own."""

    def run(self, tasks: Sequence[Any]) -> list[Any]:
        """Results in the order of `tasks`. Raises OSError or EOFError where the worker died or is not there."""
        if len(self._sent) > MOST_CONTEXTS:
            self.close()
        try:
            if self.connection is None:
                self.connection = Client(str(self.path), family="AF_UNIX")
            self.connection.send(self._numbered(tasks))
            results: list[Any] = self.connection.recv()
        except (OSError, EOFError):
            self.close()
            raise
        return results

    def _numbered(self, tasks: Sequence[Any]) -> tuple[dict[int, Any], list[Any]]:
        """The contexts that the other side does not have yet, and the tasks with numbers in their place."""
        new: dict[int, Any] = {}
        numbered = []
        for task in tasks:
            context = getattr(task, "context", None)
            if context is None:
                numbered.append(task)
                continue
            if (known := self._sent.get(id(context))) is None:
                known = self._sent[id(context)] = len(self._sent), context
                new[known[0]] = context
            numbered.append(task._replace(context=known[0]))
        return new, numbered

    def close(self) -> None:
        self._sent.clear()
        if self.connection is not None:
            self.connection.close()
            self.connection = None
