"""One engine of several on a PostgreSQL: it lives by a lease, holds its share of the lanes and of the subscribers, gives
back what is too much for it, and takes over from those that died (hie.store.claims).

A subscriber belongs to one engine at a time, so a receiver sees no more connections than it was promised and each key
its order. Deliveries may be queued by any engine; the owner learns of them from the database (hie.delivery.tail).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hie.delivery import outbox, tail
from hie.delivery.schedule import Entry
from hie.engine.inbox import Inbox
from hie.engine.lane_inbox import LaneInbox
from hie.engine.listening import Listening
from hie.errors import Fenced, StoreUnavailable
from hie.intake.lanes import LANES
from hie.intake.postgres_reader import PostgresReader
from hie.logs import get_logger
from hie.store import claims, subscribers
from hie.store.database import open_writer

if TYPE_CHECKING:
    from hie.engine.process import Engine

log = get_logger(__name__)
T = TypeVar("T")
BEAT = 2.0
"""Seconds between two renewals of the lease."""
MARGIN = 1.0
"""Seconds by which this engine holds its lease for lapsed before anybody else does."""
TAIL = 1.0
"""Seconds after which to look for deliveries where nobody has said that there are some."""
COUNT = 0.2
"""Seconds between two counts of what is pending, for intake's back-pressure."""
LANE_NAMES = tuple(f"lane/{lane:02d}" for lane in range(LANES))
ARRIVED = "hie_arrived"


class _Beat(NamedTuple):
    held: frozenset[str]
    surplus: frozenset[str]


