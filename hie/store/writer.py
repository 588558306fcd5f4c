"""The one writer: a thread that commits the work of many callers in groups.

One fsync costs 2.5-4 ms, so a commit each would cap the node at 300 steps a second. Callers hand in a unit of work (a
function of the connection); the thread runs whatever has gathered in one transaction, each unit in its own savepoint, so
that one that fails takes no other with it, commits once, and only then tells the callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from hie.errors import StoreUnavailable

T = TypeVar("T")
GROUP = 64


class _Unit:
    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class Writer:
    """Runs units of work in commit groups. `committed` is called after each group."""

    def __init__(self, engine: Engine, committed: Callable[[], None] = lambda: None) -> None:
        self.engine = engine
        self.committed = committed
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queues `work`; the future resolves after the durable commit. Raises StoreUnavailable where none was possible."""
        unit = _Unit(work)
        self._queue.put(unit)
        return unit.future

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Finishes what is queued, then stops."""
        self._queue.put(None)
        self._thread.join()
        self.engine.dispose()

    def _gather(self) -> list[_Unit] | None:
        first = self._queue.get()
        if first is None:
            return None
        units = [first]
        while len(units) < GROUP:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            units.append(following)
        return units

    def _run(self) -> None:
        while (units := self._gather()) is not None:
            # from here on nobody can cancel: a unit whose caller has gone before is not begun
            units = [unit for unit in units if unit.future.set_running_or_notify_cancel()]
            done: list[tuple[_Unit, Any, BaseException | None]] = []
            try:
                with self.engine.begin() as connection:
                    for unit in units:
                        done.append(self._attempt(connection, unit))
            except Exception as error:
                # the driver's text may quote parameters: say only what kind of failure it was
                kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
                unavailable = StoreUnavailable(
                    f"the database did not take the commit ({kind})",
                    hint="check disk space and permissions; the node retries by itself",
                )
                for unit in units:
                    unit.future.set_exception(unavailable)
                continue
            for unit, result, failure in done:
                if failure is None:
                    unit.future.set_result(result)
                else:
                    unit.future.set_exception(failure)
            with contextlib.suppress(Exception):  # whatever watches must not stop the writer
                self.committed()

    @staticmethod
    def _attempt(connection: Connection, unit: _Unit) -> tuple[_Unit, Any, BaseException | None]:
        savepoint = connection.begin_nested()
        try:
            result = unit.work(connection)
        except DBAPIError as error:
            if error.connection_invalidated or not connection.in_transaction() or _is_the_database(error):
                raise
            savepoint.rollback()
            return unit, None, error
        except Exception as error:  # the caller gets it; the group goes on without this unit
            savepoint.rollback()
            return unit, None, error
        savepoint.commit()
        return unit, result, None


def _is_the_database(error: DBAPIError) -> bool:
    """Whether the database failed (disk full, I/O, locked) and not the statement: then no unit of the group is at fault."""
    if not isinstance(error, OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    # SQLITE_ERROR (1) is a wrong statement: no such table, no such column
    return code is None or code & 0xFF != 1
