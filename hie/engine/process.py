"""Body of the engine process: takes the lane, schedules what is unfinished, then absorbs, dispatches and answers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Sequence
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
from hie.delivery import outbox
from hie.delivery.schedule import Entry
from hie.engine.absorb import Absorber
from hie.engine.commands import Commands
from hie.engine.control_server import ControlServer
from hie.engine.dispatch import Dispatcher
from hie.errors import StoreUnavailable
from hie.gate import Gate
from hie.identify import Identity
from hie.intake import journals
from hie.intake.position import Position
from hie.intake.pressure import Progress
from hie.logs import get_logger
from hie.metrics import meter
from hie.model import Envelope
from hie.pipeline import Applied, Pipeline
from hie.pool import Worker
from hie.routing import Router
from hie.sections import Subscriber
from hie.settings import Settings, adapter_settings
from hie.store import lanes, subscribers
from hie.store.database import open_reader, open_writer
from hie.store.writer import Writer
from hie.understand import Understood, understand

log = get_logger(__name__)


class Engine:
    """One engine with its one writer. Everything that must be undone on stop is in `run`."""

    def __init__(self, settings: Settings, number: int, progress: Progress) -> None:
        self.settings = settings
        self.number = number
        self.progress = progress
        url = settings.database_url
        self.database = open_writer(url)
        self.chain = Chain(f"{settings.name}.{number}" if number else settings.name)
        self.trail = Trail(self.database, self.chain)
        self.reader = open_reader(url)
        self.writer = Writer(self.database, lambda: meter().count("hie_store_commits_total"))
        self.policy = jurisdiction.load(settings.policy)
        self.router = Router(settings.subscribers, settings.directory)
        self.pipeline = Pipeline(settings, Identity(), self.router, self.trail)
        self.gate = Gate(settings, self.policy, self.trail, settings.var / "journal")
        self.preparing = ThreadPoolExecutor(1, "gate")
        self.dispatchers: dict[str, Dispatcher] = {}
        self.absorber: Absorber | None = None

    async def run(self, wake: int) -> None:
        position, unfinished = await self.writer.run(self._take_over)
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        for subscriber in self.settings.subscribers:
            self.dispatchers[subscriber.name] = self._dispatcher(subscriber)
        await self._schedule(unfinished)
        pool = self.settings.workers.pool
        workers = [Worker(self.settings.var, n) for n in range(self.number * pool, (self.number + 1) * pool)]
        self.absorber = Absorber(
            self.pipeline,
            self.writer,
            journals.open_reader(self.settings.database_url, self.settings.var / "journal"),
            workers,
            self.settings.workers.batch,
            self.applied,
            position,
        )
        loop.add_reader(wake, self._woken, wake)
        commands = Commands(self)
        server = ControlServer(self.settings.var, commands)
        await server.start()
        dispatching = [asyncio.create_task(d.run()) for d in self.dispatchers.values()]
        absorbing = asyncio.create_task(self.absorber.run())
        reporting = asyncio.create_task(self._report_progress())
        sealer = Sealer(self.reader, seals_path(self.settings.var), SealKey.open(key_path(self.settings.var)))
        sealing = asyncio.create_task(
            sealer.keep(lambda error: log.error("seal-failed", code=error.code, text=error.text))
        )
        watching = asyncio.create_task(_same_file(self.settings))
        try:
            await self._until(stopping, [absorbing, watching, *dispatching])
        finally:
            await server.close()
            self.absorber.stop()
            for dispatcher in self.dispatchers.values():
                dispatcher.stop()
            await asyncio.gather(absorbing, *dispatching, return_exceptions=True)
            sealing.cancel()
            reporting.cancel()
            watching.cancel()
            self.note(Kind.STOP, "node", {})
            await asyncio.to_thread(self.writer.close)
            await asyncio.to_thread(sealer.seal)

    @staticmethod
    async def _until(stopping: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Until told to stop, or a task that should never end does: then the process ends and is started anew."""
        waiting = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done:
            if task is not waiting and (error := task.exception()):
                raise error

    def _take_over(self, connection: Connection) -> tuple[Position, list[Any]]:
        """The normal start, which is also recovery: attempts that were begun are unknown, the cursor says where to go on."""
        lanes.take(connection, f"{self.settings.name}:{os.getpid()}", time.time())
        unknown = outbox.mark_unknown(connection)
        self.trail.add(
            connection,
            event(
                Kind.START,
                "node",
                {"configuration": self.settings.hash, "policy": self.policy.version, "count": unknown},
            ),
        )
        return Position(*lanes.cursor(connection)), list(outbox.unfinished(connection))

    async def _schedule(self, unfinished: Sequence[Any]) -> None:
        gone: list[Any] = []
        for row in unfinished:
            dispatcher = self.dispatchers.get(row.subscriber)
            if dispatcher is None:
                gone.append(row)
                continue
            keys = tuple(row.ordering_key.split(outbox.KEY_SEPARATOR))
            dispatcher.schedule.add(Entry(row.id, keys, row.due_at, row.queued_at, row.attempts))
        if gone:
            # a subscriber that was taken out of the configuration: its deliveries end where an operator sees them
            await self.writer.run(
                lambda connection: subscribers.abandon(connection, [row.id for row in gone], time.time())
            )
        paused = await asyncio.to_thread(self._paused)
        for name in paused & set(self.dispatchers):
            self.dispatchers[name].paused = True

    def _paused(self) -> set[str]:
        with self.reader.connect() as connection:
            return subscribers.paused(connection)

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
        )

    async def _report_progress(self) -> None:
        """How far the node has come, for intake's back-pressure. A subscriber that is down or paused holds up nobody."""
        while True:
            assert self.absorber is not None
            healthy = [d for d in self.dispatchers.values() if not d.paused and not d.breaker.open]
            self.progress.write(self.absorber.committed, max((len(d.schedule) for d in healthy), default=0))
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
        for name, entries in applied.entries.items():
            self.dispatchers[name].add(entries)
        for feed, outcome, reason in applied.outcomes:
            meter().count("hie_messages_processed_total", feed=feed, outcome=outcome, reason=reason)
        for decision in applied.decisions:
            meter().count("hie_mpi_decisions_total", decision=decision)
        if applied.wake:
            self._wake_originals(applied.wake)

    def _wake_originals(self, messages: set[str]) -> None:
        with self.reader.connect() as connection:
            ids = {id for message in messages for id in outbox.unfinished_of(connection, message)}
        if ids:
            for dispatcher in self.dispatchers.values():
                dispatcher.wake(ids)

    def understand(self, envelope: Envelope) -> Understood:
        """Decodes in this process: for the single message a person released."""
        return understand(self.pipeline.task(envelope))

    def note(self, kind: Kind, actor: str, body: dict[str, Any]) -> Any:
        """Writes one audit event of its own; the future resolves after the commit."""
        return self.writer.submit(lambda connection: self.trail.add(connection, event(kind, actor, body)))


def run(settings: Settings, number: int, wake: int, progress: Progress) -> None:
    """Runs engine `number` of the node until SIGTERM."""
    # a batch makes thousands of short-lived objects and hardly a cycle
    gc.set_threshold(50_000, 20, 100)
    asyncio.run(Engine(settings, number, progress).run(wake))


async def _same_file(settings: Settings, seconds: float = 1.0) -> None:
    """Raises StoreUnavailable once the SQLite file is no longer the one that is open: commits would go into a file that
    nobody can find again, and disclosures with them."""
    if settings.database:
        await asyncio.Event().wait()
    file = settings.var / "hie.db"
    opened = file.stat().st_ino
    while True:
        await asyncio.sleep(seconds)
        try:
            present = file.stat().st_ino
        except FileNotFoundError:
            present = 0
        if present != opened:
            log.error("database-gone")
            raise StoreUnavailable("the database was removed or replaced under the node", code="database-gone")
