"""What `hie doctor` finds out about a broker, and that it makes nothing there."""

from __future__ import annotations

import pytest

from adapters.queue.broker_probe import probe
from adapters.queue.settings import QueueSink, QueueSource
from hie.errors import HieError
from tests.adapters.queue.rabbit import PASSWORD, Rabbit


def found(rabbit: Rabbit, **settings: object) -> str:
    """What was found, or the code of the error."""
    options = {"url": rabbit.url(), "password_env": PASSWORD, **settings}
    try:
        model = QueueSink if "exchange" in settings else QueueSource
        return probe(model.model_validate(options))
    except HieError as error:
        return error.code if rabbit.password not in str(error) else "told the password"


def test_the_probe_tells_what_is_there_and_makes_nothing(
    rabbit: Rabbit, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(rabbit, queue=queue) == "queue-missing"
    assert found(rabbit, queue=queue) == "queue-missing", "the first look made one"
    assert found(rabbit, exchange=queue) == "broker"
    assert "lets us in" in found(rabbit, queue=queue, declare=True)
    assert found(rabbit, queue=queue) == "queue-missing"
    rabbit.declare(queue)
    assert "the queue is as it must be" in found(rabbit, queue=queue)
    with rabbit.channel() as channel:
        channel.queue_declare(f"{queue}.out", durable=True, auto_delete=False)
        channel.exchange_declare(queue, "topic", durable=True, auto_delete=False)
    assert found(rabbit, queue=f"{queue}.out") == "queue-not-quorum"
    assert "the exchange is there" in found(rabbit, exchange=queue)
    assert found(rabbit, url="amqp://guest@127.0.0.1:9/", queue=queue) == "broker"
    monkeypatch.setenv(PASSWORD, "another")
    assert found(rabbit, queue=queue) == "broker"
