"""The web process: builds the services of this node and serves them until SIGTERM, then drains."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from hie import console, control
from hie.access.authenticate import Authenticator
from hie.api.app import build
from hie.api.connection import Connection
from hie.errors import ConfigurationError, StoreUnavailable
from hie.intake import client, door, journals
from hie.intake.postgres import is_postgres
from hie.intake.reader import Entry
from hie.metrics import meter
from hie.model import Arrival, Receipt
from hie.sections import Http
from hie.settings import Settings
from hie.store.database import open_reader
from hie.web.body import Budget
from hie.web.door import Door
from hie.web.services import Services

DRAIN_SECONDS = 10
BODIES_AT_ONCE = 4
"""Largest bodies that the process holds at once."""


def run(settings: Settings, listener: socket.socket | None = None) -> None:
    """Serves until SIGTERM, on `listener` where the parent has one. Raises ConfigurationError where the address cannot be
    had."""
    listener = listener or bind(settings.http)
    port = listener.getsockname()[1]
    (settings.var / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    (settings.var / "run" / "http.port").write_text(f"{port}\n")
    # paths and addresses of every request are nobody's business, and what is not logged cannot leak
    logging.getLogger("uvicorn.access").disabled = True
    server = uvicorn.Server(
        uvicorn.Config(
            console.mounted(build(services(settings), console.routes())),
            http=Connection,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=30,
            limit_concurrency=1000,
            backlog=1024,
            h11_max_incomplete_event_size=64 * 1024,
            proxy_headers=False,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal again once it has drained; a handler of our own makes that an orderly end
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


def bind(http: Http) -> socket.socket:
    """A socket that has the address, and listens once the web process is there to answer. Raises ConfigurationError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every answer waits 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((http.host, http.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"http cannot listen on {http.host}:{http.port} ({error.strerror})",
            code="address-in-use",
            hint="another program has the port; set http.port",
        ) from None
    listener.setblocking(False)
    return listener


def services(settings: Settings) -> Services:
    """The node's own: its database read only, its intake and engine by their sockets."""
    var = settings.var
    reader = open_reader(settings.database_url)
    budget = Budget(settings.http.max_body * BODIES_AT_ONCE)
    readers = threading.local()

    def raw(message_id: str) -> Entry:
        if getattr(readers, "mine", None) is None:
            readers.mine = journals.open_reader(settings.database_url, var / "journal")
        entry: Entry = readers.mine.get(message_id)
        return entry

    def submit(arrival: Arrival) -> Awaitable[Receipt]:
        return client.submit(var / door.SOCKET, arrival)

    def ask(command: str, arguments: dict[str, Any], actor: str) -> Awaitable[Any]:
        return control.call(var, command, arguments, actor)

    return Services(
        settings=settings,
        var=var,
        reader=reader,
        door=Door(Authenticator(reader), budget, ask),
        submit=submit,
        intake_ready=lambda: _intake_answers(settings),
        control=ask,
        raw=raw,
        budget=budget,
        meter=meter(),
    )


async def _intake_answers(settings: Settings) -> bool:
    """Whether intake answers and its journal takes writes; where that lies on this disk, whether the disk does so now."""
    if not await client.healthy(settings.var / door.SOCKET):
        return False
    return is_postgres(settings.database_url) or await asyncio.to_thread(_writable, settings.var / "journal")


def _writable(directory: Path) -> bool:
    probe = directory / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"x" * 4096)
    except OSError as error:
        raise StoreUnavailable(f"the journal's disk takes no write ({error.strerror})") from None
    finally:
        with suppress(OSError):
            probe.unlink()
    return True
