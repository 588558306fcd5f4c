"""One connection of the MLLP listener: frames in, acknowledgements out, in the order of the frames."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, cast

from adapters.hl7v2.acknowledge import ACCEPTED
from adapters.hl7v2.batch import split
from adapters.hl7v2.framing import Empty, Event, Frame, Framer, Junk, State, TooBig, TooMuchJunk, Truncated
from adapters.hl7v2.mllp_caps import allowed
from adapters.hl7v2.mllp_pending import UNAVAILABLE, Pending
from adapters.hl7v2.mllp_socket import keep_alive
from adapters.hl7v2.peek import ANSWERS, FORMAT, Header, check, header_of, keys, quirks, read_header
from hie.errors import Rejected
from hie.model import Acknowledgement, Arrival, Keys, Receipt

if TYPE_CHECKING:
    from adapters.hl7v2.mllp_source import Listener

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
MAX_FRAGMENT = 1024 * 1024
LINGER_SECONDS = 10
LINGER_BYTES = 256 * 1024 * 1024
NOT_ANSWERED = Acknowledgement("", 100, "", "incomplete frame")


class Connection(asyncio.Protocol):
    """State of one sender. All methods run on the event loop."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        settings = listener.settings
        self._framer = Framer(settings.max_frame_bytes, settings.junk_bytes, guess_start=settings.no_start == "accept")
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pending: deque[Pending] = deque()
        self._refused_in_row = 0
        self._closing = False
        self._admitted = False
        self._half_close = True
        self._early = b""
        self._write_blocked_at = 0.0
        self._pause_timer: asyncio.TimerHandle | None = None
        self._opened = self.last_active = self._frame_begun = self._loop.time()
        self.address = ""
        self.source = ""
        self.frames = 0
        self.held = 0
        self._uncommitted = 0
        self._discarded = 0
        self._linger_timer: asyncio.TimerHandle | None = None

    # -- what caps and sweeper ask

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    @property
    def busy(self) -> bool:
        return bool(self._pending) or self._framer.state in (State.INSIDE, State.ENDING)

    def evict(self) -> None:
        self.abort("evicted")

    def overflow(self) -> None:
        """Memory is full and this frame holds most of it."""
        self._keep_fragment(self._framer.head, "memory")
        self._refuse_and_close(self._framer.head, "memory")

    def check_time(self, now: float) -> None:
        settings = self._listener.settings
        inside = self._framer.state in (State.INSIDE, State.ENDING)
        if self._write_blocked_at and now - self._write_blocked_at > settings.write_seconds:
            self.abort("write-timeout")
        elif self._pending or self in self._listener.paused:
            self.last_active = now
        elif inside:
            if now - self.last_active > settings.inter_byte_seconds:
                self._time_out("inter-byte")
            elif now - self._frame_begun > settings.frame_seconds:
                self._time_out("frame")
        elif not self.frames and now - self._opened > settings.first_byte_seconds:
            self._time_out("first-byte")
        elif now - self.last_active > settings.idle_seconds:
            self._time_out("idle")

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.source = self.source or self.address
        if self._listener.draining or not self._admit():
            self._transport.abort()
            return
        self._admitted = True
        self._half_close = transport.get_extra_info("ssl_object") is None
        self._listener.count("hie_feed_connected")
        sock = transport.get_extra_info("socket")
        if sock is not None:
            keep_alive(sock)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _admit(self) -> bool:
        reason = self._listener.caps.admit(self)
        if not reason and not allowed(self.address, self._listener.settings.sources):
            self._listener.caps.release(self)
            reason = "source-not-allowed"
        if reason:
            log.warning("mllp connection refused", extra=self._facts(reason))
            self._listener.count("hie_connections_closed_total", reason=reason)
        return not reason

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            # TLS may deliver with the end of the handshake, before it is known who this is
            self._early += data
            return
        if self._linger_timer is not None:
            self._discard(len(data))
            return
        now = self.last_active = self._loop.time()
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
        was_inside = self._framer.state is State.INSIDE
        for event in self._framer.feed(data):
            self._on(event, now)
            was_inside = False
        if self._framer.state is State.INSIDE and not was_inside:
            self._frame_begun = now
        if self._framer.pending_end:
            self._pause_timer = self._loop.call_later(PAUSE_SECONDS, self._paused)
        self._account()

    def eof_received(self) -> bool:
        for event in self._framer.close():
            self._on(event, self._loop.time())
        self._account()
        if self._linger_timer is not None and self._transport is not None:
            self._transport.close()
        self.close_when_idle()
        return self._half_close and self._transport is not None and not self._transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        for timer in (self._pause_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        if self._admitted:
            for event in self._framer.close():
                self._on(event, self._loop.time())
            self._listener.caps.release(self)
            self._listener.count("hie_feed_connected", -1)
        self._listener.paused.discard(self)
        self._account()

    def pause_writing(self) -> None:
        self._write_blocked_at = self._loop.time()
        self._hold()

    def resume_writing(self) -> None:
        self._write_blocked_at = 0.0
        self.resume()

    # -- frames

    def _on(self, event: Event, now: float) -> None:
        listener = self._listener
        if isinstance(event, Frame):
            for quirk in event.quirks:
                listener.count("hie_framing_quirks_total", quirk=quirk)
            self.frames += 1
            self._take_frame(event.payload, event.quirks, now)
        elif isinstance(event, Empty):
            listener.count("hie_framing_quirks_total", quirk="empty-frame")
        elif isinstance(event, Truncated):
            listener.count("hie_framing_quirks_total", quirk="truncated")
            self._keep_fragment(event.fragment, f"truncated-{event.reason}")
        elif isinstance(event, Junk):
            listener.count("hie_framing_quirks_total", quirk="junk")
            if b"MSH" in event.head:
                self._keep_fragment(event.head, "outside-frame")
        elif isinstance(event, TooMuchJunk):
            self._keep_fragment(event.head, "junk-limit")
            self._end("junk-limit")
        elif isinstance(event, TooBig):
            self._keep_fragment(event.head, "too-big")
            self._refuse_and_close(event.head, "too-big")

    def _take_frame(self, payload: bytes, tolerated: tuple[str, ...], now: float) -> None:
        listener = self._listener
        odd = quirks(payload)
        for quirk in odd:
            listener.count("hie_framing_quirks_total", quirk=quirk)
        flags = (*tolerated, *odd)
        batch = split(payload)
        if len(batch.messages) == 1 and not batch.header:
            self._take(payload, flags, self._queue(b"", len(payload), now))
        elif listener.settings.batches == "refuse" or not batch.messages:
            refusal = Acknowledgement("AR", 200, "MSH", "one message a frame is taken here")
            pending = self._queue(b"", len(payload), now)
            self._store(payload, header_of(payload), None, refusal, flags, pending)
        else:
            flags += ("batch",) if batch.header else ("several-in-frame",)
            flags += () if batch.complete else ("batch-incomplete",)
            shared = self._queue(batch.header, len(payload), now) if batch.header else None
            for message in batch.messages:
                self._take(message, flags, shared or self._queue(b"", len(message), now))
        if self._pending and not self._pending[0].left:
            self._flush()

    def _queue(self, envelope: bytes, size: int, now: float) -> Pending:
        pending = Pending(envelope, size, now)
        self._pending.append(pending)
        self._uncommitted += size
        return pending

    def _take(self, raw: bytes, flags: tuple[str, ...], pending: Pending) -> None:
        """Peeks at one message and sends it on to be stored. Only an acknowledgement is not stored."""
        found: Keys | None = None
        refusal: Acknowledgement | None = None
        header: Header | None = None
        try:
            header = read_header(raw)
            if header.type in ANSWERS:
                self._listener.count("hie_framing_quirks_total", quirk="acknowledgement")
                return
            found = keys(header, raw)
            check(header, self._listener.policy)
        except Rejected as refused:
            refusal = Acknowledgement(refused.ack, refused.err, refused.where, refused.text)
        self._store(raw, header or header_of(b""), found, refusal, flags, pending)

    def _store(
        self,
        raw: bytes,
        header: Header,
        found: Keys | None,
        refusal: Acknowledgement | None,
        flags: tuple[str, ...],
        pending: Pending,
    ) -> None:
        listener = self._listener
        listener.count("hie_messages_received_total", format=FORMAT)
        listener.count("hie_bytes_received_total", len(raw))
        slot = len(pending.headers)
        pending.headers.append(header)
        pending.outcomes.append(refusal or ACCEPTED)
        pending.left += 1
        try:
            arrival = Arrival(listener.feed, FORMAT, raw, self.source, found, refusal, flags)
            future = asyncio.ensure_future(listener.accept(arrival))
        except Exception as error:
            self._failed(pending, slot, error)
            return
        future.add_done_callback(partial(self._settled, pending, slot))

    def _settled(self, pending: Pending, slot: int, future: asyncio.Future[Receipt]) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self._failed(pending, slot, error)
        else:
            pending.left -= 1
        self._flush()

    def _failed(self, pending: Pending, slot: int, error: BaseException) -> None:
        """Whatever went wrong, the sender is told at once that nothing was taken."""
        log.error("arrival not stored", extra=self._facts(getattr(error, "code", type(error).__name__)))
        pending.outcomes[slot] = UNAVAILABLE
        pending.left -= 1

    def _flush(self) -> None:
        """Sends the answers that are due, in order."""
        pending, transport = self._pending, self._transport
        while pending and not pending[0].left:
            done = pending.popleft()
            self._uncommitted -= done.size
            if transport is not None and not transport.is_closing():
                self._answer(done, transport)
        self._account()
        if self._closing and not self.busy and transport is not None and self._linger_timer is None:
            transport.close()
        if self in self._listener.paused:
            self.resume()
        self._listener.relax()

    def _answer(self, done: Pending, transport: asyncio.Transport) -> None:
        listener = self._listener
        for outcome in done.outcomes:
            listener.count("hie_acks_sent_total", code=outcome.code)
            refused = outcome.code != "AA" and outcome is not UNAVAILABLE
            self._refused_in_row = self._refused_in_row + 1 if refused else 0
        replies = done.replies(listener.settings.acknowledge)
        if replies:
            transport.write(replies)
        listener.meter.observe("hie_ack_duration_seconds", self._loop.time() - done.begun, feed=listener.feed)
        if self._refused_in_row >= listener.settings.max_refused_in_row:
            self._end("refused-in-row")

    def _keep_fragment(self, fragment: bytes, flag: str) -> None:
        """Into quarantine: bytes that were no message, so that the operator sees what failed. Nobody is answered."""
        if not fragment:
            return
        arrival = Arrival(
            self._listener.feed, FORMAT, fragment[:MAX_FRAGMENT], self.source, None, NOT_ANSWERED, (flag,)
        )
        future = asyncio.ensure_future(self._listener.accept(arrival))
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- ends and pauses

    def _paused(self) -> None:
        self._pause_timer = None
        for event in self._framer.pause():
            self._on(event, self._loop.time())
        self._account()

    def _time_out(self, reason: str) -> None:
        for event in self._framer.close("timeout"):
            self._on(event, self._loop.time())
        self._end(f"{reason}-timeout")

    def _refuse_and_close(self, head: bytes, reason: str) -> None:
        header = header_of(head)
        done = self._queue(b"", 0, self._loop.time())
        code = "AR" if reason == "too-big" else "AE"
        done.headers.append(header)
        done.outcomes.append(Acknowledgement(code, 207, "", "the message is too large for this listener"))
        # a close with bytes unread would reset the connection and take the answer with it: read on, and discard
        self._linger_timer = self._loop.call_later(LINGER_SECONDS, self.abort, "linger")
        self._end(reason)

    def _end(self, reason: str) -> None:
        """Answers what is in hand, then closes."""
        if not self._closing:
            self._listener.count("hie_connections_closed_total", reason=reason)
            if reason != "idle-timeout":
                log.warning("mllp connection closed", extra=self._facts(reason))
        self._framer.close()
        self._closing = True
        if self._transport is not None and self._linger_timer is None:
            self._transport.pause_reading()
        self._flush()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.abort("linger")

    def close_when_idle(self) -> None:
        """Closes now, or as soon as the frame in hand is stored and answered."""
        if self.busy:
            self._closing = True
        elif self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        self._listener.count("hie_connections_closed_total", reason=reason)
        if self._transport is not None:
            self._transport.abort()

    def _hold(self) -> None:
        if self._transport is not None and self not in self._listener.paused:
            self._listener.paused.add(self)
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on, unless something still holds this connection."""
        crowded = len(self._pending) > self._listener.settings.max_pipelined // 2
        if self._transport is None or crowded or self._write_blocked_at or self._listener.budget.full:
            return
        self._listener.paused.discard(self)
        if not self._transport.is_closing() and self._framer.state is not State.DEAD:
            self._transport.resume_reading()

    def _account(self) -> None:
        """Keeps the byte budget in step with the framer, and pauses a reader that would exceed a limit."""
        held = self._uncommitted + self._framer.buffered
        self._listener.budget.change(held - self.held)
        self.held = held
        if self._closing:
            return
        if len(self._pending) > self._listener.settings.max_pipelined or (self._listener.budget.full and held):
            self._hold()

    def _facts(self, reason: str) -> dict[str, str]:
        return {"feed": self._listener.feed, "peer": self.address, "reason": reason}
