"""Journal rows -> pool -> one commit that applies them and notes it: effect and progress are one.

The next batch is understood while the last one commits. A batch that fails for a defect of ours is applied again message by
message, and the one that fails alone is quarantined: a poisoned message stops nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from hie.engine.examiner import Examiner
from hie.engine.inbox import Inbox
from hie.errors import HieError, StoreUnavailable
from hie.failpoint import failpoint
from hie.intake.reader import Entry
from hie.logs import get_logger
from hie.pipeline import Applied, Pipeline, Step
from hie.pool import Worker
from hie.store.writer import Writer
from hie.understand import Understood

log = get_logger(__name__)
MAX_TRIES = 4
"""Ends of a worker with the same message in hand before the message is to blame: an operator, or a machine out of memory, may
end one or two that had nothing to do with it."""


def gathering(size: int, full: int) -> float:
    """Seconds to wait for the next batch to gather, longer after a busy one: a batch of fifteen costs hardly more than
    one of five, and a lone message waits for nobody."""
    return 0.0 if size >= full // 2 else min(0.04, 0.003 * (size - 1))


class Absorber:
    """Consumes an inbox. `applied` is called after each commit."""

    def __init__(
        self,
        pipeline: Pipeline,
        writer: Writer,
        inbox: Inbox,
        workers: Sequence[Worker],
        batch: int,
        applied: Callable[[Applied], None],
        examiner: Examiner | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.writer = writer
        self.inbox = inbox
        self.workers = workers
        self.batch = batch
        self.applied = applied
        self.examiner = examiner
        self.wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self.wake.set()

    async def run(self) -> None:
        """Until `stop`: then the batch in hand is committed and no other begun."""
        committing: asyncio.Task[None] | None = None
        while not self._stopping:
            entries = await self._read()
            if not entries:
                if committing is not None:
                    await committing
                    committing = None
                if self.examiner is None or not await self.examiner.work():
                    await self._pause()
                continue
            steps = await self._understand(entries)
            if committing is not None:
                await committing
            committing = asyncio.create_task(self._commit(steps))
            await asyncio.sleep(gathering(len(entries), self.batch))
        if committing is not None:
            await committing

    async def _read(self) -> list[Entry]:
        self.wake.clear()
        try:
            return await asyncio.to_thread(self.inbox.read, self.batch)
        except StoreUnavailable as error:
            log.warning("journal-unreadable", code=error.code)
            return []

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self.wake.wait(), self.inbox.patience)
        except TimeoutError:
            return

    # -- understanding, in the pool

    async def _understand(self, entries: Sequence[Entry]) -> list[Step]:
        taps = self.pipeline.taps
        todo = [
            i for i, e in enumerate(entries) if e.refusal is None and not e.duplicate_of and e.envelope.feed not in taps
        ]
        understood: dict[int, Understood] = {}
        share = -(-len(todo) // len(self.workers)) if todo else 0
        chunks = [todo[i : i + share] for i in range(0, len(todo), share)] if share else []
        await asyncio.gather(
            *(
                self._understand_chunk(worker, entries, chunk, understood)
                for worker, chunk in zip(self.workers, chunks, strict=False)
            )
        )
        return [
            Step(entry.envelope, entry.refusal, entry.duplicate_of, entry.flags, understood.get(i))
            for i, entry in enumerate(entries)
        ]

    async def _understand_chunk(
        self, worker: Worker, entries: Sequence[Entry], chunk: Sequence[int], understood: dict[int, Understood]
    ) -> None:
        try:
            results = await self._ask(worker, entries, chunk)
        except (OSError, EOFError):
            # somebody in the chunk ended the worker: one at a time, so that only the culprit pays
            for i in chunk:
                understood[i] = await self._understand_alone(worker, entries, i)
            return
        understood.update(zip(chunk, results, strict=True))

    async def _understand_alone(self, worker: Worker, entries: Sequence[Entry], i: int) -> Understood:
        crashes = 0
        while crashes < MAX_TRIES:
            try:
                return (await self._ask(worker, entries, [i]))[0]
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)  # the worker is being restarted
            except FileNotFoundError:
                await asyncio.sleep(0.05)
            except (OSError, EOFError):
                crashes += 1
                await asyncio.sleep(0.05)
        return Understood(failure="decoder-crashed")

    async def _ask(self, worker: Worker, entries: Sequence[Entry], chunk: Sequence[int]) -> list[Understood]:
        tasks = [self.pipeline.task(entries[i].envelope) for i in chunk]
        results: list[Understood] = await asyncio.to_thread(worker.run, tasks)
        return results

    # -- applying, in the writer

    async def _commit(self, steps: Sequence[Step]) -> None:
        try:
            await self._insist(steps)
            return
        except StoreUnavailable:
            raise
        except Exception as error:  # a defect: find out whose it is
            log.error("batch-failed", kind=type(error).__name__)
        for step in steps:
            try:
                await self._insist([step])
            except StoreUnavailable:
                raise
            except HieError as error:
                await self._insist([step._replace(understood=Understood(failure="internal-error", text=error.code))])
            except Exception as error:
                log.error("message-failed", message=step.envelope.message_id, kind=type(error).__name__)
                failure = Understood(failure="internal-error", text=type(error).__name__)
                await self._insist([step._replace(understood=failure)])

    async def _insist(self, steps: Sequence[Step]) -> None:
        """Applies, waiting for a database that is away: the journal holds everything meanwhile."""
        while True:
            try:
                await self._apply(steps)
                return
            except StoreUnavailable as error:
                log.warning("database-away", code=error.code)
                if self._stopping:
                    # nothing after this message may be applied either: it would overtake
                    raise
                await asyncio.sleep(0.5)

    async def _apply(self, steps: Sequence[Step]) -> None:
        def work(connection: Connection) -> Applied:
            applied = self.pipeline.apply(connection, self.inbox.settle(connection, steps))
            failpoint("before-apply-commit")
            return applied

        applied = await self.writer.run(work)
        failpoint("after-apply-commit")
        self.inbox.committed(steps)
        self.applied(applied)
        if self.examiner is not None:
            self.examiner.offer([step.envelope for step in steps if step.understood and step.understood.parts])
