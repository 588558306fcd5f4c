"""Back-pressure: acknowledgements slow down while the rest of the node is behind, so that a backlog never hides behind
a fast answer.

A page of memory shared by fork. The engines write how far they have come; intake holds an answer (the bytes are on disk by
then) while more than `limit` messages wait, for at most `longest` seconds: an engine that is away costs each sender that
delay, never the message.

Feeds that bring history are held before the commit instead: their messages stay with the sender (in the file, the queue)
while a few of any feed wait, fewer still while live ones come in, so that nothing live ever stands behind a backlog.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections import deque
from collections.abc import Collection
from datetime import date

from hie.intake.position import START, Position
from hie.model import Arrival, Receipt
from hie.ports import Accept

_APPLIED = struct.Struct("=qq")
_UNDELIVERED = struct.Struct("=q")
_COUNTED = -1
"""In place of the day: the number is one of messages, not a row."""
STEP = 0.01
MOST_ENGINES = 16
"""Of one node."""
HISTORY = 32
"""Messages that may wait in the node for one of history to be let in."""
BESIDE_LIVE = 8
"""The same within a second of a live message."""
LIVE_SECONDS = 1.0
COUNTED_SECONDS = 0.25
"""How old a count of what waits may be; a position is always new."""
HISTORY_SECONDS = 20.0
"""Longest wait of a message of history: shorter than a sender's patience."""
_Waiter = tuple[float, asyncio.Future[None]]
"""Until when (by the loop's clock), and what it waits for."""


class Progress:
    """The shared page: what is applied, and of each engine the deliveries that could go out but have not yet. Made
    before the fork."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._slots = range(_APPLIED.size, _APPLIED.size + MOST_ENGINES * _UNDELIVERED.size, _UNDELIVERED.size)

    def write(self, applied: Position, undelivered: int) -> None:
        """Of the one engine that applies rows in order: the last row."""
        _APPLIED.pack_into(self._page, 0, _day(applied.day), applied.seq)
        self.write_undelivered(0, undelivered)

    def write_waiting(self, messages: int) -> None:
        """Where several engines apply the rows: how many wait."""
        _APPLIED.pack_into(self._page, 0, _COUNTED, messages)

    def write_undelivered(self, engine: int, deliveries: int) -> None:
        _UNDELIVERED.pack_into(self._page, self._slots[engine], deliveries)

    @property
    def counted(self) -> bool:
        """Whether what waits is a count, taken now and then, and no position."""
        return bool(_APPLIED.unpack_from(self._page, 0)[0] == _COUNTED)

    def backlog(self, newest: Position) -> int:
        """Messages behind, counting both sides of the outbox."""
        return self.waiting(newest) + int(max(_UNDELIVERED.unpack_from(self._page, slot)[0] for slot in self._slots))

    def waiting(self, newest: Position) -> int:
        """Messages not applied yet. A night's change of day file counts the new day only."""
        day, seq = _APPLIED.unpack_from(self._page, 0)
        if day not in (_COUNTED, _day(newest.day)):
            seq = 0
        waiting = seq if day == _COUNTED else newest.seq - seq
        return int(max(0, waiting))


def _day(day: str) -> int:
    return date.fromisoformat(day).toordinal() if day else 0


class Pressure:
    """Wraps `accept`: a receipt waits while the node is behind, a message of `history` (names of feeds) before it is taken.
    One timer looks for all that wait."""

    def __init__(
        self, accept: Accept, progress: Progress, limit: int, longest: float = 1.0, history: Collection[str] = ()
    ) -> None:
        self.accept = accept
        self.progress = progress
        self.limit = limit
        self.longest = longest
        self.history = history
        self._waiting: deque[_Waiter] = deque()
        self._held: deque[_Waiter] = deque()
        self._newest = START
        self._live_at = -LIVE_SECONDS
        self._entering = 0
        """Messages of history let in that the backlog does not show yet."""
        self._looking = False

    async def __call__(self, arrival: Arrival) -> Receipt:
        if arrival.feed in self.history:
            return await self._history(arrival)
        self._live_at = asyncio.get_running_loop().time()
        receipt = await self._take(arrival)
        if self._waiting or self.progress.backlog(self._newest) > self.limit:
            await self._turn(self._waiting, self.longest)
        return receipt

    async def _history(self, arrival: Arrival) -> Receipt:
        if self._held or not self._lets_in():
            await self._turn(self._held, HISTORY_SECONDS)
        self._entering += 1
        try:
            return await self._take(arrival)
        finally:
            if self.progress.counted:
                asyncio.get_running_loop().call_later(COUNTED_SECONDS, self._entered)
            else:
                self._entered()

    def _entered(self) -> None:
        self._entering -= 1

    async def _take(self, arrival: Arrival) -> Receipt:
        receipt = await self.accept(arrival)
        self._newest = max(self._newest, Position.of(receipt.message_id))
        return receipt

    def _lets_in(self, more: int = 0) -> bool:
        live = asyncio.get_running_loop().time() - self._live_at < LIVE_SECONDS
        return self.progress.backlog(self._newest) + self._entering + more < (BESIDE_LIVE if live else HISTORY)

    async def _turn(self, queue: deque[_Waiter], longest: float) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._looking:
            self._looking = True
            loop.call_later(STEP, self._look)
        queue.append((loop.time() + longest, future))
        await future

    def _look(self) -> None:
        """Lets go whoever has waited long enough, and everybody once there is room; history as far as there is room."""
        loop = asyncio.get_running_loop()
        room, now = self.progress.backlog(self._newest) <= self.limit, loop.time()
        while self._waiting and (room or self._waiting[0][0] <= now):
            _let_go(self._waiting)
        let_in = 0
        while self._held and (self._held[0][0] <= now or self._lets_in(let_in)):
            let_in += _let_go(self._held)
        self._looking = bool(self._waiting or self._held)
        if self._looking:
            loop.call_later(STEP, self._look)


def _let_go(queue: deque[_Waiter]) -> bool:
    """False where nobody waited any more."""
    _, future = queue.popleft()
    if future.done():
        return False
    future.set_result(None)
    return True
