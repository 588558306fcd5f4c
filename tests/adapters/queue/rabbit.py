"""A real RabbitMQ for tests: the one that HIE_TEST_RABBITMQ names, the one of this machine, or one started here.

What a clinic does is done with py-amqp alone, so that it cannot share a fault with the adapter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import amqp

from hie.simulation.process import free_port

PASSWORD = "HIE_TEST_QUEUE_PASSWORD"
"""Environment variable in which nodes and adapters under test find the password."""
QUORUM = {"x-queue-type": "quorum"}


class Rabbit:
    """An address of a broker, with what a clinic does there."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5672
        self.user, self.password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self.vhost = unquote(parts.path[1:]) or "/"

    def url(self, port: int = 0) -> str:
        """As a configuration has it: without the password."""
        return f"amqp://{quote(self.user)}@{self.host}:{port or self.port}/{quote(self.vhost, safe='')}"

    @contextmanager
    def channel(self) -> Iterator[Any]:
        connection = amqp.Connection(
            f"{self.host}:{self.port}", self.user, self.password, virtual_host=self.vhost, connect_timeout=10,
            confirm_publish=True, read_timeout=30, write_timeout=30,
        )  # fmt: skip
        connection.connect()
        try:
            channel = connection.channel()
            channel.auto_decode = False
            yield channel
        finally:
            with suppress(Exception):
                connection.close()

    @property
    def answers(self) -> bool:
        try:
            with self.channel():
                return True
        except (OSError, amqp.AMQPError):
            return False

    def declare(self, queue: str, **arguments: Any) -> None:
        with self.channel() as channel:
            given = QUORUM | {name.replace("_", "-"): value for name, value in arguments.items()}
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=given)

    def publish(self, queue: str, *bodies: bytes, **properties: Any) -> None:
        """Each confirmed by the broker before this returns."""
        with self.channel() as channel:
            for body in bodies:
                channel.basic_publish(amqp.Message(body, delivery_mode=2, **properties), routing_key=queue, timeout=30)

    def depth(self, queue: str) -> int:
        """Messages that wait; those in a consumer's hands are not counted."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def take(self, queue: str) -> list[Any]:
        """Everything that waits, acknowledged."""
        found = []
        with self.channel() as channel:
            while (message := channel.basic_get(queue)) is not None:
                channel.basic_ack(message.delivery_tag)
                found.append(message)
        return found

    def delete(self, *queues: str) -> None:
        with self.channel() as channel:
            for queue in queues:
                channel.queue_delete(queue)
                channel.exchange_delete(queue)


class OwnRabbit(Rabbit):
    """A broker of our own in `directory`, which may be killed. It has its own ports, name, cookie and data."""

    def __init__(self, directory: Path, configuration: str = "", plugins: str = "") -> None:
        super().__init__(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
        self.directory = directory
        self.name = f"hie-{os.getpid()}-{self.port}@localhost"
        self.process: subprocess.Popen[bytes] | None = None
        (directory / "plugins").write_text(f"[{plugins}].\n")
        (directory / "rabbitmq.conf").write_text(f"log.console.level = error\nheartbeat = 10\n{configuration}")
        self.environment = {
            **os.environ,
            "HOME": str(directory),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
        }

    def start(self) -> None:
        program = installed("rabbitmq-server")
        assert program is not None
        with (self.directory / "out.log").open("ab") as output:
            self.process = subprocess.Popen(
                [program],
                env=self.environment,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                start_new_session=True,
            )
        until(lambda: self.answers, "the broker answers", 90)

    def kill(self) -> None:
        """SIGKILL for the broker and nothing else."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        until(lambda: not self.answers, "the broker has gone")

    def control(self, *arguments: str) -> str:
        program = installed("rabbitmqctl")
        assert program is not None
        done = subprocess.run(
            [program, "-n", self.name, *arguments],
            env=self.environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout


def installed(program: str) -> str | None:
    """The script itself: the wrapper in the path of some distributions changes the user and loses the environment."""
    for found in sorted(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{program}")):
        return str(found)
    return shutil.which(program)


def until(holds: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
