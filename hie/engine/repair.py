"""Works repairs off: oldest first, in small steps, each of which commits its effect with its place, behind live traffic."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hie import reprocess
from hie.audit.events import Kind, event
from hie.chosen import KINDS, chosen, extent
from hie.delivery import outbox
from hie.delivery.schedule import Entry
from hie.errors import Conflict, HieError, NotFound, StoreUnavailable
from hie.failpoint import failpoint
from hie.intake.journals import open_reader
from hie.logs import get_logger
from hie.pipeline import Applied, Step
from hie.reprocess import Reading
from hie.store import repairs, subscribers
from hie.store.repairs import DONE, RUNNING, STOPPED, Repair
from hie.store.selection import Selection

if TYPE_CHECKING:
    from hie.engine.process import Engine

log = get_logger(__name__)
DELIVERIES, MESSAGES = 50, 10
"""How many a step takes: a unit of work that live traffic hardly notices."""
ROOM = 500
"""Deliveries of one repair under way at once."""


class Repairs:
    """The repairs of this node. One driver each; `resume` at the start goes on with what a crash interrupted."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._driving: dict[int, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        for run in await self.engine.writer.run(lambda c: repairs.running(c, self.engine.settings.name)):
            self.drive(run.id)

    async def close(self) -> None:
        for task in self._driving.values():
            task.cancel()
        await asyncio.gather(*self._driving.values(), return_exceptions=True)

    async def start(self, actor: str, kind: str, selection: Selection, as_new: bool = False, rate: float = 0.0) -> int:
        """Orders a repair; answers its id. Nothing of it is done yet."""
        if kind not in KINDS:
            raise NotFound(f"there is no repair called {kind!r}")

        def work(connection: Connection) -> int:
            total, last = extent(connection, kind, selection)
            now, node = time.time(), self.engine.settings.name
            id = repairs.create(connection, kind, node, actor, selection, total, last, now, as_new, rate)
            self._note(connection, actor, f"repair.{kind}", id, total, selection)
            return id

        return await self.engine.writer.run(work)

    async def stop(self, actor: str, id: int) -> None:
        await self.engine.writer.run(lambda connection: self._turn(connection, actor, id, STOPPED))

    async def go_on(self, actor: str, id: int) -> None:
        await self.engine.writer.run(lambda connection: self._turn(connection, actor, id, RUNNING))
        self.drive(id)

    def _turn(self, connection: Connection, actor: str, id: int, state: str) -> None:
        run = repairs.get(connection, id)
        if run.state == DONE:
            if state == STOPPED:
                raise Conflict(f"repair {id} is done")
            return
        if run.node != self.engine.settings.name:
            raise Conflict(f"repair {id} belongs to the node {run.node!r}", hint="ask it there")
        repairs.turn(connection, id, state, time.time())
        self._note(connection, actor, f"repair.{state}", id, run.total - run.done, run.selection)

    def _note(
        self, connection: Connection, actor: str, command: str, id: int, count: int, selection: Selection
    ) -> None:
        body: dict[str, Any] = {"command": command, "key": str(id), "count": count}
        body |= {name: getattr(selection, name) for name in ("feed", "subscriber", "patient")}
        self.engine.trail.add(connection, event(Kind.ADMINISTRATION, actor, body))

    def drive(self, id: int) -> asyncio.Task[None]:
        """The task that works it off; one at a time for each."""
        task = self._driving.get(id)
        if task is None or task.done():
            task = self._driving[id] = asyncio.create_task(self._drive(id))
        return task

    async def finished(self, id: int, seconds: float) -> Repair:
        """After `seconds` at most, however far it has come."""
        await asyncio.wait({self.drive(id)}, timeout=seconds)
        return await self.engine.writer.run(lambda connection: repairs.get(connection, id))

    async def _drive(self, id: int) -> None:
        while True:
            try:
                run = await self.engine.writer.run(lambda connection: repairs.get(connection, id))
                if run.state != RUNNING:
                    return
                if await asyncio.to_thread(self._under_way, id) >= ROOM:
                    await asyncio.sleep(0.2)
                    continue
                began = time.monotonic()
                done = await (
                    self._read_some(run) if run.kind in ("reprocess", "quarantine") else self._queue_some(run)
                )
                failpoint("after-repair-step")
            except StoreUnavailable as error:
                log.warning("repair-waits", code=error.code)
                await asyncio.sleep(1)
                continue
            except Exception as error:  # a defect: the repair stands where it is, and the engine goes on
                log.error("repair-stands", command=f"repair {id}", kind=type(error).__name__)
                await asyncio.sleep(5)
                continue
            pause = done / run.rate if run.rate else 0.0
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    def _under_way(self, id: int) -> int:
        with self.engine.reader.connect() as connection:
            return repairs.under_way(connection, id)

    def _end(self, connection: Connection, run: Repair) -> None:
        repairs.turn(connection, run.id, DONE, time.time())
        self._note(connection, run.actor, "repair.done", run.id, run.done, run.selection)

    # -- deliveries: redeliver, deadletters

    async def _queue_some(self, run: Repair) -> int:
        size = min(DELIVERIES, max(1, int(run.rate))) if run.rate else DELIVERIES

        def work(connection: Connection) -> tuple[int, Applied]:
            now = time.time()
            rows = list(connection.execute(chosen(connection, run).limit(size)))
            if not rows:
                self._end(connection, run)
                return 0, Applied()
            known = [row for row in rows if row.subscriber in self.engine.subscribers]
            did = Counter(f"{row.subscriber}/{row.state}" for row in known)
            if gone := len(rows) - len(known):
                did["no longer configured"] = gone
            applied = self._queue(connection, run, known, now)
            repairs.advance(connection, run, str(rows[-1].id), len(rows), did, now)
            failpoint("before-repair-commit")
            return len(rows), applied

        done, applied = await self.engine.writer.run(work)
        self.engine.applied(applied)
        return done

    @staticmethod
    def _queue(connection: Connection, run: Repair, rows: Sequence[Any], now: float) -> Applied:
        """Dead letters go back into the queue as they are; what has another outcome keeps it and goes again beside it."""
        applied = Applied()
        dead = [row for row in rows if row.state == "dead-lettered" and not run.as_new]
        subscribers.release(connection, [row.id for row in dead], run.id, now)
        others = [row for row in rows if row not in dead]
        queued = [
            outbox.Queued(
                row.message_id,
                row.idx,
                row.subscriber,
                tuple(row.ordering_key.split(outbox.KEY_SEPARATOR)),
                row.mpi_record,
                row.received_at,
                outbox.delivery_key(row.message_id, row.idx, row.subscriber, run.id),
                replaces=outbox.wire_key(row) if run.as_new else None,
                run=run.id,
                again=None if run.as_new else outbox.wire_key(row),
            )
            for row in others
        ]
        for id, new in zip(outbox.queue(connection, queued, now), queued, strict=True):
            applied.entries.setdefault(new.subscriber, []).append(Entry(id, new.keys, now, now, repair=True))
        for row in dead:
            keys = tuple(row.ordering_key.split(outbox.KEY_SEPARATOR))
            applied.entries.setdefault(row.subscriber, []).append(Entry(row.id, keys, now, now, repair=True))
        return applied

    # -- messages: reprocess, quarantine

    async def _read_some(self, run: Repair) -> int:
        size = min(MESSAGES, max(1, int(run.rate))) if run.rate else MESSAGES

        def ids() -> list[str]:
            with self.engine.reader.connect() as connection:
                return [row.id for row in connection.execute(chosen(connection, run).limit(size))]

        wanted = await asyncio.to_thread(ids)
        if not wanted:
            await self.engine.writer.run(lambda connection: self._end(connection, run))
            return 0
        for id in wanted:
            run = await self._read(run, id)
        return len(wanted)

    async def _read(self, run: Repair, id: str) -> Repair:
        """One message in one commit. A defect of ours costs that message its turn, not the repair."""
        try:
            step = await asyncio.to_thread(self._understood, run, id)

            def work(connection: Connection) -> tuple[Repair, Reading, Applied]:
                reading, applied = reprocess.replay(connection, self.engine.pipeline, step, time.time())
                moved = repairs.advance(connection, run, id, 1, reading.counts, time.time())
                failpoint("before-repair-commit")
                return moved, reading, applied

            moved, _, applied = await self.engine.writer.run(work)
        except StoreUnavailable:
            raise
        except Exception as error:
            code = error.code if isinstance(error, HieError) else type(error).__name__
            log.error("repair-step-failed", message=id, code=code)
            did = {"past retention" if isinstance(error, NotFound) else "failed": 1}
            return await self.engine.writer.run(
                lambda connection: repairs.advance(connection, run, id, 1, did, time.time())
            )
        self.engine.applied(applied)
        return moved

    def _understood(self, run: Repair, id: str) -> Step:
        settings = self.engine.settings
        with closing(open_reader(settings.database_url, settings.var / "journal")) as journal:
            return reprocess.step_of(self.engine.pipeline, journal.get(id), run.kind, run.id)
