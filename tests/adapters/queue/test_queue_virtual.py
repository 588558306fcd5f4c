"""Transports that are no AMQP, by kombu's memory transport in their place: acknowledged after the commit, sent as given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.queue import transports
from adapters.queue.publisher import Publisher
from adapters.queue.settings import QueueSink
from adapters.queue.transports import Transport
from tests.adapters.queue.rabbit import PASSWORD, until
from tests.adapters.queue.wire import Feed, message


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    monkeypatch.setitem(transports.SAFE, "sqs", Transport("memory"))
    monkeypatch.setenv(PASSWORD, "none")
    name = f"virtual.{request.node.name}"
    yield name
    from kombu.transport.memory import Channel

    Channel.queues.pop(name, None)
    Channel.events.clear()


def published(queue: str, *bodies: bytes) -> None:
    sink = Publisher(QueueSink(url="sqs://", queue=queue))
    for number, body in enumerate(bodies):
        assert sink.publish(body, f"D-{number}") == "confirmed"
    sink.close()


def waiting(queue: str) -> list[Any]:
    from kombu.transport.memory import Channel

    return list(Channel.queues[queue].queue) if queue in Channel.queues else []


def test_out_carries_key_and_bytes(queue: str) -> None:
    published(queue, b"\xff\x00raw")
    (found,) = waiting(queue)
    assert found["properties"]["message_id"] == "D-0"
    assert found["headers"] == {"hie-delivery": "D-0"}


@pytest.mark.invariant(1)
def test_in_is_acknowledged_after_the_commit(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.transport.memory import Channel

    acknowledged: list[Any] = []
    before = Channel.basic_ack

    def spy(self: Any, tag: Any, multiple: bool = False) -> None:
        acknowledged.append(tag)
        before(self, tag, multiple)

    monkeypatch.setattr(Channel, "basic_ack", spy)
    published(queue, *[message(n) for n in range(5)], b"\xff\x00no message")
    feed = Feed("sqs://", queue, prefetch=3)
    feed.open.clear()
    feed.start()
    until(lambda: feed.offered == 3, "as many as prefetch says")
    assert len(waiting(queue)) == 3
    assert acknowledged == []
    feed.open.set()
    until(lambda: len(feed.stored) == 6, "all stored")
    assert feed.ids == [f"M{n}" for n in range(5)]
    assert feed.stored[-1].raw == b"\xff\x00no message"
    feed.stop()
    assert len(set(acknowledged)) == 6
    assert waiting(queue) == []
