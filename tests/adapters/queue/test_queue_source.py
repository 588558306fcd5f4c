"""A feed that reads a queue of a real broker: what is acknowledged to the broker is on the disk, and nothing else is."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.queue.consumer import Consumer, Delivery
from tests.adapters.queue.rabbit import Rabbit, until
from tests.adapters.queue.wire import Feed, Wire, message


@pytest.fixture
def wire(rabbit: Rabbit) -> Iterator[Wire]:
    made = Wire(rabbit)
    yield made
    made.close()


@pytest.fixture
def feed(wire: Wire, queue: str) -> Iterator[Callable[..., Feed]]:
    running: list[Feed] = []

    def start(**settings: Any) -> Feed:
        running.append(Feed(wire.url, queue, **({"declare": True} | settings)).start())
        return running[-1]

    yield start
    for one in running:
        one.open.set()
        if not one.loop.is_closed():
            one.stop()


def empty(rabbit: Rabbit, queue: str) -> bool:
    """Nothing waits, and nothing comes back from a consumer that has gone."""
    time.sleep(1)
    return rabbit.depth(queue) == 0


def in_order(numbers: range) -> list[str]:
    return [f"M{n}" for n in numbers]


def test_messages_are_stored_in_order_and_acknowledged(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, *[message(n) for n in range(300)], content_encoding="utf-8")
    running = feed(declare=False, prefetch=16)
    until(lambda: len(running.stored) == 300, "all stored")
    assert running.ids == in_order(range(300))
    assert running.stored[7].raw == message(7)
    assert running.stored[7].source.endswith(f"/{queue}")
    running.stop()
    assert empty(rabbit, queue)


@pytest.mark.invariant(1)
def test_no_acknowledgement_before_the_commit(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed()
    running.open.clear()
    until(lambda: wire.connections, "connected")
    until(lambda: publishable(rabbit, queue), "declared")
    rabbit.publish(queue, message(1), message(2))
    until(lambda: running.offered == 2, "both offered to the store")
    wire.refusing = True
    wire.cut()
    until(lambda: rabbit.depth(queue) == 2, "the broker has both again")
    # the commit ends after the connection has gone: the broker gives both again, and the journal would know them
    running.open.set()
    wire.refusing = False
    until(lambda: running.ids[-2:] == ["M1", "M2"] and len(running.ids) == 4, "given again", 60)
    running.stop()
    assert empty(rabbit, queue)


@pytest.mark.broken(1)
def test_an_acknowledgement_before_the_commit_would_lose(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(self: Consumer, delivery: Delivery) -> None:
        delivery.unstored = []
        self.settled(delivery)

    monkeypatch.setattr("adapters.queue.source.QueueFeed._hand_over", lambda self, d: hasty(self._consumer, d))
    rabbit.declare(queue)
    rabbit.publish(queue, message(1), message(2))
    running = feed(declare=False)
    until(lambda: rabbit.depth(queue) == 0, "taken")
    time.sleep(0.5)
    wire.refusing = True
    wire.cut()
    time.sleep(3)
    assert rabbit.depth(queue) == 0, "nobody has them any more"
    assert running.stored == []


def publishable(rabbit: Rabbit, queue: str) -> bool:
    try:
        return rabbit.depth(queue) >= 0
    except Exception:
        return False


def test_while_the_store_is_away_messages_wait_with_growing_pauses(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed], caplog: pytest.LogCaptureFixture
) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, *[message(n) for n in range(20)])
    down = True
    running = feed(declare=False)
    running.refuse = lambda arrival: down
    until(lambda: running.offered >= 40, "offered again")
    time.sleep(2)
    assert running.offered <= 20 * 8, "a hot loop"
    assert wire.connections == 1
    down = False
    until(lambda: len(running.stored) == 20, "stored once it can be")
    assert running.ids == in_order(range(20))
    running.stop()
    assert empty(rabbit, queue)
    assert "CANARY" not in caplog.text


def test_waiting_for_the_store_does_not_count_as_deliveries(
    rabbit: Rabbit, queue: str, feed: Callable[..., Feed]
) -> None:
    rabbit.declare(queue, x_delivery_limit=1)
    rabbit.publish(queue, message(1))
    running = feed(declare=False)
    running.refuse = lambda arrival: True
    until(lambda: running.offered >= 4, "offered several times")
    running.stop(0.5)
    until(lambda: rabbit.depth(queue) == 1, "the broker has it still")
    (back,) = rabbit.take(queue)
    assert back.headers.get("x-delivery-count", 0) <= 1


def test_one_message_that_the_store_cannot_hold_does_not_stop_the_others(
    rabbit: Rabbit, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed(delivery_limit=2)
    running.refuse = lambda arrival: b"|M5|" in arrival.raw
    until(lambda: publishable(rabbit, queue), "declared")
    rabbit.publish(queue, *[message(n) for n in range(30)])
    until(lambda: len(running.stored) >= 29, "the others stored")
    later = itertools.count(30)

    def dead_after_another() -> bool:
        rabbit.publish(queue, message(next(later)))
        return rabbit.depth(f"{queue}.dead-letters") == 1

    until(dead_after_another, "it is among the dead letters", 60)
    count = next(later)
    until(lambda: len(running.stored) == count - 1, "nothing else is missing")


def test_what_cannot_be_read_is_kept_and_acknowledged(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, b"no HL7 at all", b"\xff\x00\xfe", b"", content_encoding="utf-8")
    running = feed(declare=False)
    until(lambda: len(running.stored) == 3, "kept")
    assert [a.raw for a in running.stored] == [b"no HL7 at all", b"\xff\x00\xfe", b""]
    assert all(a.refusal is not None and a.refusal.err == 100 for a in running.stored)
    running.stop()
    assert empty(rabbit, queue)


def test_what_cannot_be_read_goes_to_the_dead_letters_where_asked_for(
    rabbit: Rabbit, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed(unreadable="dead-letter")
    until(lambda: publishable(rabbit, queue), "declared")
    rabbit.publish(queue, b"no HL7 at all", message(1))
    until(lambda: len(running.stored) == 2, "both kept")
    until(lambda: rabbit.depth(f"{queue}.dead-letters") == 1, "moved")
    assert [m.body for m in rabbit.take(f"{queue}.dead-letters")] == [b"no HL7 at all"]
    running.stop()
    assert empty(rabbit, queue)


def test_a_message_too_large_is_kept_and_goes_no_further(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, message(1, text="x" * 5000), message(2))
    running = feed(declare=False, max_message_bytes=4096)
    until(lambda: len(running.stored) == 2, "both kept")
    assert running.stored[0].refusal is not None
    assert len(running.stored[0].raw) > 5000
    assert running.stored[1].refusal is None


def test_a_batch_is_taken_apart_and_acknowledged_as_a_whole(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]
) -> None:
    rabbit.declare(queue)
    batch = b"FHS|^~\\&|EHR\rBHS|^~\\&|EHR\r" + message(1) + message(2) + b"BTS|2\rFTS|1\r"
    rabbit.publish(queue, batch)
    first = True

    def refuse_the_second_once(arrival: Any) -> bool:
        nonlocal first
        if b"|M2|" in arrival.raw and first:
            first = False
            return True
        return False

    running = feed(declare=False)
    running.refuse = refuse_the_second_once
    until(lambda: len(running.stored) == 2, "both stored")
    assert running.ids == ["M1", "M2"]
    assert running.offered == 3, "what was stored is not offered again"
    assert running.stored[0].flags == ("batch",)
    running.stop()
    assert empty(rabbit, queue)


def test_no_more_in_hand_than_prefetch_says(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, *[message(n) for n in range(12)])
    running = feed(declare=False, prefetch=4)
    running.open.clear()
    until(lambda: running.offered == 4, "four in hand")
    time.sleep(1)
    assert running.offered == 4
    assert rabbit.depth(queue) == 8
    running.open.set()
    until(lambda: len(running.stored) == 12, "all")


def test_the_byte_budget_pauses_reading(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, *[message(n, text="x" * 400_000) for n in range(40)])
    running = feed(declare=False, memory_bytes=1_000_000)
    running.open.clear()
    until(lambda: running.offered >= 3, "the budget is used up")
    time.sleep(1)
    assert running.offered <= 4
    running.open.set()
    until(lambda: len(running.stored) == 40, "all")


@pytest.mark.invariant(1)
def test_connections_closed_by_force_under_load_lose_nothing(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed(prefetch=32)
    until(lambda: publishable(rabbit, queue), "declared")
    for round in range(5):
        until(lambda before=round: wire.connections > before, "connected")
        rabbit.publish(queue, *[message(n) for n in range(round * 60, round * 60 + 60)])
        wire.cut()
    until(lambda: set(running.ids) >= set(in_order(range(300))), "all of them", 60)
    first = list(dict.fromkeys(running.ids))
    assert first == in_order(range(300)), "order of the broker"
    assert wire.connections >= 5
    until(lambda: empty(rabbit, queue), "what was stored before a cut has come again and been acknowledged")
    running.stop()
    assert empty(rabbit, queue)


def test_a_broker_that_is_away_at_the_start_is_found_later(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed], caplog: pytest.LogCaptureFixture
) -> None:
    wire.refusing = True
    rabbit.declare(queue)
    rabbit.publish(queue, message(1))
    running = feed(declare=False)
    time.sleep(1.5)
    told = [r for r in caplog.records if r.name == "adapters.queue.consumer"]
    assert len(told) == 1, "told once, not with every attempt"
    assert "guest" not in caplog.text
    wire.refusing = False
    until(lambda: running.ids == ["M1"], "read once the broker is there")


def test_a_message_that_ends_its_reader_every_time_goes_to_the_dead_letters(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed(delivery_limit=2)
    until(lambda: publishable(rabbit, queue), "declared")
    running.refuse = lambda arrival: bool(wire.cut()) or True
    rabbit.publish(queue, message(1))
    until(lambda: rabbit.depth(f"{queue}.dead-letters") == 1, "given up by the broker, and kept there", 60)


def test_a_classic_queue_is_refused_unless_allowed(
    rabbit: Rabbit, queue: str, feed: Callable[..., Feed], caplog: pytest.LogCaptureFixture
) -> None:
    with rabbit.channel() as channel:
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-max-length": 100})
    rabbit.publish(queue, message(1))
    refused = feed(declare=False)
    until(lambda: any(getattr(r, "reason", "") == "queue-not-quorum" for r in caplog.records), "told why")
    assert refused.stored == []
    refused.stop()
    allowed = feed(declare=False, allow_classic=True)
    until(lambda: allowed.ids == ["M1"], "read")


def test_a_quorum_queue_with_arguments_of_its_own_is_recognised(
    rabbit: Rabbit, queue: str, feed: Callable[..., Feed]
) -> None:
    rabbit.declare(queue, x_dead_letter_exchange="elsewhere", x_max_length=100, x_single_active_consumer=True)
    rabbit.publish(queue, message(1))
    running = feed(declare=False)
    until(lambda: running.ids == ["M1"], "read")


@pytest.mark.parametrize(("arguments", "code"), [(None, "queue-missing"), ({"x_delivery_limit": 7}, "queue-differs")])
def test_a_queue_that_is_not_as_configured_is_named(
    rabbit: Rabbit,
    queue: str,
    feed: Callable[..., Feed],
    caplog: pytest.LogCaptureFixture,
    arguments: dict[str, Any] | None,
    code: str,
) -> None:
    if arguments is not None:
        rabbit.declare(queue, **arguments)
    feed(declare=arguments is not None)
    until(lambda: any(getattr(r, "reason", "") == code for r in caplog.records), "told why")
    (told,) = [r for r in caplog.records if getattr(r, "reason", "") == code]
    assert told.levelno == logging.ERROR
    assert told.hint


def test_drain_answers_what_is_in_hand(rabbit: Rabbit, queue: str, feed: Callable[..., Feed]) -> None:
    rabbit.declare(queue)
    rabbit.publish(queue, *[message(n) for n in range(5)])
    running = feed(declare=False)
    running.open.clear()
    until(lambda: running.offered == 5, "in hand")
    running.loop.call_soon_threadsafe(running.loop.call_later, 0.7, running.open.set)
    running.stop(10)
    assert len(running.stored) == 5
    assert empty(rabbit, queue)
    assert rabbit.take(queue) == []


def test_an_idle_connection_is_kept(rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]) -> None:
    running = feed(heartbeat_seconds=2)
    until(lambda: publishable(rabbit, queue), "declared")
    time.sleep(7)
    assert wire.connections == 1
    rabbit.publish(queue, message(1))
    until(lambda: running.ids == ["M1"], "read")


def test_a_broker_that_falls_silent_counts_as_gone(
    rabbit: Rabbit, wire: Wire, queue: str, feed: Callable[..., Feed]
) -> None:
    running = feed(heartbeat_seconds=2)
    until(lambda: publishable(rabbit, queue), "declared")
    time.sleep(1)
    wire.deaf = True
    until(lambda: wire.connections > 1, "a new connection")
    wire.deaf = False
    rabbit.publish(queue, message(1))
    until(lambda: running.ids == ["M1"], "read", 60)
