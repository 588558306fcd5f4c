"""One connection of the MLLP listener: frames in, acknowledgements out, in the order of the frames."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from adapters.hl7v2.framing import Empty, Event, Frame, Framer, Junk, State, TooBig, TooMuchJunk, Truncated
from adapters.hl7v2.mllp_answers import Answers
from adapters.hl7v2.mllp_caps import allowed
from adapters.hl7v2.mllp_socket import keep_alive
from adapters.hl7v2.peek import header_of
from hie.model import Acknowledgement

if TYPE_CHECKING:
    from adapters.hl7v2.mllp_source import Listener

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
SMALL = 65_536
"""A connection that holds no more goes on although the memory is full: its messages are not what fills it."""
LINGER_SECONDS = 10
LINGER_BYTES = 256 * 1024 * 1024


class Connection(asyncio.Protocol):
    """State of one sender. All methods run on the event loop."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        settings = listener.settings
        self._framer = Framer(settings.max_frame_bytes, settings.junk_bytes, guess_start=settings.no_start == "accept")
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answers = Answers(listener, self)
        self._closing = False
        self._begun = False
        self._half_close = True
        self._early = b""
        self._write_blocked_at = 0.0
        self._pause_timer: asyncio.TimerHandle | None = None
        self._opened = self.last_active = self.begun = self._loop.time()
        self.address = ""
        self.source = ""
        self.frames = 0
        self.held = 0
        self._discarded = 0
        self._linger_timer: asyncio.TimerHandle | None = None

    # -- what caps and sweeper ask

    @property
    def waiting(self) -> bool:
        return bool(self._answers)

    @property
    def busy(self) -> bool:
        return self.waiting or self._framer.state in (State.INSIDE, State.ENDING)

    def evict(self) -> None:
        self.abort("evicted")

    def overflow(self) -> None:
        """Memory is full and this frame holds most of it."""
        self._answers.keep(self._framer.head, "memory")
        self._refuse_and_close(self._framer.head, "memory")

    def check_time(self, now: float) -> None:
        settings = self._listener.settings
        inside = self._framer.state in (State.INSIDE, State.ENDING)
        if self._write_blocked_at and now - self._write_blocked_at > settings.write_seconds:
            self.abort("write-timeout")
        elif self.waiting or self in self._listener.paused:
            self.last_active = now
        elif inside:
            if now - self.last_active > settings.inter_byte_seconds:
                self._time_out("inter-byte")
            elif now - self.begun > settings.frame_seconds:
                self._time_out("frame")
        elif not self.frames and now - self._opened > settings.first_byte_seconds:
            self._time_out("first-byte")
        elif now - self.last_active > settings.idle_seconds:
            self._time_out("idle")

    # -- how it begins

    def admit(self, transport: asyncio.Transport) -> bool:
        """Whether the peer may stay; if not, it is closed unheard. With TLS this comes before the handshake."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = self.source = str(peer[0]) if peer else ""
        listener = self._listener
        reason = "draining" if listener.draining else ""
        if not reason and not allowed(self.address, listener.settings.sources):
            reason = "source-not-allowed"
        reason = reason or listener.caps.admit(self)
        if reason:
            log.warning("mllp connection refused", extra=self.facts(reason))
            listener.count("hie_connections_closed_total", reason=reason)
            transport.abort()
        return not reason

    def refuse(self, reason: str) -> None:
        """The TLS handshake failed."""
        if self._closing:
            return
        log.warning("tls handshake failed", extra=self.facts(reason))
        self._listener.count("hie_connections_closed_total", reason="tls")
        self._listener.caps.release(self)
        if self._transport is not None:
            self._transport.abort()

    def begin(self, transport: asyncio.Transport, name: str = "") -> None:
        """The peer is who it should be: from here on it is heard. `name` is that of its certificate."""
        if self._closing:  # it was lost at the end of its handshake
            return
        self._transport = transport
        self._begun = True
        self.source = name or self.source
        listener = self._listener
        listener.count("hie_feed_connected")
        self._half_close = transport.get_extra_info("ssl_object") is None
        self._opened = self.last_active = self._loop.time()
        sock = transport.get_extra_info("socket")
        if sock is not None:
            keep_alive(sock)
        if listener.settings.reconnect == "replace":
            for earlier in listener.connections:
                if earlier is not self and earlier.source == self.source:
                    earlier.replace()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        if self.admit(plain):
            self.begin(plain)

    def data_received(self, data: bytes) -> None:
        if not self._begun:
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
            self.begun = now
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
        self._listener.caps.release(self)
        if self._begun:
            for event in self._framer.close():
                self._on(event, self._loop.time())
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
            self._answers.take(event.payload, event.quirks, now)
        elif isinstance(event, Empty):
            listener.count("hie_framing_quirks_total", quirk="empty-frame")
        elif isinstance(event, Truncated):
            listener.count("hie_framing_quirks_total", quirk="truncated")
            self._answers.keep(event.fragment, f"truncated-{event.reason}")
        elif isinstance(event, Junk):
            listener.count("hie_framing_quirks_total", quirk="junk")
            if b"MSH" in event.head:
                self._answers.keep(event.head, "outside-frame")
        elif isinstance(event, TooMuchJunk):
            self._answers.keep(event.head, "junk-limit")
            self._end("junk-limit")
        elif isinstance(event, TooBig):
            self._answers.keep(event.head, "too-big")
            self._refuse_and_close(event.head, "too-big")

    def answered(self, replies: bytes, refused_in_row: int) -> None:
        """What is due, in order. b"" where an answer is owed to nobody."""
        transport = self._transport
        if transport is not None and not transport.is_closing() and replies:
            transport.write(replies)
        if refused_in_row >= self._listener.settings.max_refused_in_row:
            self._end("refused-in-row")

    def settled(self) -> None:
        """Something was committed or answered: this may be the end, or there may be room to read on."""
        self._account()
        if self._closing and not self.busy and self._transport is not None and self._linger_timer is None:
            self._transport.close()
        if self in self._listener.paused:
            self.resume()
        self._listener.relax()

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
        code = "AR" if reason == "too-big" else "AE"
        outcome = Acknowledgement(code, 207, "", "the message is too large for this listener")
        self._answers.refuse(header_of(head), outcome)
        # a close with bytes unread would reset the connection and take the answer with it: read on, and discard
        self._linger_timer = self._loop.call_later(LINGER_SECONDS, self.abort, "linger")
        self._end(reason)

    def _end(self, reason: str) -> None:
        """Answers what is in hand, then closes."""
        if not self._closing:
            self._listener.count("hie_connections_closed_total", reason=reason)
            if reason != "idle-timeout":
                log.warning("mllp connection closed", extra=self.facts(reason))
        self._framer.close()
        self._closing = True
        if self._transport is not None and self._linger_timer is None:
            self._transport.pause_reading()
        self._answers.flush()

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

    def replace(self) -> None:
        """The same source has a new connection: this one ends, after what it is owed."""
        if self.waiting:
            self._listener.count("hie_connections_closed_total", reason="replaced")
            self._closing = True
        else:
            self.abort("replaced")

    def abort(self, reason: str) -> None:
        self._listener.count("hie_connections_closed_total", reason=reason)
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _hold(self) -> None:
        if self._transport is not None and self not in self._listener.paused:
            self._listener.paused.add(self)
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on, unless something still holds this connection."""
        crowded = len(self._answers) > self._listener.settings.max_pipelined // 2
        if self._transport is None or crowded or self._write_blocked_at or self._fills_memory():
            return
        self._listener.paused.discard(self)
        if not self._transport.is_closing() and self._framer.state is not State.DEAD:
            self._transport.resume_reading()

    def _account(self) -> None:
        """Keeps the byte budget in step with the framer, and pauses a reader that would exceed a limit."""
        held = self._answers.uncommitted + self._framer.buffered
        self._listener.budget.change(held - self.held)
        self.held = held
        if self._closing:
            return
        if len(self._answers) > self._listener.settings.max_pipelined or self._fills_memory():
            self._hold()

    def _fills_memory(self) -> bool:
        return self.held > SMALL and self._listener.budget.full

    def facts(self, reason: str) -> dict[str, str]:
        return {"feed": self._listener.feed, "peer": self.address, "reason": reason}
