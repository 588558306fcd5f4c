from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.adapters.queue.rabbit import PASSWORD, OwnRabbit, Rabbit, installed

HOW = "set HIE_TEST_RABBITMQ to amqp://user:password@host:5672/vhost, or apt-get install rabbitmq-server"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    named = os.environ.get("HIE_TEST_RABBITMQ")
    found = Rabbit(named or "amqp://guest:guest@127.0.0.1:5672/")
    if found.answers:
        yield found
    elif named or installed("rabbitmq-server") is None:
        pytest.skip(f"no RabbitMQ at {found.host}:{found.port}: {HOW}")
    else:
        own = OwnRabbit(tmp_path_factory.mktemp("rabbit"))
        own.start()
        yield own
        own.kill()


@pytest.fixture
def rabbit(broker: Rabbit, monkeypatch: pytest.MonkeyPatch) -> Rabbit:
    monkeypatch.setenv(PASSWORD, broker.password)
    return broker


@pytest.fixture
def queue(rabbit: Rabbit) -> Iterator[str]:
    """A name nobody else uses; what was declared under it is gone afterwards."""
    name = f"hie-test.{os.getpid()}.{next(_numbers)}"
    yield name
    with suppress(Exception):
        rabbit.delete(name, f"{name}.dead-letters", f"{name}.out", f"{name}.out.dead-letters")


@pytest.fixture
def own_rabbit(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRabbit]:
    """A broker that a test may kill."""
    if installed("rabbitmq-server") is None:
        pytest.skip(f"no rabbitmq-server to start one that may be killed: {HOW}")
    own = OwnRabbit(tmp_path_factory.mktemp("rabbit"))
    monkeypatch.setenv(PASSWORD, own.password)
    own.start()
    yield own
    own.kill()