class Shared:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.epoch = 0
        url = engine.settings.database_url
        self.inbox = LaneInbox(PostgresReader(url))
        self._database = open_writer(url, claims.LEASE)
        self._reader = PostgresReader(url)
        # threads of their own: a lease must not wait for a pool of threads that is busy
        self._beating = ThreadPoolExecutor(1, "lease")
        self._tailing = ThreadPoolExecutor(1, "tail")
        self._subscriber_names = tuple(f"subscriber/{name}" for name in engine.deliveries.subscribers)
        self._alive_until = 0.0
        self._beat_now, self._tail_now = asyncio.Event(), asyncio.Event()
        self._horizons: dict[str, int] = {}
        """Subscriber that is ours -> from where its next tail begins."""
        self._returning: frozenset[str] = frozenset()
        """Claims on their way back: nothing new is begun under them."""
        self._listening = Listening(url, (claims.CHANGED, tail.QUEUED, ARRIVED), self._heard)

    # -- the lease

    def guard(self, connection: Connection) -> None:
        claims.hold(connection, self.epoch)

    def may_send(self) -> bool:
        return _now() < self._alive_until

    async def start(self) -> Inbox:
        settings = self.engine.settings
        names = (*LANE_NAMES, *self._subscriber_names)
        home = claims.home_of(settings.var)

        def enter() -> int:
            with self._database.begin() as connection:
                return claims.enter(connection, settings.name, self.engine.number, home, names)

        self.epoch = await self._in(self._beating, enter)
        await self.engine.writer.run(self._begin)
        await self._beat()
        return self.inbox

    def _begin(self, connection: Connection) -> None:
        self.engine.began(connection, 0)
        if self.engine.number == 0:
            self._abandon(connection)

    def _abandon(self, connection: Connection) -> None:
        """Deliveries of subscribers that nobody is configured for any more end where an operator sees them."""
        known = self.engine.deliveries.subscribers
        gone = outbox.unfinished(connection, but=list(known))
        names = {row.subscriber for row in gone}
        lost = {name for name in names if not claims.owned_elsewhere(connection, self.epoch, f"subscriber/{name}")}
        subscribers.abandon(connection, [row.id for row in gone if row.subscriber in lost], time.time())

    async def run(self) -> None:
        loops = [self._keep_beating(), self._keep_tailing(), self._listening.run()]
        if self.engine.number == 0:
            loops.append(self._keep_counting())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_beating(self) -> None:
        while True:
            await _wait(self._beat_now, BEAT)
            try:
                await self._beat()
            except Fenced:
                log.error("engine-fenced")
                raise
            except (StoreUnavailable, DBAPIError) as error:
                log.warning("lease-not-renewed", kind=type(error).__name__)

    async def _beat(self) -> None:
        """Renews the lease, takes what it may, begins to give back what is too much."""
        asked_at = _now()
        beat = await self._in(self._beating, self._ask)
        self._alive_until = asked_at + claims.LEASE - MARGIN
        held = beat.held - self._returning
        for name in sorted(held):
            kind, _, subscriber = name.partition("/")
            if kind == "subscriber" and subscriber not in self.engine.deliveries.dispatchers:
                await self._open(subscriber)
        self._hold_lanes(held - beat.surplus)
        if beat.surplus and not self._returning:
            self._returning = beat.surplus
            self.engine.spawn(self._give_back(beat.surplus))

    def _ask(self) -> _Beat:
        surplus: set[str] = set()
        with self._database.begin() as connection:
            claims.renew(connection, self.epoch)
            claims.bury(connection)
            standing = claims.standing(connection)
            held = {name for name, owner in standing.owners.items() if owner == self.epoch}
            for names in (LANE_NAMES, self._subscriber_names):
                too_many, free, most = claims.balance(names, standing, self.epoch)
                surplus.update(too_many)
                if free and most:
                    held.update(claims.take(connection, self.epoch, free, most))
        return _Beat(frozenset(held), frozenset(surplus))

    def _hold_lanes(self, held: Collection[str]) -> None:
        lanes = {int(name.partition("/")[2]) for name in held if name.startswith("lane/")}
        if lanes - self.inbox.lanes and self.engine.absorber is not None:
            self.engine.absorber.wake.set()
        self.inbox.hold(lanes)

    async def _give_back(self, names: frozenset[str]) -> None:
        """Once nothing of them is in hand."""
        lanes = {int(name.partition("/")[2]) for name in names if name.startswith("lane/")}
        mine = [name.partition("/")[2] for name in names if name.startswith("subscriber/")]
        self._hold_lanes({f"lane/{lane:02d}" for lane in self.inbox.lanes - lanes})
        await self._shut([name for name in mine if name in self.engine.deliveries.dispatchers])
        while self.inbox.busy(lanes):
            await asyncio.sleep(0.02)
        while True:
            try:
                await self._in(self._beating, self._release, names)
                break
            except DBAPIError as error:
                log.warning("claims-not-released", kind=type(error).__name__)
                await asyncio.sleep(1)
        self._returning = frozenset()

    def _release(self, names: frozenset[str]) -> None:
        with self._database.begin() as connection:
            claims.release(connection, self.epoch, names)

    async def stop(self) -> None:
        self._listening.close()

        def leave() -> None:
            with self._database.begin() as connection:
                claims.leave(connection, self.epoch)

        await self._in(self._beating, leave)
        self._database.dispose()

    # -- subscribers

    async def _open(self, name: str) -> None:
        def take_over(connection: Connection) -> tuple[int, list[Any], bool]:
            outbox.mark_unknown(connection, name)
            # before the reading: what is committed between the two is seen twice rather than never
            horizon = tail.horizon(connection)
            return horizon, outbox.unfinished(connection, name), name in subscribers.paused(connection)

        horizon, unfinished, paused = await self.engine.writer.run(take_over)
        self.engine.deliveries.open(name, unfinished, paused)
        self._horizons[name] = horizon

    async def _shut(self, names: Collection[str]) -> None:
        for name in names:
            del self._horizons[name]
        await self.engine.deliveries.shut(names)

    def queued(self, entries: Mapping[str, Sequence[Entry]]) -> None:
        """Never handed over directly: an earlier delivery of the same key, committed by another engine, comes first."""
        if not entries.keys().isdisjoint(self._horizons):
            self._tail_now.set()
        if not entries.keys() <= self._horizons.keys():
            self._tell()

    async def wake(self, messages: Collection[str]) -> None:
        await self.engine.writer.run(lambda connection: tail.wake(connection, messages, time.time()))
        await self.refresh()

    async def refresh(self) -> None:
        self._tail_now.set()
        self._tell()

    def _tell(self) -> None:
        """Outside the commit: one that notifies holds up every other one that does, until it is on the disk."""
        future = self._tailing.submit(self._reader.tell, tail.QUEUED)
        future.add_done_callback(lambda done: done.exception())

    async def _keep_tailing(self) -> None:
        looked = 0.0
        while True:
            await _wait(self._tail_now, TAIL)
            try:
                await self._tail()
                if time.monotonic() - looked >= TAIL:
                    looked = time.monotonic()
                    self.engine.deliveries.pause(await self._in(self._tailing, self._paused))
            except (StoreUnavailable, DBAPIError) as error:
                log.warning("tail-failed", kind=type(error).__name__)

    async def _tail(self) -> None:
        asked = dict(self._horizons)
        if not asked:
            return
        found = await self._in(self._tailing, self._reader.ask, tail.changes, min(asked.values()), list(asked))
        fresh: dict[str, list[Entry]] = {}
        for name, entry in found.entries:
            fresh.setdefault(name, []).append(entry)
        for name, entries in fresh.items():
            self.engine.deliveries.add(name, entries)
        for name in asked:
            if name in self._horizons:
                self._horizons[name] = found.horizon

    def _paused(self) -> set[str]:
        with self.engine.reader.connect() as connection:
            return subscribers.paused(connection)

    # -- what is heard and told

    def _heard(self, channel: str) -> None:
        if channel == claims.CHANGED:
            self._beat_now.set()
        elif channel == tail.QUEUED:
            self._tail_now.set()
        elif self.engine.absorber is not None:
            self.engine.absorber.wake.set()

    async def _keep_counting(self) -> None:
        most = self.engine.settings.workers.backlog * 2
        while True:
            try:
                self.engine.progress.write_waiting(await self._in(self._tailing, self._reader.pending, most))
            except StoreUnavailable as error:
                log.warning("pending-not-counted", code=error.code)
            await asyncio.sleep(COUNT)

    def report(self) -> None:
        self.engine.progress.write_undelivered(self.engine.number, self.engine.deliveries.undelivered)

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)


def _now() -> float:
    """Seconds that go on while the process stands still and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, which it then is no more, or for `seconds`."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
        event.clear()
