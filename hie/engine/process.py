"""Body of the engine process: takes what it is to work on, then absorbs, dispatches and answers until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import Connection

from hie import registry
from hie.audit.chain import Chain, Trail
from hie.audit.events import Kind, event
from hie.audit.key import SealKey, key_path
from hie.audit.seal import Sealer, seals_path
from hie.consent import jurisdiction
from hie.engine.absorb import Absorber
from hie.engine.commands import Commands
from hie.engine.control_server import ControlServer
from hie.engine.deliveries import Deliveries
from hie.engine.dispatch import Dispatcher
from hie.engine.examiner import Examiner
from hie.engine.ownership import Alone, Ownership
from hie.engine.shared import Shared
from hie.errors import Fenced, HieError
from hie.gate import Gate
from hie.identify import Identity
from hie.intake.postgres import is_postgres
from hie.intake.pressure import Progress
from hie.logs import get_logger
from hie.metrics import meter
from hie.pipeline import Applied, Pipeline
from hie.pool import Worker
from hie.routing import Router
from hie.sections import Subscriber
from hie.settings import Settings, adapter_settings
from hie.store import claims
from hie.store.database import open_reader, open_writer
from hie.store.writer import Writer

log = get_logger(__name__)


class Engine:
    """One engine with its one writer. Everything that must be undone on stop is in `run`."""

    def __init__(self, settings: Settings, number: int, progress: Progress) -> None:
        self.settings = settings
        self.number = number
        self.progress = progress
        url = settings.database_url
        self.database = open_writer(url, claims.LEASE)
        self.chain = Chain(f"{settings.name}.{number}" if number else settings.name)
        self.trail = Trail(self.database, self.chain)
        self.reader = open_reader(url)
        self.policy = jurisdiction.load(settings.policy)
        self.pipeline = Pipeline(settings, Identity(), Router(settings.subscribers, settings.directory), self.trail)
        self.gate = Gate(settings, self.policy, self.trail, settings.var / "journal")
        self.preparing = ThreadPoolExecutor(1, "gate")
        self.deliveries = Deliveries(settings.subscribers, self._dispatcher, self.spawn)
        self.ownership: Ownership = Shared(self) if is_postgres(url) else Alone(self)
        self.writer = Writer(self.database, lambda: meter().count("hie_store_commits_total"), self.ownership.guard)
        self.absorber: Absorber | None = None
        self._stopping = asyncio.Event()
        self._fault: BaseException | None = None

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """All that are configured, whichever engine sends to them."""
        return self.deliveries.subscribers

    @property
    def dispatchers(self) -> Mapping[str, Dispatcher]:
        """Of the subscribers that this engine sends to now."""
        return self.deliveries.dispatchers

    async def run(self, wake: int) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        inbox = await self.ownership.start()
        pool = self.settings.workers.pool
        workers = [Worker(self.settings.var, n) for n in range(self.number * pool, (self.number + 1) * pool)]
        examiner = Examiner(self.settings.feeds, workers[0], self.writer)
        size = self.settings.workers.batch
        self.absorber = Absorber(self.pipeline, self.writer, inbox, workers, size, self.applied, examiner)
        if self.number == 0:
            loop.add_reader(wake, self._woken, wake)
        absorbing = self.spawn(self.absorber.run())
        background = [asyncio.create_task(self._report()), self.spawn(self.ownership.run())]
        front = Front(self) if self.number == 0 else None
        if front is not None:
            await front.open()
        await self._stopping.wait()
        if isinstance(self._fault, Fenced):
            raise self._fault  # what is in hand is others' work by now
        if front is not None:
            await front.close()
        self.absorber.stop()
        await asyncio.gather(absorbing, self.deliveries.shut(list(self.dispatchers)), return_exceptions=True)
        for task in background:
            task.cancel()
        self.progress.write_undelivered(self.number, 0)
        self.note(Kind.STOP, "node", {})
        await asyncio.to_thread(self.writer.close)
        await self.ownership.stop()
        if front is not None:
            await front.seal()
        if self._fault is not None:
            raise self._fault

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` beside the rest. If it fails, the process ends and is started anew."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = self._fault or error
            self._stopping.set()

    def began(self, connection: Connection, unknown: int) -> None:
        """Notes the start; `unknown`: attempts of which nobody knows how they ended."""
        body: dict[str, Any] = {"configuration": self.settings.hash, "policy": self.policy.version, "count": unknown}
        self.trail.add(connection, event(Kind.START, "node", body))

    def _dispatcher(self, subscriber: Subscriber) -> Dispatcher:
        settings = adapter_settings("sinks", subscriber.sink, self.settings.directory)
        connect = registry.named("sinks", str(subscriber.sink["kind"]), "connect")
        return Dispatcher(
            subscriber,
            self.gate,
            self.reader,
            self.writer,
            partial(connect, settings, meter()),
            meter(),
            self.preparing,
            may_send=self.ownership.may_send,
        )

    async def _report(self) -> None:
        while True:
            self.ownership.report()
            await asyncio.sleep(0.02)

    def _woken(self, wake: int) -> None:
        try:
            os.eventfd_read(wake)
        except BlockingIOError:
            return
        if self.absorber is not None:
            self.absorber.wake.set()

    def applied(self, applied: Applied) -> None:
        """After the commit of a batch: new deliveries are scheduled, repeats wake their originals, metrics count."""
        self.ownership.queued(applied.entries)
        for feed, outcome, reason in applied.outcomes:
            meter().count("hie_messages_processed_total", feed=feed, outcome=outcome, reason=reason)
        for decision in applied.decisions:
            meter().count("hie_mpi_decisions_total", decision=decision)
        if applied.wake:
            self.spawn(self.ownership.wake(applied.wake))

    def note(self, kind: Kind, actor: str, body: dict[str, Any]) -> Any:
        """Writes one audit event of its own; the future resolves after the commit."""
        return self.writer.submit(lambda connection: self.trail.add(connection, event(kind, actor, body)))


class Front:
    """What only the first engine of a node does: it answers commands and seals the audit chains."""

    def __init__(self, engine: Engine) -> None:
        var = engine.settings.var
        self._commands = Commands(engine)
        self._server = ControlServer(var, self._commands)
        self._sealer = Sealer(engine.reader, seals_path(var), SealKey.open(key_path(var)))

    async def open(self) -> None:
        await self._server.start()
        await self._commands.repairs.work.resume()
        self._sealing = asyncio.create_task(self._sealer.keep(_seal_failed))

    async def close(self) -> None:
        await self._server.close()
        await self._commands.repairs.work.close()
        self._sealing.cancel()

    async def seal(self) -> None:
        """The last one, over everything that this node has written."""
        await asyncio.to_thread(self._sealer.seal)


def _seal_failed(error: HieError) -> None:
    log.error("seal-failed", code=error.code, text=error.text)


def run(settings: Settings, number: int, wake: int, progress: Progress) -> None:
    """Runs engine `number` of the node until SIGTERM."""
    # a batch makes thousands of short-lived objects and hardly a cycle
    gc.set_threshold(50_000, 20, 100)
    asyncio.run(_run(settings, number, wake, progress))


async def _run(settings: Settings, number: int, wake: int, progress: Progress) -> None:
    await Engine(settings, number, progress).run(wake)
