"""Who gives way when connections or memory run out: never the sender that does everything right."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.hl7v2.framing import frame
from adapters.hl7v2.mllp_caps import DRIP_SECONDS, Caps
from adapters.hl7v2.mllp_source import Listener
from adapters.hl7v2.search import PIECE, find
from adapters.hl7v2.settings import MllpSource
from hie.intake.budget import Budget
from tests.adapters.hl7v2.mllp_bench import BODY, Bench, Memory, Tally, message, with_listener

CLOSED = "hie_connections_closed_total"


class Holder(SimpleNamespace):
    """A connection as the caps see it; hashed by itself."""

    __hash__ = object.__hash__

    def evict(self) -> None:
        self.evicted = True


def holder(**facts: Any) -> Any:
    usual = {"address": "a", "busy": False, "waiting": False, "frames": 0, "last_active": 0.0, "begun": 0.0}
    return Holder(**{**usual, "evicted": False, **facts})


def test_who_gives_way_at_a_cap() -> None:
    """Idle ones first, those that never sent before the others; then who drips; never who waits for an answer."""
    now = 100.0
    waiting = holder(busy=True, waiting=True)
    sent = holder(frames=1, last_active=1.0)
    never = holder(last_active=99.0)
    drips = holder(busy=True, begun=now - DRIP_SECONDS - 1)
    fresh = holder(busy=True, begun=now - 1)
    caps = Caps(5, 5, lambda: now)
    for one in (waiting, sent, never, drips, fresh):
        assert caps.admit(one) == ""
    for victim in (never, sent, drips):
        assert caps.admit(holder(busy=True, waiting=True)) == ""
        assert victim.evicted
    assert caps.admit(holder()) == "address-cap"
    assert not fresh.evicted
    assert not waiting.evicted


def test_senders_that_drip_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.hl7v2.mllp_caps.DRIP_SECONDS", 0.2)

    async def body(bench: Bench) -> None:
        slow = [await bench.dial() for _ in range(5)]
        for sender in slow:
            await sender.say(b"\x0bMSH|")
        await asyncio.sleep(0.4)
        for sender in slow:
            await sender.say(b"x")
        assert await bench.ask(frame(message())) == ["AA:C1"]
        assert await slow[0].closed()
        assert bench.tally.counts[(CLOSED, "evicted")] == 1

    with_listener(body, max_connections=5)


@pytest.mark.parametrize(("reconnect", "closed"), [("keep", False), ("replace", True)])
def test_a_new_connection_of_the_same_source(reconnect: str, closed: bool) -> None:
    async def body(bench: Bench) -> None:
        idle, half = [await bench.dial() for _ in range(2)] if reconnect == "keep" else [await bench.dial()] * 2
        await half.say(b"\x0bMSH|half")
        await asyncio.sleep(0.05)
        assert await bench.ask(frame(message("NEW"))) == ["AA:NEW"]
        assert await idle.closed(0.5) is closed
        assert bench.tally.counts[(CLOSED, "replaced")] == int(closed)

    with_listener(body, reconnect=reconnect)


def test_who_is_replaced_gets_what_it_is_owed() -> None:
    async def body(bench: Bench) -> None:
        bench.store.hold = asyncio.Event()
        earlier = await bench.dial()
        await earlier.say(frame(message("OWED")))
        await asyncio.sleep(0.05)
        await bench.dial()
        await asyncio.sleep(0.05)
        bench.store.hold.set()
        assert await earlier.codes() == ["AA:OWED"]
        assert await earlier.closed()

    with_listener(body, reconnect="replace")


class Shared(Memory):
    """A store with the byte budget of its process."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.budget = Budget(limit)


def test_the_budget_counts_over_all_listeners_and_the_heaviest_gives_way() -> None:
    """The memory fills with half-sent frames on one feed. Another feed's sender is served, and loses nothing."""

    async def body() -> None:
        store, tally = Shared(4_000_000), Tally()
        heavy, light = (Listener(name, MllpSource(port=0), store, tally) for name in ("heavy", "light"))
        await heavy.start()
        await light.start()
        writers = []
        try:
            for n in range(8):
                _, writer = await asyncio.open_connection("127.0.0.1", heavy.port)
                writer.write(b"\x0b" + message(f"H{n}") + b"x" * 900_000)
                writers.append(writer)
            _, half = await asyncio.open_connection("127.0.0.1", light.port)
            half.write(b"\x0b" + message("HALF")[:60])
            writers.append(half)
            await asyncio.sleep(0.2)
            reader, writer = await asyncio.open_connection("127.0.0.1", light.port)
            writers.append(writer)
            async with asyncio.timeout(10):
                for n in range(20):
                    writer.write(frame(message(f"G{n}")))
                    assert f"AA|G{n}\r".encode() in await reader.readuntil(b"\x1c\r")
                while store.budget.full or not tally.counts[(CLOSED, "memory")]:
                    await asyncio.sleep(0.05)
            assert len(light.connections) == 2, "the feed that holds little loses nobody"
            assert store.budget.heaviest == "heavy"
        finally:
            for writer in writers:
                writer.transport.abort()
            await asyncio.gather(heavy.drain(1), light.drain(1))
        for _ in range(100):
            if store.budget.used:
                await asyncio.sleep(0.05)
        assert store.budget.used == 0

    asyncio.run(body())


@pytest.mark.invariant(5)
def test_small_messages_behind_a_large_one_keep_their_place() -> None:
    """A large frame is looked at beside the loop: what comes behind it on the same connection waits, nobody else."""
    large = message("L", body=BODY + b"OBX|1|TX|1^note||" + b"x" * 2_000_000 + b"\r")
    several = large + message("M")

    async def body(bench: Bench) -> None:
        sent = frame(large) + frame(message("A")) + frame(several) + frame(message("B", version="9.9"))
        assert await bench.ask(sent, 5, 10) == ["AA:L", "AA:A", "AA:L", "AA:M", "AR:B"]
        assert [arrival.raw for arrival in bench.store.kept][:2] == [large, message("A")]
        assert bench.listener.budget.used == 0

    with_listener(body)


@pytest.mark.parametrize("at", [0, 5, PIECE - 2, PIECE - 1, PIECE, PIECE + 7, 2 * PIECE - 3])
def test_a_search_in_pieces_finds_what_lies_across_them(at: int) -> None:
    raw = b"." * at + b"\rPID" + b"." * (3 * PIECE - at)
    assert find(raw, b"\rPID") == raw.find(b"\rPID") == at
    assert find(raw, b"\rPID", at + 1) == -1
