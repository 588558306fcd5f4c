"""Who sent what and who got what: kept by the senders and sinks of a simulation, never by the node."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from hie.simulation.wire import Framed, acknowledgement, field


class CountingSink:
    """An MLLP subscriber that answers AA, counts by MSH-10 and checks the order per (connection of the sender, patient).

    Control ids of the form `RUN-CONNECTION-NUMBER` carry the order in which they were sent.
    """

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.times: Counter[str] = Counter()
        self.out_of_order = 0
        self.contents: dict[str, bytes] = {}
        self.keep_contents = False
        self._high: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._open: set[Framed] = set()
        self.refuse = False

    async def start(self, host: str, port: int) -> int:
        """Listens; answers the port."""

        def connection() -> Framed:
            made = Framed(self._received, lambda: self._open.discard(made))
            self._open.add(made)
            return made

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connection, host, port, reuse_address=True)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._open):
            if connection.transport is not None:
                connection.transport.abort()
        while self._open:
            await asyncio.sleep(0)

    def _received(self, connection: Framed, message: bytes) -> None:
        if self.refuse:
            connection.send(acknowledgement(message, b"AE", sum(self.times.values())))
            return
        control_id = field(message, b"MSH", 10).decode("latin-1")
        self.times[control_id] += 1
        if control_id not in self.first:
            self.first[control_id] = time.perf_counter()
            if self.keep_contents:
                self.contents[control_id] = message
            self._check_order(control_id, message)
        connection.send(acknowledgement(message, b"AA", sum(self.times.values())))

    def _check_order(self, control_id: str, message: bytes) -> None:
        source, _, number = control_id.rpartition("-")
        if number.isdigit():
            key = f"{source}|{field(message, b'PID', 3).split(b'^')[0].decode('latin-1')}"
            self.out_of_order += int(number) < self._high.get(key, -1)
            self._high[key] = max(self._high.get(key, -1), int(number))

    @property
    def duplicates(self) -> int:
        return sum(n - 1 for n in self.times.values())


def percentile(values: list[float], share: float) -> float | None:
    """Milliseconds, three decimals; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)
