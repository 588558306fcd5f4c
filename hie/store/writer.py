"""The one writer: a thread that commits the work of many callers in groups.

One fsync costs 2.5-4 ms, so a commit each would cap the node at 300 steps a second. Callers hand in a unit of work (a
function of the connection); the thread runs whatever has gathered in one transaction, commits once, and only then tells
the callers. One that fails takes no other with it: on SQLite each has its own savepoint; on PostgreSQL, where a savepoint
is two round trips, a group in which one failed is rolled back and its units run again one by one. So does a group that
lost a deadlock against another engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from hie.errors import StoreUnavailable

T = TypeVar("T")
Guard = Callable[[Connection], None]
GROUP = 64
LOST_RACES = ("40001", "40P01")
"""SQLSTATE of a serialization failure and of a deadlock: another transaction won, the same work may succeed now."""
TRIES = 5
READ_ONLY = "25006"
"""SQLSTATE of a server that turned into a standby, or was told to write nothing."""


class _Unit:
    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class Writer:
    """Runs units of work in commit groups. `committed` is called after each group. `guard` is asked first in each
    transaction: what it raises, every unit of the group fails with."""

    def __init__(
        self, engine: Engine, committed: Callable[[], None] = lambda: None, guard: Guard = lambda _: None
    ) -> None:
        self.engine = engine
        self.committed = committed
        self.guard = guard
        self._savepoints = engine.dialect.name == "sqlite"
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
            if not self._commit(units):
                for unit in units:
                    self._commit([unit])

    def _commit(self, units: Sequence[_Unit]) -> bool:
        """One transaction, then its callers are told. False: rolled back for the sake of one of several, nobody is told."""
        tries = 0
        while True:
            done: list[tuple[_Unit, Any, BaseException | None]] = []
            try:
                with self.engine.begin() as connection:
                    self.guard(connection)
                    for unit in units:
                        done.append(self._attempt(connection, unit))
            except _Failed as failed:
                if len(units) > 1:
                    return False
                units[0].future.set_exception(failed.error)
                return True
            except Exception as error:
                tries += 1
                if _lost_a_race(error) and len(units) > 1:
                    return False
                if _lost_a_race(error) and tries < TRIES:
                    continue
                for unit in units:
                    unit.future.set_exception(_unavailable(error))
                return True
            for unit, result, failure in done:
                if failure is None:
                    unit.future.set_result(result)
                else:
                    unit.future.set_exception(failure)
            with contextlib.suppress(Exception):  # whatever watches must not stop the writer
                self.committed()
            return True

    def _attempt(self, connection: Connection, unit: _Unit) -> tuple[_Unit, Any, BaseException | None]:
        savepoint = connection.begin_nested() if self._savepoints else None
        try:
            result = unit.work(connection)
        except Exception as error:  # the caller gets it; the group goes on without this unit
            lost = isinstance(error, DBAPIError) and (
                error.connection_invalidated or not connection.in_transaction() or _is_the_database(error)
            )
            if lost:
                raise
            if savepoint is None:
                raise _Failed(error) from error
            savepoint.rollback()
            return unit, None, error
        if savepoint is not None:
            savepoint.commit()
        return unit, result, None


class _Failed(Exception):
    """A unit failed by its own fault where it has no savepoint."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _unavailable(error: Exception) -> StoreUnavailable:
    if isinstance(error, StoreUnavailable):
        return error
    # the driver's text may quote parameters: say only what kind of failure it was
    kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    return StoreUnavailable(
        f"the database did not take the commit ({kind})",
        hint="check disk space and permissions; the node retries by itself",
    )


def _lost_a_race(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in LOST_RACES


def _is_the_database(error: DBAPIError) -> bool:
    """Whether the database failed (disk full, I/O, locked, read-only) and not the statement: then no unit of the group is
    at fault."""
    if getattr(error.orig, "sqlstate", None) == READ_ONLY:
        return True
    if not isinstance(error, OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    # SQLITE_ERROR (1) is a wrong statement: no such table, no such column
    return code is None or code & 0xFF != 1
