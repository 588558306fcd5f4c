"""A feed that reads a queue: what its thread takes from the broker is stored on the event loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from adapters.queue.consumer import Consumer, Delivery
from adapters.queue.settings import QueueSource
from hie.ports import Accept, Meter, Open, Source

log = logging.getLogger(__name__)


class QueueFeed:
    """One queue of one feed (hie.ports.Source). A broker that is away is no reason not to start."""

    def __init__(self, feed: str, settings: QueueSource, accept: Accept, meter: Meter, open: Open) -> None:
        self._feed = feed
        self._accept = accept
        self._loop: asyncio.AbstractEventLoop | None = None
        self._storing: set[asyncio.Task[None]] = set()
        self._consumer = Consumer(feed, settings, self._hand_over, meter, open)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._consumer.start()

    async def drain(self, seconds: float) -> None:
        if self._consumer.is_alive():
            self._consumer.stop(seconds)
            await asyncio.to_thread(self._consumer.join, seconds + 1)

    def _hand_over(self, delivery: Delivery) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has gone: the broker gives the message to the next one
            self._loop.call_soon_threadsafe(self._begin, delivery)

    def _begin(self, delivery: Delivery) -> None:
        """Tasks start in the order in which they are made, and `accept` makes durable in the order of the calls."""
        task = asyncio.ensure_future(self._store(delivery))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def _store(self, delivery: Delivery) -> None:
        unstored = delivery.unstored
        try:
            results = await asyncio.gather(*(self._accept(arrival) for arrival in unstored), return_exceptions=True)
            delivery.unstored = [a for a, got in zip(unstored, results, strict=True) if isinstance(got, BaseException)]
        except Exception as error:  # whatever went wrong, the message stays with the broker
            log.error("arrival not stored", extra={"feed": self._feed, "reason": type(error).__name__})
        finally:
            self._consumer.settled(delivery)


def serve(feed: str, settings: QueueSource, accept: Accept, meter: Meter, open: Open) -> Source:
    """The entry named in manifest.toml."""
    return QueueFeed(feed, settings, accept, meter, open)
