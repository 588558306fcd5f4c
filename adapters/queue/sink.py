"""A subscriber behind a queue. kombu blocks, so each connection has a thread of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from adapters.queue.connection import BEATS
from adapters.queue.publisher import Publisher
from adapters.queue.settings import QueueSink
from hie.ports import Meter, Sink


class QueueSubscriber:
    """hie.ports.Sink. Safe to call from several tasks: they take turns."""

    idempotent = False
    """Keyed at least once: after a lost confirm a message can lie in the queue twice, under one message id."""

    def __init__(self, settings: QueueSink) -> None:
        self._settings = settings
        self._publisher = Publisher(settings)
        self._thread: ThreadPoolExecutor | None = None
        self._beating: asyncio.Task[None] | None = None

    async def send(self, payload: bytes, key: str) -> str:
        """Returns `confirmed`. Raises TemporaryFailure, PermanentRefusal or OutcomeUnknown."""
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "queue-sink")
            self._beating = loop.create_task(self._beat(self._thread))
        return await loop.run_in_executor(self._thread, self._publisher.publish, payload, key)

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._publisher.close)
            thread.shutdown(wait=False)

    async def _beat(self, thread: ThreadPoolExecutor) -> None:
        """Keeps a connection that nothing is sent over, and notices when it has gone before the next message does."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds / BEATS)
            await asyncio.get_running_loop().run_in_executor(thread, self._publisher.tick)


def connect(settings: QueueSink, meter: Meter) -> Sink:
    """A sink for one subscriber; it connects with the first message."""
    return QueueSubscriber(settings)
