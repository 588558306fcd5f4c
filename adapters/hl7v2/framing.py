"""MLLP framing, release 1, without I/O: bytes in, events out.

Theory of operation
-------------------
A frame is ``VT payload FS CR`` (0x0B ... 0x1C 0x0D). The payload may hold neither VT nor FS, and senders break every
part of that, so three states decide what each byte means:

    state     VT (0x0B)               FS (0x1C)             CR, LF after FS      any other byte
    -------   ---------------------   -------------------   ------------------   ---------------------------------
    OUTSIDE   -> INSIDE               junk                  -                    junk, counted
    INSIDE    Truncated, -> INSIDE    -> ENDING             payload              payload
    ENDING    frame ends, -> INSIDE   payload (FS), stay    frame ends           FS was text: payload, -> INSIDE

- A VT inside a frame means that the earlier frame was cut off (the sender died and came back). The fragment is
  reported as `Truncated` and never glued to what follows: a positive answer to a glued pair would lose one patient.
- ENDING also ends by a pause: the shell calls `pause()` when no byte came for a second after an FS. `pending_end`
  says that it should.
- Junk is counted since the last good frame. Line ends and NULs that some senders put after each frame therefore never
  add up to the limit, while another protocol on the port does.
- The size is counted while reading. At `max_frame` the frame is given up as `TooBig` with its first bytes, enough to
  address an answer, and the framer is dead: a peer that far off is closed.

Cost is linear in the bytes fed, whatever the split: every search runs over the new chunk only and never twice.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

VT = 0x0B
FS = 0x1C
CR = 0x0D
LF = 0x0A
START = b"\x0b"
END = b"\x1c\r"
KEPT_JUNK = 65_536
"""Bytes of a junk run that are kept for the operator."""
KEPT_HEAD = 65_536
"""Bytes of an oversized frame that are kept to address the answer."""


class Frame(NamedTuple):
    """A complete payload. `quirks` name what was tolerated: `fs-without-cr`, `fs-lf`, `fs-in-text`, `no-start`."""

    payload: bytes
    quirks: tuple[str, ...] = ()


class Empty(NamedTuple):
    """A frame without content: a heartbeat of some senders."""


class Truncated(NamedTuple):
    """A frame that never ended. `reason`: `vt-inside`, `closed` or `timeout`."""

    fragment: bytes
    reason: str


class Junk(NamedTuple):
    """Bytes outside a frame, reported when the next frame starts or the connection ends. `head` is cut at KEPT_JUNK."""

    head: bytes
    size: int


class TooMuchJunk(NamedTuple):
    """More than `junk_limit` bytes since the last good frame: close."""

    head: bytes
    size: int


class TooBig(NamedTuple):
    """A frame over `max_frame` bytes: answer AR 207 by its head, then close."""

    head: bytes


Event = Frame | Empty | Truncated | Junk | TooMuchJunk | TooBig


class State(Enum):
    OUTSIDE = "outside"
    INSIDE = "inside"
    ENDING = "ending"
    DEAD = "dead"


def frame(payload: bytes) -> bytes:
    """The payload as it goes over the wire."""
    return b"\x0b" + payload + b"\x1c\r"


class Framer:
    """One direction of one connection.

    `guess_start` accepts a message whose VT is missing when a junk run begins with `MSH` (opt-in for a known sender).
    """

    def __init__(
        self, max_frame: int = 16 * 1024 * 1024, junk_limit: int = 65_536, *, guess_start: bool = False
    ) -> None:
        self._max = max_frame
        self._junk_limit = junk_limit
        self._guess = guess_start
        self._state = State.OUTSIDE
        self._body = bytearray()
        self._junk = bytearray()
        self._junk_run = 0
        self._junk_total = 0
        self._quirks: tuple[str, ...] = ()
        self._begun = b""
        """The first letters of what may become an unframed MSH, when a read ended inside them."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def buffered(self) -> int:
        """Bytes held for an unfinished frame."""
        return len(self._body)

    @property
    def head(self) -> bytes:
        """The first bytes of the unfinished frame, enough to address an answer."""
        return bytes(self._body[:KEPT_HEAD])

    @property
    def pending_end(self) -> bool:
        """An FS came and nothing after it yet: call `pause()` when that lasts for a second."""
        return self._state is State.ENDING

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by these bytes, in order. Nothing after `TooBig` or `TooMuchJunk`."""
        events: list[Event] = []
        if self._begun:
            data, self._begun = self._begun + data, b""
        position, size = 0, len(data)
        next_start = -2  # position of the next VT in data, -1 none, -2 not looked for yet
        while position < size and self._state is not State.DEAD:
            if self._state is State.OUTSIDE:
                position = self._outside(data, position, events)
            elif self._state is State.ENDING:
                position = self._ending(data, position, events)
            else:
                if next_start != -1 and next_start < position:
                    next_start = data.find(START, position)
                position = self._inside(data, position, next_start, events)
        return events

    def pause(self) -> list[Event]:
        """The sender has been silent for a second. Ends a frame that waits for what follows its FS."""
        return [self._finish("fs-without-cr")] if self._state is State.ENDING else []

    def close(self, reason: str = "closed") -> list[Event]:
        """The connection ended (`closed`) or a time-out struck (`timeout`). Reports what was left over."""
        events: list[Event] = []
        if self._state is State.ENDING:
            events.append(self._finish("fs-without-cr"))
        elif self._state is State.INSIDE and self._body:
            events.append(Truncated(bytes(self._body), reason))
        if self._begun:
            self._take_junk(self._begun, events)
        self._report_junk(events)
        self._body.clear()
        self._state = State.DEAD
        return events

    def _outside(self, data: bytes, position: int, events: list[Event]) -> int:
        if data[position] == VT:
            start = position
        else:
            start = data.find(START, position)
            if self._guess and self._junk_run == 0 and data.startswith(b"MSH", position):
                self._state = State.INSIDE
                self._quirks = ("no-start",)
                return position
            if self._guess and self._junk_run == 0 and b"MSH".startswith(data[position : position + 3]):
                self._begun = data[position:]
                return len(data)
            self._take_junk(data[position : start if start >= 0 else len(data)], events)
            if start < 0 or self._state is State.DEAD:
                return len(data)
        if self._junk_run:
            self._report_junk(events)
        self._state = State.INSIDE
        return start + 1

    def _inside(self, data: bytes, position: int, next_start: int, events: list[Event]) -> int:
        end = data.find(b"\x1c", position, next_start if next_start >= 0 else len(data))
        stop = end if end >= 0 else next_start if next_start >= 0 else len(data)
        if len(self._body) + stop - position > self._max:
            self._body += data[position : position + KEPT_HEAD]
            events.append(TooBig(bytes(self._body[:KEPT_HEAD])))
            self._body = bytearray()
            self._state = State.DEAD
            return len(data)
        if end >= 0 and not self._body and data[end + 1 : end + 2] == b"\r":
            # the whole frame in one read: no copy through the buffer
            self._state = State.OUTSIDE
            self._complete(data[position:end], events)
            return end + 2
        self._body += data[position:stop]
        if end >= 0:
            self._state = State.ENDING
            return end + 1
        if next_start >= 0:
            if self._body:
                events.append(Truncated(bytes(self._body), "vt-inside"))
            self._body.clear()
            self._quirks = ()
            return next_start + 1
        return stop

    def _ending(self, data: bytes, position: int, events: list[Event]) -> int:
        following = data[position]
        if following == CR:
            events.append(self._finish(""))
            return position + 1
        if following == LF:
            events.append(self._finish("fs-lf"))
            return position + 1
        if following == VT:
            events.append(self._finish("fs-without-cr"))
            return position
        # any other byte: the FS was part of the text, against the standard
        self._body.append(FS)
        if "fs-in-text" not in self._quirks:
            self._quirks = (*self._quirks, "fs-in-text")
        if following == FS:
            return position + 1
        self._state = State.INSIDE
        return position

    def _finish(self, quirk: str) -> Event:
        if quirk:
            self._quirks = (*self._quirks, quirk)
        done: list[Event] = []
        self._state = State.OUTSIDE
        self._complete(bytes(self._body), done)
        self._body.clear()
        return done[0]

    def _complete(self, payload: bytes, events: list[Event]) -> None:
        if payload and not payload.isspace():
            events.append(Frame(payload, self._quirks))
            self._junk_total = 0
        else:
            events.append(Empty())
        self._quirks = ()

    def _take_junk(self, run: bytes, events: list[Event]) -> None:
        self._junk_run += len(run)
        self._junk_total += len(run)
        if len(self._junk) < KEPT_JUNK:
            self._junk += run[: KEPT_JUNK - len(self._junk)]
        if self._junk_total > self._junk_limit:
            events.append(TooMuchJunk(bytes(self._junk), self._junk_total))
            self._junk.clear()
            self._junk_run = 0
            self._state = State.DEAD

    def _report_junk(self, events: list[Event]) -> None:
        if self._junk_run:
            events.append(Junk(bytes(self._junk), self._junk_run))
            self._junk.clear()
            self._junk_run = 0
