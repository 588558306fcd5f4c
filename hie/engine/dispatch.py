"""Sends one subscriber what is due: T1 for a batch, then the bytes with no transaction open, then T2.

A key is in flight until its T2 has committed, so order per key holds over any number of sockets. T2s gather while the
last one commits; an answer waits for at most two commits before it is on disk.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hie.delivery import outbox
from hie.delivery.breaker import Breaker, delay
from hie.delivery.priority import Priorities
from hie.delivery.schedule import Entry, Schedule
from hie.engine.absorb import gathering
from hie.errors import DeliveryError, Fenced, OutcomeUnknown, PermanentRefusal, StoreUnavailable
from hie.failpoint import failpoint
from hie.gate import Begun, Gate, Prepared, Result
from hie.logs import get_logger
from hie.model import DeliveryState
from hie.outcomes import DELIVERY_REASONS
from hie.ports import Meter, Sink
from hie.sections import Subscriber
from hie.store import subscribers
from hie.store.writer import Writer

log = get_logger(__name__)
BATCH = 64


class _Sent(NamedTuple):
    entry: Entry
    prepared: Prepared
    result: Result


class Dispatcher:
    """Owns the schedule and the sockets of one subscriber. `preparing` is one thread for all of them: the gate's caches
    know no other."""

    def __init__(
        self,
        subscriber: Subscriber,
        gate: Gate,
        reader: Engine,
        writer: Writer,
        connect: Callable[[], Sink],
        meter: Meter,
        preparing: Executor,
        chance: random.Random | None = None,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self.preparing = preparing
        self.may_send = may_send
        self.subscriber = subscriber
        self.gate = gate
        self.reader = reader
        self.writer = writer
        self.meter = meter
        self.chance = chance or random.Random()
        self.schedule = Schedule(Priorities(gate.settings.feeds))
        self.breaker = Breaker(subscriber.retry, self.chance)
        self.paused = False
        self.in_flight = 0
        self._sinks = [connect() for _ in range(subscriber.connections)]
        self._wake = asyncio.Event()
        self._to_send: asyncio.Queue[tuple[Entry, Prepared]] = asyncio.Queue()
        self._sent: list[_Sent] = []
        self._doubtful: set[int] = set()
        """Deliveries whose T1 may have been committed although the database did not say so. Nothing was sent."""
        self._ended = asyncio.Event()
        self._stopping = False

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.schedule.add(entry)
        self._wake.set()

    def wake(self, ids: set[int] | None = None) -> None:
        if ids:
            self.schedule.wake(ids, time.time())
        self._wake.set()

    def forget(self, ids: Sequence[int]) -> None:
        """Deliveries an operator took out."""
        for id in ids:
            self.schedule.forget(id)

    async def run(self) -> None:
        """Until `stop`; then what is in flight is finished."""
        tasks = [asyncio.create_task(self._send_from(sink)) for sink in self._sinks]
        tasks.append(asyncio.create_task(self._end_all()))
        try:
            while not self._stopping:
                for task in tasks:
                    if task.done():  # none of them ends by itself: the process ends with it and is started anew
                        task.result()
                if not await self._begin_batch():
                    await self._until_due()
            while self.in_flight:
                await asyncio.sleep(0.01)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for sink in self._sinks:
                await sink.close()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _until_due(self) -> None:
        self._wake.clear()
        due = self.schedule.next_due()
        wait = 1.0 if due is None else min(1.0, max(0.02, due - time.time()))
        if self.breaker.open:
            wait = max(wait, 0.1)
        try:
            await asyncio.wait_for(self._wake.wait(), wait)
        except TimeoutError:
            return

    async def _begin_batch(self) -> bool:
        """Takes what is due through T1; False where nothing can be begun now."""
        now = time.time()
        room = BATCH * 2 * len(self._sinks) - self.in_flight
        allowed = self.breaker.allows(now)
        if allowed is not None:
            room = min(room, allowed - self.in_flight)
        if self.paused or room <= 0:
            return False
        entries = self.schedule.take(now, min(room, BATCH))
        if not entries:
            return False
        self.in_flight += len(entries)
        await self._begin(entries)
        await asyncio.sleep(gathering(len(entries), BATCH))
        return True

    async def _begin(self, entries: Sequence[Entry]) -> None:
        """T1 for `entries`. A defect of ours costs the one delivery that meets it: the batch is then begun one by one."""
        try:
            await self._first_transaction({entry.id: entry for entry in entries})
        except (StoreUnavailable, DBAPIError) as error:
            # the database is away: nothing was sent; the same entries are due again in a moment
            self._doubtful.update(entry.id for entry in entries)
            log.warning("t1-failed", subscriber=self.subscriber.name, kind=type(error).__name__)
            self._again(entries, time.time() + 1)
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    await self._begin([entry])
                return
            log.error("delivery-defect", delivery=entries[0].id, kind=type(error).__name__)
            await self._give_up(entries[0], getattr(error, "code", type(error).__name__))

    async def _give_up(self, entry: Entry, kind: str) -> None:
        """Ends a delivery that cannot even be decided or rendered, where an operator sees it. Nothing was sent."""
        reason = "internal-error"
        row = {
            "_id": entry.id,
            "_state": DeliveryState.DEAD_LETTERED,
            "_reason": reason,
            "_text": f"{DELIVERY_REASONS[reason][1]} ({kind})",
            "_now": time.time(),
            "_answer": "",
        }
        try:
            await self.writer.run(lambda connection: outbox.finish(connection, [row]))
        except (StoreUnavailable, DBAPIError):
            self._again([entry], time.time() + 1)
            return
        self._finish(entry, DeliveryState.DEAD_LETTERED, reason)

    async def _first_transaction(self, entries: dict[int, Entry]) -> None:
        def first(connection: Connection) -> Begun:
            if connection.dialect.name == "postgresql" and self.subscriber.name in subscribers.paused(connection):
                # told to another engine: who paused it has been answered, so nothing more begins
                self.paused = True
                return Begun([], [], [])
            begun = self.gate.begin(connection, self.subscriber, prepared)
            failpoint("before-t1-commit")
            return begun

        def prepare() -> list[Prepared]:
            with self.reader.connect() as connection:
                return self.gate.prepare(connection, self.subscriber, list(entries))

        if doubtful := self._doubtful & entries.keys():
            await self.writer.run(lambda connection: outbox.mark_unknown(connection, ids=doubtful))
            self._doubtful -= doubtful
        prepared = await asyncio.get_running_loop().run_in_executor(self.preparing, prepare)
        failpoint("before-t1")
        begun = await self.writer.run(first)
        failpoint("after-t1")
        for item in begun.ended:
            self._finish(entries.pop(item.delivery_id), item.outcome.state, item.outcome.reason)
        for item in begun.sendable:
            self._to_send.put_nowait((entries.pop(item.delivery_id), item))
        for id in begun.gone:  # purged while it was being decided
            self.in_flight -= 1
            self.schedule.finish(entries.pop(id))
        # whatever is left was decided under an older epoch: decide again at once
        self._again(list(entries.values()), time.time())

    def _again(self, entries: Sequence[Entry], due_at: float) -> None:
        for entry in entries:
            self.in_flight -= 1
            self.schedule.again(entry, due_at)

    def _finish(self, entry: Entry, state: str, reason: str) -> None:
        self.in_flight -= 1
        self.schedule.finish(entry)
        self.meter.count("hie_outcomes_total", subscriber=self.subscriber.name, outcome=state, reason=reason)
        self._wake.set()

    async def _send_from(self, sink: Sink) -> None:
        while True:
            entry, prepared = await self._to_send.get()
            if not self.may_send():
                raise Fenced("the lease lapsed: somebody else sends this by now")
            started = time.perf_counter()
            try:
                answer = await sink.send(prepared.payload, prepared.key)
            except DeliveryError as error:
                result = self._failed(entry, error)
            except Exception as error:  # a defect of a sink must not stop the subscriber
                log.error("sink-defect", subscriber=self.subscriber.name, kind=type(error).__name__)
                result = self._failed(entry, OutcomeUnknown("the sink failed", code="sink-defect"))
            else:
                self.breaker.succeeded()
                result = Result(prepared.outcome.state, prepared.outcome.reason, "", answer, 0.0)
            failpoint("after-send")
            self.meter.observe(
                "hie_attempt_duration_seconds", time.perf_counter() - started, subscriber=self.subscriber.name
            )
            self._sent.append(_Sent(entry, prepared, result))
            self._ended.set()

    def _failed(self, entry: Entry, error: DeliveryError) -> Result:
        now = time.time()
        entry.attempts += 1
        self.meter.count("hie_delivery_attempts_total", subscriber=self.subscriber.name, result=error.code)
        if isinstance(error, PermanentRefusal):
            self.breaker.succeeded()
            return Result(DeliveryState.DEAD_LETTERED, "refused", error.text, error.code, 0.0)
        self.breaker.failed(now)
        if now - entry.queued_at > self.subscriber.retry.give_up:
            return Result(DeliveryState.DEAD_LETTERED, "gave-up", error.text, error.code, 0.0)
        wait = max(delay(self.subscriber.retry, entry.attempts, self.chance), getattr(error, "retry_after", 0.0) or 0.0)
        state = DeliveryState.UNKNOWN if isinstance(error, OutcomeUnknown) else DeliveryState.QUEUED
        return Result(state, error.code, error.text, error.code, now + wait)

    def _second(self, results: Sequence[tuple[Prepared, Result]], connection: Connection) -> None:
        self.gate.end(connection, self.subscriber, results)
        failpoint("before-t2-commit")

    async def _end_all(self) -> None:
        """T2: writes whatever has ended since the last commit, in one unit."""
        while True:
            await self._ended.wait()
            if self.in_flight > BATCH // 2:
                # under load a few answers more fit into the same commit
                await asyncio.sleep(0.005)
            self._ended.clear()
            batch, self._sent = self._sent, []
            if not batch:
                continue
            pairs = [(sent.prepared, sent.result) for sent in batch]
            try:
                await self.writer.run(partial(self._second, pairs))
            except (StoreUnavailable, DBAPIError) as error:
                log.warning("t2-failed", subscriber=self.subscriber.name, kind=type(error).__name__)
                self._sent = batch + self._sent
                self._ended.set()
                await asyncio.sleep(1)
                continue
            failpoint("after-t2")
            for entry, prepared, result in batch:
                if DeliveryState(result.state).final:
                    self._finish(entry, result.state, result.reason)
                    self.meter.observe(
                        "hie_delivery_duration_seconds",
                        time.time() - prepared.received_at,
                        subscriber=self.subscriber.name,
                    )
                else:
                    self._again([entry], result.due_at)
