"""What stands between a node and its broker in tests: a wire that can be cut, and a feed whose store a test decides."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from adapters.queue.settings import QueueSource
from adapters.queue.source import QueueFeed
from hie.errors import StoreUnavailable
from hie.intake.opening import Opening
from hie.metrics import NoMeter
from hie.model import Arrival, Receipt
from tests.adapters.queue.rabbit import PASSWORD, Rabbit


class Wire:
    """Forwards TCP to the broker. `cut()` resets every connection; `deaf` swallows what the broker says."""

    def __init__(self, rabbit: Rabbit) -> None:
        self.rabbit = rabbit
        self.deaf = False
        self.refusing = False
        self.connections = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return self.rabbit.url(self.port).replace(f"@{self.rabbit.host}:", "@127.0.0.1:")

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for side in pair:
                with suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def close(self) -> None:
        self.refusing = True
        self._server.close()
        self.cut()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self.refusing:
                    near.close()
                    continue
                self.connections += 1
                far = socket.create_connection((self.rabbit.host, self.rabbit.port), 10)
                far.settimeout(None)
                self._pairs.append((near, far))
                threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not (answers and self.deaf):
                    target.sendall(data)
        for side in (source, target):
            side.close()


class Feed:
    """A running source whose store is `stored`. `refuse` says which arrivals the store does not take."""

    def __init__(self, url: str, queue: str, format: str = "hl7v2", **settings: Any) -> None:
        self.stored: list[Arrival] = []
        self.offered = 0
        self.refuse: Callable[[Arrival], bool] = lambda arrival: False
        self.open = threading.Event()
        """Cleared: the store takes its time."""
        self.open.set()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        options = QueueSource(url=url, queue=queue, password_env=PASSWORD, **settings)
        self.source = QueueFeed("north", options, self.accept, NoMeter(), Opening("north", format))

    def start(self) -> Feed:
        asyncio.run_coroutine_threadsafe(self.source.start(), self.loop).result(10)
        return self

    def stop(self, seconds: float = 5) -> None:
        asyncio.run_coroutine_threadsafe(self.source.drain(seconds), self.loop).result(seconds + 20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    @property
    def ids(self) -> list[str]:
        return [a.keys.control_id.decode() for a in self.stored if a.keys is not None]

    async def accept(self, arrival: Arrival) -> Receipt:
        self.offered += 1
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        if self.refuse(arrival):
            raise StoreUnavailable("not now")
        self.stored.append(arrival)
        return Receipt(f"20260101-{len(self.stored):08d}")


def message(number: int, *, text: str = "") -> bytes:
    """An HL7v2 message with the control id `M<number>`."""
    return (
        f"MSH|^~\\&|EHR|NORTH|HIE|REGION|20260101120000||ADT^A08|M{number}|P|2.5.1\r"
        f"EVN|A08|20260101120000\rPID|1||{number}^^^NORTH^MR||CANARY^PATIENT||19700101|F{text}\r"
    ).encode()
