"""A subscriber behind a queue of a real broker: delivered means confirmed, and a repeat carries the same key."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from adapters.queue.settings import QueueSink
from adapters.queue.sink import QueueSubscriber, connect
from hie.errors import DeliveryError, OutcomeUnknown, PermanentRefusal, TemporaryFailure
from hie.metrics import NoMeter
from tests.adapters.queue.rabbit import PASSWORD, OwnRabbit, Rabbit, until
from tests.adapters.queue.wire import Wire, message


class Sending:
    """Sinks on an event loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.sinks: list[Any] = []

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(90)

    def sink(self, url: str, **settings: Any) -> Callable[[bytes, str], str]:
        options = QueueSink(url=url, password_env=PASSWORD, **settings)
        made = connect(options, NoMeter())
        assert isinstance(made, QueueSubscriber)
        self.sinks.append(made)
        return lambda payload, key: self.do(made.send(payload, key))

    def stop(self) -> None:
        for sink in self.sinks:
            self.do(sink.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture
def sending() -> Iterator[Sending]:
    made = Sending()
    yield made
    made.stop()


@pytest.fixture
def wire(rabbit: Rabbit) -> Iterator[Wire]:
    made = Wire(rabbit)
    yield made
    made.close()


def refused(send: Callable[[bytes, str], str], payload: bytes, key: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(payload, key)
    assert "CANARY" not in str(caught.value)
    return caught.value


def test_what_is_confirmed_lies_in_the_queue(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    send = sending.sink(rabbit.url(), queue=queue, declare=True, headers={"region": "north"})
    for n in range(5):
        assert send(message(n), f"D-{n}") == "confirmed"
    assert send(b'{"resourceType": "Bundle"}', "D-5") == "confirmed"
    found = rabbit.take(queue)
    assert [m.body for m in found[:5]] == [message(n) for n in range(5)]
    assert [m.properties["message_id"] for m in found] == [f"D-{n}" for n in range(6)]
    assert {m.properties["delivery_mode"] for m in found} == {2}
    assert [m.properties["content_type"] for m in found[4:]] == ["application/hl7-v2", "application/fhir+json"]
    assert found[0].headers == {"region": "north", "hie-delivery": "D-0", **found[0].headers}


@pytest.mark.invariant(8)
def test_nothing_of_the_patient_beside_the_body(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    send = sending.sink(rabbit.url(), queue=queue, declare=True)
    send(message(448812), "D-1")
    (found,) = rabbit.take(queue)
    beside = repr((found.properties, found.delivery_info))
    assert "CANARY" not in beside
    assert "448812" not in beside
    assert not sending.sinks[0].idempotent


@pytest.mark.parametrize(("setting", "kind"), [("retry", TemporaryFailure), ("refuse", PermanentRefusal)])
def test_what_no_queue_takes_is_not_delivered(
    rabbit: Rabbit, queue: str, sending: Sending, setting: str, kind: type[DeliveryError]
) -> None:
    with rabbit.channel() as channel:
        channel.exchange_declare(queue, "direct", durable=True, auto_delete=False)
    send = sending.sink(rabbit.url(), exchange=queue, routing_key="records", unroutable=setting)
    error = refused(send, message(1), "D-1")
    assert isinstance(error, kind)
    assert error.code == "queue-unroutable"
    rabbit.declare(f"{queue}.out")
    with rabbit.channel() as channel:
        channel.queue_bind(f"{queue}.out", queue, "records")
    assert send(message(2), "D-2") == "confirmed", "the same connection goes on"
    assert [m.body for m in rabbit.take(f"{queue}.out")] == [message(2)]


def test_what_is_not_there_is_a_temporary_failure(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    for settings, code in (
        ({"url": rabbit.url(), "queue": queue}, "queue-missing"),
        ({"url": rabbit.url(), "exchange": queue}, "queue-not-found"),
        ({"url": "amqp://guest@127.0.0.1:9/", "queue": queue}, "queue-connect"),
    ):
        error = refused(sending.sink(**settings), message(1), "D-1")
        assert isinstance(error, TemporaryFailure)
        assert error.code == code


def test_a_wrong_or_missing_password_is_a_temporary_failure(
    rabbit: Rabbit, queue: str, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = sending.sink(rabbit.url(), queue=queue)
    monkeypatch.setenv(PASSWORD, "not-the-password")
    error = refused(send, message(1), "D-1")
    assert isinstance(error, TemporaryFailure)
    assert "access-refused" in str(error)
    assert "not-the-password" not in str(error)
    monkeypatch.delenv(PASSWORD)
    assert refused(send, message(1), "D-1").code == "no-password"


def test_a_classic_queue_is_refused_unless_allowed(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    with rabbit.channel() as channel:
        channel.queue_declare(queue, durable=True, auto_delete=False)
    assert refused(sending.sink(rabbit.url(), queue=queue), message(1), "D-1").code == "queue-not-quorum"
    assert sending.sink(rabbit.url(), queue=queue, allow_classic=True)(message(1), "D-1") == "confirmed"


def test_a_full_queue_is_a_temporary_failure(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    rabbit.declare(queue, x_max_length=1, x_overflow="reject-publish")
    send = sending.sink(rabbit.url(), queue=queue)
    codes = []
    for n in range(20):
        try:
            codes.append(send(message(n), f"D-{n}"))
        except TemporaryFailure as error:
            codes.append(error.code)
    assert codes[0] == "confirmed"
    assert codes[-1] == "queue-nack"
    taken = [m.properties["message_id"] for m in rabbit.take(queue)]
    assert taken == [f"D-{n}" for n, code in enumerate(codes) if code == "confirmed"]
    assert send(message(30), "D-30") == "confirmed", "the same connection goes on"


@pytest.mark.invariant(6)
def test_without_a_confirm_the_outcome_is_unknown_and_the_key_stays(
    rabbit: Rabbit, wire: Wire, queue: str, sending: Sending
) -> None:
    send = sending.sink(wire.url, queue=queue, declare=True, confirm_seconds=30)
    send(message(1), "D-1")
    wire.deaf = True
    threading.Timer(1.0, wire.cut).start()
    error = refused(send, message(2), "D-2")
    assert isinstance(error, OutcomeUnknown)
    assert error.code == "queue-lost"
    wire.deaf = False
    assert send(message(2), "D-2") == "confirmed"
    found = [m.properties["message_id"] for m in rabbit.take(queue)]
    assert found == ["D-1", "D-2", "D-2"], "it had arrived: twice under one key"


def test_a_late_confirm_is_not_taken_for_the_next_message(
    rabbit: Rabbit, wire: Wire, queue: str, sending: Sending
) -> None:
    send = sending.sink(wire.url, queue=queue, declare=True, confirm_seconds=1)
    send(message(1), "D-1")
    wire.deaf = True
    error = refused(send, message(2), "D-2")
    assert isinstance(error, OutcomeUnknown)
    assert error.code == "queue-timeout"
    before = wire.connections
    wire.deaf = False
    assert send(message(3), "D-3") == "confirmed"
    assert wire.connections == before + 1


def test_a_connection_that_went_while_idle_costs_nothing(
    rabbit: Rabbit, wire: Wire, queue: str, sending: Sending
) -> None:
    send = sending.sink(wire.url, queue=queue, declare=True)
    send(message(1), "D-1")
    wire.cut()
    time.sleep(0.2)
    assert send(message(2), "D-2") == "confirmed"
    assert [m.properties["message_id"] for m in rabbit.take(queue)] == ["D-1", "D-2"]


def test_an_idle_connection_is_kept(rabbit: Rabbit, wire: Wire, queue: str, sending: Sending) -> None:
    send = sending.sink(wire.url, queue=queue, declare=True, heartbeat_seconds=2)
    send(message(1), "D-1")
    time.sleep(7)
    send(message(2), "D-2")
    assert wire.connections == 1


def test_several_tasks_take_turns(rabbit: Rabbit, queue: str, sending: Sending) -> None:
    sending.sink(rabbit.url(), queue=queue, declare=True)
    sink = sending.sinks[0]

    async def all_at_once() -> list[str]:
        return list(await asyncio.gather(*(sink.send(message(n), f"D-{n}") for n in range(20))))

    assert sending.do(all_at_once()) == ["confirmed"] * 20
    assert len(rabbit.take(queue)) == 20


@pytest.mark.slow
def test_a_broker_in_alarm_gets_one_message_and_no_more_until_it_is_over(
    own_rabbit: OwnRabbit, sending: Sending
) -> None:
    send = sending.sink(own_rabbit.url(), queue="out", declare=True, confirm_seconds=2, heartbeat_seconds=5)
    assert send(message(1), "D-1") == "confirmed"
    own_rabbit.control("set_vm_memory_high_watermark", "absolute", "1MB")
    until(lambda: "memory" in own_rabbit.control("eval", "rabbit_alarm:get_alarms()."), "the alarm")
    time.sleep(1)
    assert isinstance(refused(send, message(2), "D-2"), OutcomeUnknown)
    for _ in range(3):
        error = refused(send, message(2), "D-2")
        assert isinstance(error, TemporaryFailure)
        assert error.code == "queue-blocked"
    own_rabbit.control("set_vm_memory_high_watermark", "0.4")

    def taken() -> bool:
        try:
            return send(message(2), "D-2") == "confirmed"
        except DeliveryError:
            return False

    until(taken, "the alarm is over")
    keys = [m.properties["message_id"] for m in own_rabbit.take("out")]
    assert keys[0] == "D-1"
    assert set(keys[1:]) == {"D-2"}
    assert len(keys) <= 3
