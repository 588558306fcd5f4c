"""What a listener does under pressure: order, caps, time-outs, memory, drain, TLS."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from adapters.hl7v2.framing import frame
from adapters.hl7v2.mllp_answers import Answers
from adapters.hl7v2.mllp_caps import allowed
from adapters.hl7v2.mllp_source import Listener
from adapters.hl7v2.settings import LOOPBACK, MllpSource
from hie.errors import ConfigurationError
from tests.adapters.hl7v2.mllp_bench import Bench, Memory, Tally, message, with_listener


@pytest.mark.invariant(5)
def test_answers_keep_the_order_of_the_messages() -> None:
    """Even where a later commit ends first, and past the pipelining limit."""

    class Uneven(Memory):
        async def __call__(self, arrival):  # type: ignore[no-untyped-def]
            await asyncio.sleep(0.002 if len(arrival.raw) % 2 else 0)
            return await super().__call__(arrival)

    async def body(bench: Bench) -> list[str]:
        sent = b"".join(frame(message(f"N{n}", body=b"PID|||1\r" + b"x" * (n % 7))) for n in range(500))
        return await bench.ask(sent, 500, 10)

    assert with_listener(body, Uneven(), max_pipelined=16) == [f"AA:N{n}" for n in range(500)]


def test_idle_connections_give_way_to_a_good_one() -> None:
    async def body(bench: Bench) -> None:
        good = await bench.dial()
        await good.say(frame(message("FIRST")))
        assert await good.codes() == ["AA:FIRST"]
        idle = [await bench.dial() for _ in range(60)]
        await asyncio.sleep(0.1)
        assert len(bench.listener.connections) == 10
        assert await bench.ask(frame(message("LATE"))) == ["AA:LATE"]
        await good.say(frame(message("AGAIN")))
        assert await good.codes() == ["AA:AGAIN"], "a connection that has sent messages outlives those that never did"
        assert await idle[0].closed()
        assert bench.tally.counts[("hie_connections_closed_total", "evicted")] >= 51

    with_listener(body, max_connections_per_address=10)


def test_busy_connections_are_not_evicted() -> None:
    async def body(bench: Bench) -> None:
        bench.store.hold = asyncio.Event()
        busy = [await bench.dial() for _ in range(3)]
        for number, sender in enumerate(busy):
            await sender.say(frame(message(f"B{number}")))
        await asyncio.sleep(0.05)
        late = await bench.dial()
        assert await late.closed()
        bench.store.hold.set()
        for number, sender in enumerate(busy):
            assert await sender.codes() == [f"AA:B{number}"]
        assert bench.tally.counts[("hie_connections_closed_total", "total-cap")] == 1

    with_listener(body, max_connections=3)


@pytest.mark.parametrize(
    ("sent", "limits", "reason"),
    [
        (b"", {"first_byte_seconds": 0.2}, "first-byte-timeout"),
        (b"GET / HTTP/1.1\r\n\r\n", {"first_byte_seconds": 0.2}, "first-byte-timeout"),
        (b"\x0bMSH|half", {"inter_byte_seconds": 0.2}, "inter-byte-timeout"),
        (frame(message()), {"idle_seconds": 0.2}, "idle-timeout"),
        (b"x" * 2000, {"junk_bytes": 1000}, "junk-limit"),
    ],
)
def test_silence_and_junk_end_a_connection(sent: bytes, limits: dict[str, float], reason: str) -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(sent)
        await sender.codes(1, 0.1)
        assert await sender.closed()
        assert bench.tally.counts[("hie_connections_closed_total", reason)] == 1
        assert bench.listener.connections == []

    with_listener(body, **limits)


def test_a_sender_that_drips_is_ended_too() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        try:
            for byte in b"\x0b" + message() * 3:
                await sender.say(bytes([byte]))
                await asyncio.sleep(0.05)
                if bench.tally.counts[("hie_connections_closed_total", "frame-timeout")]:
                    return
        except ConnectionError:
            return
        pytest.fail("still open")

    with_listener(body, frame_seconds=0.3)


def test_memory_is_limited_over_all_connections() -> None:
    """Half-sent big frames of many connections never hold more than the budget and what is under way."""

    async def body(bench: Bench) -> None:
        async def half(number: int) -> None:
            sender = await bench.dial()
            try:
                async with asyncio.timeout(3):
                    await sender.say(b"\x0b" + message(f"H{number}") + b"x" * 900_000)
            except (TimeoutError, ConnectionError):
                pass

        await asyncio.gather(*(half(n) for n in range(20)))
        await asyncio.sleep(1.2)
        assert bench.listener.budget.used < 4_000_000 + 20 * 300_000
        assert bench.tally.counts[("hie_connections_closed_total", "memory")] >= 1
        for sender in bench.senders:
            sender.reset()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not bench.listener.budget.used:
                break
        assert bench.listener.budget.used == 0
        assert await bench.ask(frame(message()), seconds=5) == ["AA:C1"]

    with_listener(body, memory_bytes=4_000_000, max_frame_bytes=2_000_000)


def test_a_sender_that_never_reads_its_answers_is_closed() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        sender.writer.transport.pause_reading()  # type: ignore[attr-defined]
        many = frame(message("C" * 20_000)) * 20
        try:
            async with asyncio.timeout(10):
                while not bench.tally.counts[("hie_connections_closed_total", "write-timeout")]:
                    sender.writer.write(many)
                    await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        assert bench.tally.counts[("hie_connections_closed_total", "write-timeout")] == 1
        assert bench.listener.budget.used == 0 or bench.listener.connections == []

    with_listener(body, write_seconds=0.3)


@pytest.mark.invariant(10)
def test_only_loopback_may_connect_by_default() -> None:
    settings = MllpSource()
    assert settings.host == "127.0.0.1"
    assert allowed("127.0.0.1", settings.sources)
    assert allowed("::1", settings.sources)
    assert allowed("::ffff:127.0.0.1", settings.sources)
    for address in ("10.0.0.1", "192.168.1.1", "2001:db8::1", "::ffff:10.0.0.1", "", "nonsense"):
        assert not allowed(address, LOOPBACK)


@pytest.mark.invariant(10)
def test_an_address_that_is_not_allowed_is_closed_unheard() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        with contextlib.suppress(ConnectionError):
            await sender.say(frame(message()))
        assert await sender.codes(1, 0.2) == []
        assert bench.store.kept == []
        assert bench.tally.counts[("hie_connections_closed_total", "source-not-allowed")] == 1

    with_listener(body, sources=("10.1.2.0/24",))


def test_drain_answers_what_is_in_hand_and_takes_nothing_new() -> None:
    async def body(bench: Bench) -> None:
        bench.store.hold = asyncio.Event()
        waiting, half, idle = [await bench.dial() for _ in range(3)]
        await waiting.say(frame(message("W")))
        whole = frame(message("H"))
        await half.say(whole[:40])
        await asyncio.sleep(0.05)
        port = bench.listener.port
        drain = asyncio.create_task(bench.listener.drain(5))
        assert await idle.closed()
        with pytest.raises(OSError):  # noqa: PT011
            await asyncio.open_connection("127.0.0.1", port)
        await half.say(whole[40:])
        bench.store.hold.set()
        assert await waiting.codes() == ["AA:W"]
        assert await half.codes() == ["AA:H"]
        await drain
        assert bench.listener.connections == []

    with_listener(body)


def test_drain_ends_in_time_whatever_the_sender_does() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(b"\x0bMSH|never ended")
        await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await bench.listener.drain(0.2)
        assert loop.time() - begun < 1

    with_listener(body)


def test_an_address_in_use_is_a_clear_error() -> None:
    async def body(bench: Bench) -> None:
        other = Listener("south", MllpSource(port=bench.listener.port), Memory(), Tally())
        with pytest.raises(ConfigurationError, match="south: cannot listen"):
            await other.start()

    with_listener(body)


def test_values_of_the_metrics() -> None:
    async def body(bench: Bench) -> None:
        bench.store.delay = 0.05
        sent = frame(message("A")) + frame(message("B")) + frame(message("C", version="9.9"))
        assert len(await bench.ask(sent, 3)) == 3
        counts = bench.tally.counts
        assert counts[("hie_messages_received_total", "hl7v2")] == 3
        assert counts[("hie_bytes_received_total",)] == len(sent) - 9
        assert counts[("hie_acks_sent_total", "AA")] == 2
        assert counts[("hie_acks_sent_total", "AR")] == 1
        assert counts[("hie_feed_connected",)] == 1
        durations = [value for name, value in bench.tally.observed if name == "hie_ack_duration_seconds"]
        assert len(durations) == 3
        assert all(0.05 <= value < 1 for value in durations)
        bench.senders[0].close()
        await asyncio.sleep(0.1)
        assert counts[("hie_feed_connected",)] == 0

    with_listener(body)


@pytest.mark.broken(10)
def test_without_the_check_of_the_network_a_stranger_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.hl7v2.mllp_connection.allowed", lambda address, networks: True)

    async def body(bench: Bench) -> list[str]:
        return await bench.ask(frame(message()))

    assert with_listener(body, sources=("10.1.2.0/24",)) == ["AA:C1"]


@pytest.mark.broken(5)
def test_answers_sent_as_they_come_are_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: every answer that is ready goes out, whoever waits before it."""

    class Slow(Memory):
        async def __call__(self, arrival):  # type: ignore[no-untyped-def]
            await asyncio.sleep(0.1 if b"FIRST" in arrival.raw else 0)
            return await super().__call__(arrival)

    def flush(self: Answers) -> None:
        for pending in [one for one in self._pending if not one.left]:
            self._pending.remove(pending)
            self._answer(pending)

    monkeypatch.setattr(Answers, "flush", flush)

    async def body(bench: Bench) -> list[str]:
        return await bench.ask(frame(message("FIRST")) + frame(message("SECOND")), 2)

    assert with_listener(body, Slow()) == ["AA:SECOND", "AA:FIRST"]
