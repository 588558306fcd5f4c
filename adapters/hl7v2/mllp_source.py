"""The MLLP listener: a thin shell around the framer, the peek and the acknowledgement.

Each connection keeps its answers in the order of its messages, whatever order the commits end in. Nothing is parsed
here, so a message of 20,000 segments costs a search and a copy.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from adapters.hl7v2.mllp_caps import Caps, Share
from adapters.hl7v2.mllp_connection import Connection
from adapters.hl7v2.mllp_tls import Door, server_files
from adapters.hl7v2.peek import Policy
from adapters.hl7v2.settings import MllpSource
from hie.errors import ConfigurationError
from hie.ports import Accept, Meter, Source, Verdict

log = logging.getLogger(__name__)
SWEEP_SECONDS = 0.5


class Listener:
    """One bound address of one feed (hie.ports.Source)."""

    def __init__(self, feed: str, settings: MllpSource, accept: Accept, meter: Meter) -> None:
        self.feed = feed
        self.settings = settings
        self.accept = accept
        self.meter = meter
        self.policy = Policy(
            unknown_version=settings.unknown_version == "accept",
            unknown_type=settings.unknown_type == "accept",
            no_control_id=settings.no_control_id == "accept",
        )
        self.caps = Caps(settings.max_connections, settings.max_connections_per_address)
        self.budget = Share(feed, settings.memory_bytes, getattr(accept, "budget", None))
        self.verdict: Verdict | None = getattr(accept, "verdict", None)
        self.paused: set[Connection] = set()
        self.draining = False
        self._tls = server_files(feed, settings.tls, meter) if settings.tls else None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use, once started."""
        if self._server is None:
            return self.settings.port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> list[Connection]:
        return [holder for holder in self.caps.holders() if isinstance(holder, Connection)]

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        if self.settings.ack == "after-decode" and self.verdict is None:
            text = f"feed {self.feed}: nothing here can read a message before it is answered"
            raise ConfigurationError(text, code="no-verdict", hint="ack: after-commit")
        if self._tls is not None:
            self._tls.current()
        try:
            self._server = await loop.create_server(
                self._protocol,
                self.settings.host,
                self.settings.port,
                reuse_address=True,
                backlog=512,
            )
        except OSError as error:
            raise ConfigurationError(
                f"feed {self.feed}: cannot listen on {self.settings.host}:{self.settings.port}: {error.strerror}",
                code="address-in-use",
                hint="is another node running, or is the address of another host?",
            ) from error
        self._sweeper = loop.create_task(self._sweep())

    def _protocol(self) -> asyncio.Protocol:
        tls = self.settings.tls
        return Door(self, tls, self._tls) if tls and self._tls else Connection(self)

    async def drain(self, seconds: float) -> None:
        """Finishes and answers the frames in hand, then closes every connection; after `seconds` it closes them all."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.close_when_idle()
        deadline = asyncio.get_running_loop().time() + seconds
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in self.connections:
            connection.abort("drain")
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.meter.count(name, amount, feed=self.feed, **labels)

    def relax(self) -> None:
        """Lets paused readers go on once there is room again."""
        if self.paused and not self.budget.full:
            for connection in list(self.paused):
                connection.resume()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            connections = self.connections
            for connection in connections:
                connection.check_time(now)
            while self.budget.must_shed and self.paused and not any(c.waiting for c in connections):
                # nothing is on its way to the disk, so nothing will free the memory: the largest must go
                largest = max(connections, key=lambda c: c.held)
                largest.overflow()
                connections.remove(largest)
            self.relax()


def serve(feed: str, settings: MllpSource, accept: Accept, meter: Meter) -> Source:
    """The entry named in manifest.toml."""
    return Listener(feed, settings, accept, meter)
