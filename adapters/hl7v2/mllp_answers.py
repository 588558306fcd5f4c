"""What a connection owes its sender: an answer for each message, in the order of the messages, after the commit.

Where the answer waits for the reading (`ack: after-decode`), the messages behind it wait as well. In enhanced mode with
both levels asked for, the commit is answered at once and the application's answer follows when it is known; MSA-2 says
what it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from adapters.hl7v2.acknowledge import ACCEPTED, Wait, acknowledge, wait_for, wanted
from adapters.hl7v2.framing import frame
from adapters.hl7v2.mllp_examine import Examined, Peeked, examine
from adapters.hl7v2.mllp_pending import UNAVAILABLE, Pending
from adapters.hl7v2.peek import FORMAT, Header
from hie.model import Acknowledgement, Arrival, Receipt

if TYPE_CHECKING:
    from adapters.hl7v2.mllp_connection import Connection
    from adapters.hl7v2.mllp_source import Listener

log = logging.getLogger(__name__)
LARGE = 512 * 1024
"""Bytes of a frame from which on looking at it would hold up the loop."""
MAX_FRAGMENT = 1024 * 1024
NOT_ANSWERED = Acknowledgement("", 100, "", "incomplete frame")
NOT_READ = Acknowledgement("AE", 207, "", "stored, but not read in time; the same message may be sent again")


class Answers:
    """Takes the frames of one connection, and tells it what to write."""

    def __init__(self, listener: Listener, connection: Connection) -> None:
        self._listener = listener
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Pending] = deque()
        self._frames: deque[tuple[bytes, tuple[str, ...], float]] = deque()
        """A large frame that is being looked at, and those behind it."""
        self._looking: asyncio.Task[None] | None = None
        self._reading: set[asyncio.Task[Acknowledgement]] = set()
        self._refused_in_row = 0
        self.uncommitted = 0
        """Bytes of messages whose answer is not out."""

    def __len__(self) -> int:
        """Messages and batches that wait for an answer."""
        return len(self._pending) + len(self._reading) + len(self._frames)

    def take(self, payload: bytes, tolerated: tuple[str, ...], now: float) -> None:
        """One frame: usually one message, perhaps a batch. A large one is looked at beside the loop, and those behind it
        wait for it."""
        if self._frames or len(payload) > LARGE:
            self._frames.append((payload, tolerated, now))
            self.uncommitted += len(payload)
            if len(self._frames) == 1:
                self._looking = self._loop.create_task(self._look())
        else:
            self._taken(self._examine(payload), tolerated, now)

    async def _look(self) -> None:
        while self._frames:
            payload, tolerated, now = self._frames[0]
            examined = await asyncio.to_thread(self._examine, payload)
            self._frames.popleft()
            self.uncommitted -= len(payload)
            self._taken(examined, tolerated, now)
        self._connection.settled()

    def _examine(self, payload: bytes) -> Examined:
        return examine(payload, self._listener.policy, refuse_batches=self._listener.settings.batches == "refuse")

    def _taken(self, frame: Examined, tolerated: tuple[str, ...], now: float) -> None:
        for quirk in frame.odd:
            self._listener.count("hie_framing_quirks_total", quirk=quirk)
        batch, flags = frame.batch, (*tolerated, *frame.odd)
        if len(frame.messages) > 1 or batch.header:
            flags += ("batch",) if batch.header else ("several-in-frame",)
            flags += () if batch.complete else ("batch-incomplete",)
        shared = self._queue(batch.header, sum(map(len, batch.messages)), now) if batch.header else None
        for message in frame.messages:
            pending = shared or self._queue(b"", len(message.raw), now)
            if message.acknowledgement:
                self._listener.count("hie_framing_quirks_total", quirk="acknowledgement")
            else:
                self._store(message, flags, pending)
        if self._pending and not self._pending[0].left:
            self.flush()

    def refuse(self, header: Header, outcome: Acknowledgement) -> None:
        """Answers what is not stored."""
        done = self._queue(b"", 0, self._loop.time())
        done.headers.append(header)
        done.outcomes.append(outcome)

    def keep(self, fragment: bytes, flag: str) -> None:
        """Into quarantine: bytes that were no message, so that the operator sees what failed. Nobody is answered."""
        if not fragment:
            return
        source = self._connection.source
        arrival = Arrival(self._listener.feed, FORMAT, fragment[:MAX_FRAGMENT], source, None, NOT_ANSWERED, (flag,))
        future = asyncio.ensure_future(self._listener.accept(arrival))
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def flush(self) -> None:
        """Hands over the answers that are due, in order."""
        pending = self._pending
        while pending and not pending[0].left:
            done = pending.popleft()
            self.uncommitted -= done.size
            self._answer(done)
        self._connection.settled()

    def _queue(self, envelope: bytes, size: int, now: float) -> Pending:
        pending = Pending(envelope, size, now)
        self._pending.append(pending)
        self.uncommitted += size
        return pending

    def _store(self, message: Peeked, flags: tuple[str, ...], pending: Pending) -> None:
        listener = self._listener
        listener.count("hie_messages_received_total", format=FORMAT)
        listener.count("hie_bytes_received_total", len(message.raw))
        slot = len(pending.headers)
        pending.headers.append(message.header)
        pending.outcomes.append(message.refusal or ACCEPTED)
        pending.left += 1
        try:
            raw, _, found, refusal, _ = message
            arrival = Arrival(listener.feed, FORMAT, raw, self._connection.source, found, refusal, flags)
            future = asyncio.ensure_future(listener.accept(arrival))
        except Exception as error:
            self._failed(pending, slot, error)
            return
        future.add_done_callback(partial(self._committed, pending, slot, arrival))

    def _committed(self, pending: Pending, slot: int, arrival: Arrival, future: asyncio.Future[Receipt]) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self._failed(pending, slot, error)
        elif (wait := self._wait_for(pending, slot)) is Wait.NOTHING:
            pending.left -= 1
        else:
            task = self._loop.create_task(self._read(arrival))
            self._reading.add(task)
            if wait is Wait.READING:
                task.add_done_callback(partial(self._read_in_turn, pending, slot))
            else:
                pending.commit_only.add(slot)
                pending.left -= 1
                task.add_done_callback(partial(self._read_later, pending.headers[slot]))
        self.flush()

    def _failed(self, pending: Pending, slot: int, error: BaseException) -> None:
        """Whatever went wrong, the sender is told at once that nothing was taken."""
        reason = getattr(error, "code", type(error).__name__)
        log.error("arrival not stored", extra=self._connection.facts(reason))
        pending.outcomes[slot] = UNAVAILABLE
        pending.left -= 1

    # -- answers that say more than stored

    def _wait_for(self, pending: Pending, slot: int) -> Wait:
        settings = self._listener.settings
        if self._listener.verdict is None or pending.outcomes[slot] is not ACCEPTED:
            return Wait.NOTHING
        wait = wait_for(pending.headers[slot], settings.acknowledge, after_decode=settings.ack == "after-decode")
        return Wait.READING if wait is Wait.BOTH and pending.envelope else wait

    async def _read(self, arrival: Arrival) -> Acknowledgement:
        verdict = self._listener.verdict
        assert verdict is not None
        try:
            async with asyncio.timeout(self._listener.settings.decode_seconds):
                return await verdict(arrival)
        except TimeoutError:
            return NOT_READ

    def _read_in_turn(self, pending: Pending, slot: int, task: asyncio.Task[Acknowledgement]) -> None:
        self._reading.discard(task)
        pending.outcomes[slot] = NOT_READ if task.cancelled() or task.exception() else task.result()
        pending.left -= 1
        self.flush()

    def _read_later(self, header: Header, task: asyncio.Task[Acknowledgement]) -> None:
        self._reading.discard(task)
        verdict = NOT_READ if task.cancelled() or task.exception() else task.result()
        if wanted(header.first(16).upper(), verdict.code == "AA"):
            self._count(verdict)
            self._connection.answered(frame(acknowledge(header, verdict)), self._refused_in_row)
        self._connection.settled()

    def _answer(self, done: Pending) -> None:
        for outcome in done.outcomes:
            self._count(outcome)
        listener = self._listener
        replies = done.replies(listener.settings.acknowledge)
        listener.meter.observe("hie_ack_duration_seconds", self._loop.time() - done.begun, feed=listener.feed)
        self._connection.answered(replies, self._refused_in_row)

    def _count(self, outcome: Acknowledgement) -> None:
        self._listener.count("hie_acks_sent_total", code=outcome.code)
        # AE 207 is a trouble of ours
        refused = outcome.code != "AA" and (outcome.code, outcome.err) != ("AE", 207)
        self._refused_in_row = self._refused_in_row + 1 if refused else 0
