"""Back-pressure: acknowledgements slow down while the rest of the node is behind, so that a backlog never hides behind
a fast answer.

A page of memory shared by fork. The engines write how far they have come; intake holds an answer (the bytes are on disk by
then) while more than `limit` messages wait, for at most `longest` seconds: an engine that is away costs each sender that
delay, never the message.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections import deque
from datetime import date

from hie.intake.position import START, Position
from hie.model import Arrival, Receipt
from hie.ports import Accept

_APPLIED = struct.Struct("=qq")
_UNDELIVERED = struct.Struct("=q")
_COUNTED = -1
"""In place of the day: the number is one of messages, not a row."""
STEP = 0.01


class Progress:
    """The shared page: what is applied, and of each engine the deliveries that could go out but have not yet. Made
    before the fork."""

    def __init__(self, engines: int = 1) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._slots = range(_APPLIED.size, _APPLIED.size + engines * _UNDELIVERED.size, _UNDELIVERED.size)

    def write(self, applied: Position, undelivered: int) -> None:
        """Of the one engine that applies rows in order: the last row."""
        _APPLIED.pack_into(self._page, 0, _day(applied.day), applied.seq)
        self.write_undelivered(0, undelivered)

    def write_waiting(self, messages: int) -> None:
        """Where several engines apply the rows: how many wait."""
        _APPLIED.pack_into(self._page, 0, _COUNTED, messages)

    def write_undelivered(self, engine: int, deliveries: int) -> None:
        _UNDELIVERED.pack_into(self._page, self._slots[engine], deliveries)

    def backlog(self, newest: Position) -> int:
        """Messages behind, counting both sides of the outbox. A night's change of day file counts the new day only."""
        day, seq = _APPLIED.unpack_from(self._page, 0)
        if day not in (_COUNTED, _day(newest.day)):
            seq = 0
        waiting = seq if day == _COUNTED else newest.seq - seq
        return int(max(0, waiting) + max(_UNDELIVERED.unpack_from(self._page, slot)[0] for slot in self._slots))


def _day(day: str) -> int:
    return date.fromisoformat(day).toordinal() if day else 0


class Pressure:
    """Wraps `accept`: the receipt waits while the node is behind. One timer looks for all that wait."""

    def __init__(self, accept: Accept, progress: Progress, limit: int, longest: float = 1.0) -> None:
        self.accept = accept
        self.progress = progress
        self.limit = limit
        self.longest = longest
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._newest = START

    async def __call__(self, arrival: Arrival) -> Receipt:
        receipt = await self.accept(arrival)
        self._newest = max(self._newest, Position.of(receipt.message_id))
        if self._waiting or self._behind():
            await self._turn()
        return receipt

    def _behind(self) -> bool:
        return self.progress.backlog(self._newest) > self.limit

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_later(STEP, self._look)
        self._waiting.append((loop.time() + self.longest, future))
        await future

    def _look(self) -> None:
        """Lets go whoever has waited long enough, and everybody once there is room."""
        loop = asyncio.get_running_loop()
        room, now = not self._behind(), loop.time()
        while self._waiting and (room or self._waiting[0][0] <= now):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
        if self._waiting:
            loop.call_later(STEP, self._look)
