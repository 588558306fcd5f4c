"""The clinics' and the subscribers' side of the broker, with a client of their own."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial

import amqp
from amqp.exceptions import AMQPError

QUORUM = {"x-queue-type": "quorum"}
BROKEN = (AMQPError, OSError, ConnectionError)


def connect() -> amqp.Connection:
    connection = amqp.Connection("127.0.0.1:5672", userid="guest", password="guest", confirm_publish=True)
    connection.connect()
    return connection


class Publisher:
    """Publishes until the broker has confirmed."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.resends = 0
        self._connection: amqp.Connection | None = None

    def insist(self, body: bytes) -> None:
        while True:
            try:
                if self._connection is None:
                    self._connection = connect()
                channel = self._connection.channel(1)
                channel.confirm_select()
                channel.basic_publish_confirm(
                    amqp.Message(body, delivery_mode=2), routing_key=self.queue, mandatory=True
                )
                channel.close()
                return
            except BROKEN:
                self.resends += 1
                self.close()
                time.sleep(0.3)

    def close(self) -> None:
        with suppress(*BROKEN):
            if self._connection is not None:
                self._connection.close()
        self._connection = None


class Consumer:
    """Takes everything from a queue in a thread of its own, acknowledging each message after it is noted."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.taken: list[tuple[str, bytes]] = []
        """(delivery key, body) in order of arrival."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=queue, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect() as connection:
                    channel = connection.channel()
                    channel.basic_qos(0, 50, False)
                    channel.basic_consume(self.queue, callback=partial(self._take, channel))
                    while not self._stop.is_set():
                        with suppress(TimeoutError):
                            connection.drain_events(timeout=0.5)
            except BROKEN:
                time.sleep(0.3)

    def _take(self, channel: amqp.Channel, message: amqp.Message) -> None:
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        self.taken.append((str(message.properties.get("message_id", "")), body))
        channel.basic_ack(message.delivery_tag)


def delete(queues: list[str]) -> None:
    with suppress(*BROKEN), connect() as connection:
        for queue in queues:
            for name in (queue, f"{queue}.dead-letters"):
                with suppress(*BROKEN):
                    connection.channel().queue_delete(name)
