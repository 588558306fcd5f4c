"""Publishes one message at a time and waits for the broker's confirm, in the thread of its caller.

A confirm belongs to one publish by its number. A connection whose confirm did not come is closed, so that a late one is
never taken for the next message's. The exception is a broker that blocks publishers (memory or disk alarm): what was
written lies in its socket and will be taken when the alarm ends, so nothing more is sent until then.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

from adapters.queue import topology
from adapters.queue.connection import Line, Lost
from adapters.queue.settings import QueueSink
from hie.errors import ConfigurationError, DeliveryError, OutcomeUnknown, PermanentRefusal, TemporaryFailure

PERSISTENT: Final = 2
TURN_SECONDS: Final = 0.5
TOO_LARGE: Final = (311, 406)
"""Reply codes to a publish that will never be taken: content too large, or larger than the queue allows."""
REFUSED: Final = (403, 404)


class _Channel:
    """A channel in confirm mode, with one publish outstanding at most."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.number = 0
        self.answer: bool | None = None
        self.returned = False
        self.unsettled = False
        """Whether a publish went out and its confirm is still to come."""
        if line.amqp:
            line.channel.events["basic_ack"].add(lambda tag, multiple: self._answered(tag, multiple, True))
            line.channel.events["basic_nack"].add(lambda tag, multiple: self._answered(tag, multiple, False))
            line.channel.events["basic_return"].add(self._on_return)
            line.do(line.channel.confirm_select)

    def _answered(self, tag: int, multiple: bool, taken: bool) -> None:
        if tag == self.number or (multiple and tag > self.number):
            self.answer = taken

    def _on_return(self, *_: Any) -> None:
        self.returned = True

    def publish(self, message: Any, exchange: str, routing_key: str, seconds: float) -> bool | None:
        """What the broker says of it: True taken, False refused, None nothing in time. Raises Lost."""
        if not self.line.amqp:  # returns when the service has answered, and raises where it refused
            self.line.do(self.line.channel.basic_publish, message, exchange=exchange, routing_key=routing_key)
            return True
        self.answer = None
        self.returned = False
        self.number += 1
        self.unsettled = True
        publish = self.line.channel.basic_publish
        self.line.do(publish, message, exchange=exchange, routing_key=routing_key, mandatory=True)
        deadline = time.monotonic() + seconds
        while self.answer is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.line.drain(min(TURN_SECONDS, left))
            self.line.beat()
        self.unsettled = False
        return self.answer


class Publisher:
    """One subscriber's way to its broker. For one thread at a time."""

    def __init__(self, settings: QueueSink) -> None:
        self._settings = settings
        self._channel: _Channel | None = None

    def publish(self, payload: bytes, key: str) -> str:
        """Returns `confirmed`. Raises TemporaryFailure, PermanentRefusal or OutcomeUnknown."""
        channel = self._ready()
        settings = self._settings
        message = channel.line.channel.prepare_message(
            payload,
            content_type=settings.content_type or media_type(payload),
            headers={**settings.headers, "hie-delivery": key},
            properties={"delivery_mode": PERSISTENT, "message_id": key, "timestamp": int(time.time()), "app_id": "hie"},
        )
        where = (settings.exchange or "", settings.routing_key if settings.exchange else settings.queue or "")
        try:
            taken = channel.publish(message, *where, settings.confirm_seconds)
        except Lost as error:
            self.close(orderly=False)
            raise _failure(error) from None
        if taken is None:
            if not channel.line.blocked:
                self.close(orderly=False)
            raise OutcomeUnknown("the broker did not confirm in time", code="queue-timeout")
        if not taken:
            raise TemporaryFailure("the broker did not take the message", code="queue-nack")
        if channel.returned:
            text = "no queue is bound to take the message"
            if settings.unroutable == "refuse":
                raise PermanentRefusal(text, code="queue-unroutable")
            raise TemporaryFailure(text, code="queue-unroutable")
        return "confirmed"

    def tick(self) -> None:
        """Between messages: takes note of what the broker says and keeps the heartbeat going."""
        if self._channel is None:
            return
        line = self._channel.line
        try:
            while line.drain(0):
                pass
            line.beat()
        except Lost:
            self.close(orderly=False)

    def close(self, orderly: bool = True) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(Exception):
                if orderly:
                    channel.line.close()
                else:
                    channel.line.drop()

    def _ready(self) -> _Channel:
        """A channel on which nothing is outstanding. Raises TemporaryFailure: nothing has left."""
        if self._channel is not None and self._channel.line.amqp:
            self.tick()
        if self._channel is not None and self._channel.line.blocked:
            raise TemporaryFailure(
                "the broker takes nothing at the moment (memory or disk alarm)", code="queue-blocked"
            )
        if self._channel is not None and self._channel.unsettled:
            self.close()
        if self._channel is None:
            self._channel = self._opened()
        return self._channel

    def _opened(self) -> _Channel:
        settings = self._settings
        line = None
        try:
            line = Line(settings)
            if settings.queue is not None:
                topology.ensure(line, settings, settings.queue)
            return _Channel(line)
        except (Lost, ConfigurationError) as error:
            if line is not None:
                line.drop()
            if isinstance(error, Lost):
                raise TemporaryFailure(f"no connection to the broker: {error.reason}", code="queue-connect") from None
            raise TemporaryFailure(error.text, code=error.code, hint=error.hint) from None


def media_type(payload: bytes) -> str:
    """By the first byte: what our encoders write."""
    if payload[:1] in (b"{", b"["):
        return "application/fhir+json"
    return "application/xml" if payload[:1] == b"<" else "application/hl7-v2"


def _failure(error: Lost) -> DeliveryError:
    if error.code in TOO_LARGE:
        return PermanentRefusal("the broker refuses a message like this one", code="queue-refused")
    if error.code in REFUSED:
        return TemporaryFailure(f"the broker refuses us: {error.reason}", code=f"queue-{error.reason}")
    return OutcomeUnknown("the connection ended before the confirm", code="queue-lost")
