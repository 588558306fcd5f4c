"""A listener with an in-memory store, and a sender of raw bytes: what the MLLP tests talk through."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from adapters.hl7v2.mllp_source import Listener
from adapters.hl7v2.settings import MllpSource
from hie.errors import StoreUnavailable
from hie.model import Arrival, Receipt

T = TypeVar("T")
BODY = b"EVN|A08|20260102\rPID|1||77^^^NORTH^MR||DOE^JANE\rPV1|1|I|4WEST\r"


def message(
    control: str = "C1", *, kind: str = "ADT^A08", version: str = "2.5.1", tail: str = "", body: bytes = BODY
) -> bytes:
    return f"MSH|^~\\&|EHR|NORTH|HIE|REGION|20260102030405||{kind}|{control}|P|{version}{tail}\r".encode() + body


class Memory:
    """Takes arrivals after a delay; `down` refuses them as a full disk would."""

    def __init__(self, delay: float = 0.0) -> None:
        self.kept: list[Arrival] = []
        self.delay = delay
        self.down = False
        self.hold: asyncio.Event | None = None

    async def __call__(self, arrival: Arrival) -> Receipt:
        if self.hold is not None:
            await self.hold.wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.down:
            raise StoreUnavailable("full")
        self.kept.append(arrival)
        return Receipt(f"20260102-{len(self.kept):08d}")

    @property
    def taken(self) -> list[bytes]:
        return [a.keys.control_id for a in self.kept if a.refusal is None and a.keys]


class Tally:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.observed: list[tuple[str, float]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[(name, *(v for k, v in sorted(labels.items()) if k != "feed"))] += int(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.observed.append((name, value))


class Sender:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int = 1, seconds: float = 2.0) -> list[bytes]:
        """Up to `count` payloads; fewer at the end of the connection or of the time."""
        found = []
        try:
            async with asyncio.timeout(seconds):
                while len(found) < count:
                    found.append((await self.reader.readuntil(b"\x1c\r"))[1:-2])
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        return found

    async def codes(self, count: int = 1, seconds: float = 2.0) -> list[str]:
        """`AA:C1` for each answer heard."""
        return [code(payload) for payload in await self.hear(count, seconds)]

    async def closed(self, seconds: float = 2.0) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


def code(payload: bytes) -> str:
    separator = payload[3:4]
    fields = next(segment.split(separator) for segment in payload.split(b"\r") if segment.startswith(b"MSA"))
    return f"{fields[1].decode()}:{fields[2].decode()}"


def err(payload: bytes) -> str:
    return next((segment.decode() for segment in payload.split(b"\r") if segment.startswith(b"ERR")), "")


class Bench:
    """What a test gets: the listener, its store, its counters."""

    def __init__(self, listener: Listener, store: Memory, tally: Tally) -> None:
        self.listener, self.store, self.tally = listener, store, tally
        self.senders: list[Sender] = []

    async def dial(self, **options: Any) -> Sender:
        sender = Sender(*await asyncio.open_connection("127.0.0.1", self.listener.port, limit=1 << 20, **options))
        self.senders.append(sender)
        return sender

    async def ask(self, data: bytes, count: int = 1, seconds: float = 2.0) -> list[str]:
        sender = await self.dial()
        await sender.say(data)
        return await sender.codes(count, seconds)


def with_listener(body: Callable[[Bench], Awaitable[T]], store: Memory | None = None, **settings: Any) -> T:
    async def inside() -> T:
        kept, tally = store or Memory(), Tally()
        listener = Listener("north", MllpSource(port=0, **settings), kept, tally)
        await listener.start()
        bench = Bench(listener, kept, tally)
        try:
            async with asyncio.timeout(60):
                return await body(bench)
        finally:
            for sender in bench.senders:
                sender.close()
            await listener.drain(1)

    return asyncio.run(inside())
