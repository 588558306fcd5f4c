"""Answers that say more than "stored": `ack: after-decode`, and what MSH-16 asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.hl7v2.framing import frame
from hie.errors import ConfigurationError
from hie.model import Acknowledgement, Arrival
from tests.adapters.hl7v2.mllp_bench import Bench, Memory, err, message, with_listener

BOTH = "|||AL|AL"


class Judged(Memory):
    """A store with a reader beside it, which cannot read messages that hold BAD and never ends on those that hold LONG."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def verdict(self, arrival: Arrival) -> Acknowledgement:
        assert arrival in self.kept, "read before it was stored"
        self.asked.append(arrival.keys.control_id if arrival.keys else b"")
        await self.reads.wait()
        if b"LONG" in arrival.raw:
            await asyncio.Event().wait()
        if b"BAD" in arrival.raw:
            return Acknowledgement("AE", 102, "PID-5", "cannot be read")
        return Acknowledgement("AA")


def bad(control: str, **options: Any) -> bytes:
    return frame(message(control, body=b"PID|||1||BAD\r", **options))


def heard(sent: bytes, count: int, **settings: Any) -> list[str]:
    async def body(bench: Bench) -> list[str]:
        return await bench.ask(sent, count + 1, 1)

    return with_listener(body, Judged(), **settings)


@pytest.mark.invariant(1)
def test_what_cannot_be_read_is_stored_and_answered_so() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(bad("B"))
        (reply,) = await sender.hear()
        assert reply.split(b"MSA|")[1].startswith(b"AE|B")
        assert err(reply).split("|")[2:4] == ["PID^1^5", "102^Data type error^HL70357"]
        assert bench.store.taken == [b"B"]
        assert bench.tally.counts[("hie_acks_sent_total", "AE")] == 1

    with_listener(body, Judged(), ack="after-decode")


@pytest.mark.invariant(5)
def test_answers_keep_their_order_whoever_is_read_first() -> None:
    sent = frame(message("A")) + bad("B") + frame(message("C")) + frame(message("D", version="9.9"))
    assert heard(sent, 4, ack="after-decode") == ["AA:A", "AE:B", "AA:C", "AR:D"]


def test_no_answer_before_the_reading_nor_before_the_commit() -> None:
    async def body(bench: Bench) -> None:
        store = bench.store
        assert isinstance(store, Judged)
        store.reads.clear()
        store.hold = asyncio.Event()
        sender = await bench.dial()
        await sender.say(frame(message("A")))
        assert await sender.codes(1, 0.2) == []
        assert store.asked == []
        store.hold.set()
        assert await sender.codes(1, 0.2) == []
        assert store.asked == [b"A"]
        store.reads.set()
        assert await sender.codes() == ["AA:A"]

    with_listener(body, Judged(), ack="after-decode")


def test_what_is_not_read_in_time_is_said_so() -> None:
    sent = frame(message("L", body=b"PID|||1||LONG\r")) + frame(message("A"))

    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(sent)
        late, good = await sender.hear(2, 5)
        assert "|207^" in err(late)
        assert b"AE|L" in late
        assert b"AA|A" in good
        assert bench.store.taken == [b"L", b"A"]

    with_listener(body, Judged(), ack="after-decode", decode_seconds=0.2)


@pytest.mark.parametrize(
    ("tail", "answers"),
    [
        (BOTH, ["CA:B", "AE:B"]),
        ("|||NE|AL", ["AE:B"]),
        ("|||AL|ER", ["CA:B", "AE:B"]),
        ("|||AL|SU", ["CA:B"]),
        ("|||AL|NE", ["CA:B"]),
        ("|||NE|NE", []),
        ("", ["AA:B"]),
    ],
)
def test_the_application_s_answer_is_a_real_one(tail: str, answers: list[str]) -> None:
    """Also on a feed that answers after the commit, where only the original mode says no more than stored."""
    assert heard(bad("B", tail=tail), len(answers)) == answers


def test_the_commit_is_answered_while_the_reading_goes_on() -> None:
    async def body(bench: Bench) -> None:
        store = bench.store
        assert isinstance(store, Judged)
        store.reads.clear()
        sender = await bench.dial()
        await sender.say(frame(message("A", tail=BOTH)) + frame(message("B", tail=BOTH)))
        assert await sender.codes(2) == ["CA:A", "CA:B"]
        drain = asyncio.create_task(bench.listener.drain(5))
        await asyncio.sleep(0.1)
        store.reads.set()
        assert sorted(await sender.codes(2)) == ["AA:A", "AA:B"], "and a drain waits for what is owed"
        await drain

    with_listener(body, Judged())


def test_a_batch_is_answered_once_when_all_of_it_is_read() -> None:
    batch = b"BHS|^~\\&|A|B|C|D|2026||N|T|B9\r" + message("A", tail=BOTH) + message("C") + b"BTS|2\r"

    async def body(bench: Bench) -> list[bytes]:
        sender = await bench.dial()
        await sender.say(frame(batch))
        return await sender.hear(2, 1)

    (reply,) = with_listener(body, Judged(), ack="after-decode")
    assert [part[:5] for part in reply.split(b"MSA|")[1:]] == [b"CA|A\r", b"AA|A\r", b"AA|C\r"]


def test_without_a_reader_the_feed_does_not_start() -> None:
    async def body(bench: Bench) -> None:
        raise AssertionError("it must not start")

    with pytest.raises(ConfigurationError) as failed:
        with_listener(body, ack="after-decode")
    assert failed.value.code == "no-verdict"


@pytest.mark.broken(1)
def test_an_answer_before_the_reading_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: the listener does not wait for the verdict."""
    from adapters.hl7v2 import mllp_answers
    from adapters.hl7v2.acknowledge import Wait

    monkeypatch.setattr(mllp_answers, "wait_for", lambda *_, **__: Wait.NOTHING)
    assert heard(bad("B"), 1, ack="after-decode") == ["AA:B"]
