"""Reads one queue in a thread of its own, since kombu is synchronous, and hands each message to the event loop.

A message is acknowledged to the broker only after everything in it is on the disk. While the store takes nothing, the
messages in hand are kept, unacknowledged, and offered again with growing waits: giving them back would count as
deliveries and drive them over the queue's delivery limit. When the connection goes, the broker gives them back by
itself, and the journal recognises what it has.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from adapters.queue import topology
from adapters.queue.connection import Backoff, Line, Lost, lost, peer
from adapters.queue.settings import QueueSource
from hie.errors import ConfigurationError
from hie.model import Acknowledgement, Arrival
from hie.ports import Meter, Open

log = logging.getLogger(__name__)
BUSY_SECONDS: Final = 0.02
"""Longest wait for the broker while something is on its way to the disk: its acknowledgement must not wait long."""
IDLE_SECONDS: Final = 0.5
FIRST_WAIT, LONGEST_WAIT = 0.25, 15.0
STEADY_SECONDS: Final = 5.0
"""A connection that has lasted this long was a good one: after it the waits begin anew."""
TOO_LARGE = Acknowledgement("AR", 207, "", "the message is too large for this feed")


class Delivery:
    """One message of the broker. `unstored` are the arrivals in it that are not on the disk yet."""

    __slots__ = ("begun", "line", "number", "refused", "size", "tag", "unstored")

    def __init__(self, line: Line, number: int, tag: Any, size: int, arrivals: list[Arrival]) -> None:
        self.line = line
        self.number = number
        self.tag = tag
        self.size = size
        self.unstored = arrivals
        self.refused = all(arrival.refusal is not None for arrival in arrivals)
        self.begun = time.monotonic()


class Consumer(threading.Thread):
    """`hand_over` gives a delivery to the event loop, which calls `settled` when it has tried to store it."""

    def __init__(
        self, feed: str, settings: QueueSource, hand_over: Callable[[Delivery], None], meter: Meter, open: Open
    ) -> None:
        super().__init__(name=f"queue-{feed}", daemon=True)
        self._feed = feed
        self._settings = settings
        self._hand_over = hand_over
        self._meter = meter
        self._open = open
        self._source = f"{peer(settings)}/{settings.queue}"
        self._settled: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._waiting: deque[Delivery] = deque()
        self._under_way: set[Delivery] = set()
        self._held = 0
        self._number = 0
        self._stored_number = 0
        self._offer_at = 0.0
        self._store = Backoff(FIRST_WAIT, LONGEST_WAIT)
        self._broker = Backoff(FIRST_WAIT, LONGEST_WAIT)
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._said: set[str] = set()
        """Reasons told since the last good connection."""

    def stop(self, seconds: float) -> None:
        """Takes nothing more, acknowledges what gets onto the disk within `seconds`, ends."""
        self._deadline = time.monotonic() + seconds
        self._stopping.set()

    def settled(self, delivery: Delivery) -> None:
        """From the event loop: every arrival has been tried; those that failed are in `unstored`."""
        self._settled.put(delivery)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._session()
            except Exception as error:
                self._report(error)
                self._stopping.wait(self._broker.next())

    def _session(self) -> None:
        """From one connection to its end."""
        settings = self._settings
        line = Line(settings)
        since: float | None = None
        try:
            topology.ensure(line, settings, settings.queue)
            line.do(line.channel.basic_qos, 0, settings.prefetch, False)
            tag = f"hie-{self._feed}"
            take = self._take_from(line)
            line.do(line.channel.basic_consume, settings.queue, no_ack=False, callback=take, consumer_tag=tag)
            since = time.monotonic()
            self._count("hie_feed_connected", 1)
            self._connected()
            while not self._stopping.is_set():
                self._turn(line)
            line.do(line.channel.basic_cancel, tag)
            self._waiting.clear()
            while self._under_way and time.monotonic() < self._deadline:
                self._turn(line)
            line.close()
        finally:
            if since is not None:
                self._count("hie_feed_connected", -1)
                if time.monotonic() - since > STEADY_SECONDS:
                    self._broker.reset()
            line.drop()
            self._waiting.clear()
            self._under_way.clear()
            self._held = 0

    def _turn(self, line: Line) -> None:
        self._acknowledge(line)
        if self._waiting and time.monotonic() >= self._offer_at and not self._stopping.is_set():
            for delivery in self._waiting:
                self._under_way.add(delivery)
                self._hand_over(delivery)
            self._waiting.clear()
        busy = bool(self._waiting or self._under_way)
        if self._held < self._settings.memory_bytes:
            line.drain(BUSY_SECONDS if busy else IDLE_SECONDS)
        else:
            time.sleep(BUSY_SECONDS)
        line.beat()

    def _take_from(self, line: Line) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            body = message.body
            raw = body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogateescape")
            arrivals = self._open(raw, self._source)
            if len(raw) > self._settings.max_message_bytes:
                arrivals = [Arrival(self._feed, arrivals[0].format, raw, self._source, None, TOO_LARGE)]
            for arrival in arrivals:
                self._count("hie_messages_received_total", format=arrival.format)
            self._count("hie_bytes_received_total", len(raw))
            self._number += 1
            self._held += len(raw)
            self._waiting.append(Delivery(line, self._number, message.delivery_tag, len(raw), arrivals))

        return take

    def _acknowledge(self, line: Line) -> None:
        """Tells the broker what has become of the deliveries that came back from the event loop."""
        failed = []
        while not self._settled.empty():
            delivery = self._settled.get()
            if delivery.line is not line:
                continue  # of a connection that has gone: the broker gives it back, the journal knows it
            self._under_way.discard(delivery)
            if delivery.unstored:
                failed.append(delivery)
                continue
            self._stored_number = max(self._stored_number, delivery.number)
            self._store.reset()
            self._done(line, delivery)
        if failed:
            self._keep(line, sorted(failed, key=lambda d: d.number))

    def _done(self, line: Line, delivery: Delivery) -> None:
        self._held -= delivery.size
        if delivery.refused and self._settings.unreadable == "dead-letter":
            line.do(line.channel.basic_reject, delivery.tag, requeue=False)
        else:
            line.do(line.channel.basic_ack, delivery.tag)
        self._count("hie_acks_sent_total", code="AR" if delivery.refused else "AA")
        self._meter.observe("hie_ack_duration_seconds", time.monotonic() - delivery.begun, feed=self._feed)

    def _keep(self, line: Line, failed: list[Delivery]) -> None:
        """Offers them again later. One that fails while later ones are stored goes back to the broker, which counts."""
        for delivery in failed:
            if delivery.number < self._stored_number:
                self._held -= delivery.size
                line.do(line.channel.basic_reject, delivery.tag, requeue=True)
        kept = [delivery for delivery in failed if delivery.number >= self._stored_number]
        self._waiting = deque(sorted([*kept, *self._waiting], key=lambda d: d.number))
        wait = self._store.next()
        self._offer_at = time.monotonic() + wait
        log.warning("queue waits for the store", extra={"feed": self._feed, "seconds": round(wait, 1)})

    # -- what an operator hears

    def _connected(self) -> None:
        if self._said:
            log.info("queue connected again", extra={"feed": self._feed, "peer": self._source})
        self._said.clear()

    def _report(self, error: Exception) -> None:
        """Once for each reason, however often it is met."""
        problem = error if isinstance(error, ConfigurationError) else lost(error)
        reason = problem.code if isinstance(problem, ConfigurationError) else problem.reason
        if isinstance(problem, Lost):
            self._count("hie_connections_closed_total", reason="broker")
        if reason in self._said:
            return
        self._said.add(reason)
        facts = {"feed": self._feed, "peer": self._source, "reason": reason}
        if isinstance(problem, ConfigurationError):
            log.error("queue cannot be read", extra={**facts, "text": problem.text, "hint": problem.hint})
        else:
            log.warning("queue connection lost, trying again", extra=facts)

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._meter.count(name, amount, feed=self._feed, **labels)
