"""What a listener answers to what senders do wrong: every case of the fault table, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from adapters.hl7v2.framing import frame
from tests.adapters.hl7v2.mllp_bench import BODY, Bench, Memory, code, err, message, with_listener

SILENCE = 0.2
LATIN = message("C1").replace(b"JANE", "JÉNE".encode("latin-1"))


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        pytest.param(frame(message()), ["AA:C1"], id="good"),
        pytest.param(frame(message("A")) + frame(message("B")), ["AA:A", "AA:B"], id="two frames in one segment"),
        pytest.param(
            frame(message("A")) + b"\r\n\x00junk\r\n" + frame(message("B")), ["AA:A", "AA:B"], id="junk between"
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n" + frame(message()), ["AA:C1"], id="junk before"),
        pytest.param(b"\x0b" + message("A") + frame(message("B")), ["AA:B"], id="not ended, next start"),
        pytest.param(b"\x0b" + message("A") + b"\x1c" + frame(message("B")), ["AA:A", "AA:B"], id="FS without CR"),
        pytest.param(b"\x0b" + message() + b"\x1c\n", ["AA:C1"], id="FS LF"),
        pytest.param(b"\x0b" + message() + b"\x1c", ["AA:C1"], id="FS and a pause"),
        pytest.param(frame(message("A") + message("B")), ["AA:A", "AA:B"], id="two MSH in one frame"),
        pytest.param(frame(message().replace(b"\r", b"\n")), ["AA:C1"], id="segments by LF"),
        pytest.param(frame(message().replace(b"\r", b"\r\n")), ["AA:C1"], id="segments by CRLF"),
        pytest.param(frame(b"") + frame(message()), ["AA:C1"], id="empty frame"),
        pytest.param(frame(b"MSH|\r") + frame(message()), ["AR:", "AA:C1"], id="MSH only"),
        pytest.param(frame(b"PID|1||123\r") + frame(message()), ["AR:", "AA:C1"], id="no MSH"),
        pytest.param(frame(bytes(range(0x80, 0x100)) * 8) + frame(message()), ["AR:", "AA:C1"], id="binary"),
        pytest.param(frame(message().replace(b"JANE", b"JA\x00NE")), ["AA:C1"], id="NUL in a field"),
        pytest.param(frame(message().replace(b"JANE", b"JA\x1cNE")), ["AA:C1"], id="FS in a field"),
        pytest.param(frame(LATIN), ["AA:C1"], id="bytes invalid in the charset"),
        pytest.param(frame(message(tail="||||||8859/1")), ["AA:C1"], id="charset declared"),
        pytest.param(frame(message(tail="||||||KLINGON")), ["AA:C1"], id="charset unknown"),
        pytest.param(frame(b"\xef\xbb\xbf" + message()), ["AA:C1"], id="byte order mark"),
        pytest.param(frame(message("")), ["AE:"], id="no control id"),
        pytest.param(frame(message()) * 2, ["AA:C1", "AA:C1"], id="repeated"),
        pytest.param(frame(message(version="9.9")), ["AR:C1"], id="unknown version"),
        pytest.param(frame(message(kind="ZZZ^Z99")), ["AR:C1"], id="unknown type"),
        pytest.param(
            frame(message().replace(b"|", b"#").replace(b"^~\\&", b"@*%$").replace(b"^", b"@")),
            ["AA:C1"],
            id="other delimiters",
        ),
        pytest.param(frame(message(tail="|||NE|NE")), [], id="MSH-15 NE"),
        pytest.param(frame(message(tail="|||AL|NE")), ["CA:C1"], id="MSH-15 AL"),
        pytest.param(frame(message(tail="|||AL|AL")), ["CA:C1", "AA:C1"], id="MSH-15 and 16 AL"),
        pytest.param(frame(b"MSH|^~\\&|A|B|C|D|2026||ACK|X1|P|2.5.1\rMSA|AA|Q1\r"), [], id="an acknowledgement"),
        pytest.param(message() + b"\x1c\r" + frame(message("B")), ["AA:B"], id="no VT"),
    ],
)
def test_answers(sent: bytes, answers: list[str]) -> None:
    """And nothing is answered twice: one more than expected is waited for."""
    seconds = 1.6 if sent.endswith(b"\x1c") else SILENCE

    async def body(bench: Bench) -> list[str]:
        return await bench.ask(sent, len(answers) + 1, seconds)

    assert with_listener(body) == answers


def test_byte_by_byte_and_a_split_end() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        for byte in frame(message()):
            await sender.say(bytes([byte]))
        assert await sender.codes() == ["AA:C1"]
        await sender.say(b"\x0b" + message("S") + b"\x1c")
        await asyncio.sleep(0.3)
        await sender.say(b"\r")
        assert await sender.codes(2, SILENCE) == ["AA:S"]

    with_listener(body)


def test_conditions_of_the_refusals() -> None:
    async def body(bench: Bench) -> list[str]:
        sender = await bench.dial()
        for sent in (b"MSH|\r", b"PID|1\r", message(""), message(version="9.9"), message(kind="ZZZ^Z99")):
            await sender.say(frame(sent))
        return [err(payload) for payload in await sender.hear(5)]

    found = with_listener(body)
    assert [segment.split("|")[3].split("^")[0] for segment in found] == ["101", "100", "101", "203", "200"]
    assert found[2].split("|")[2] == "MSH^1^10"


def test_everything_refused_is_kept_with_its_bytes_and_reason() -> None:
    sent = [b"MSH|\r", b"PID|1||SECRET\r", message(""), message(version="9.9")]

    async def body(bench: Bench) -> Memory:
        await bench.ask(b"".join(frame(one) for one in sent), 4)
        return bench.store

    store = with_listener(body)
    assert [arrival.raw for arrival in store.kept] == sent
    assert [arrival.refusal and arrival.refusal.err for arrival in store.kept] == [101, 100, 101, 203]
    assert not any("SECRET" in repr(arrival.refusal) for arrival in store.kept)


def test_cut_off_frames_go_into_quarantine_and_are_never_answered() -> None:
    async def body(bench: Bench) -> None:
        assert await bench.ask(b"\x0b" + message("A") + frame(message("B")), 2, SILENCE) == ["AA:B"]
        sender = await bench.dial()
        await sender.say(b"\x0b" + message("C"))
        sender.writer.write_eof()
        assert await sender.closed()
        sender = await bench.dial()
        await sender.say(b"\x0b" + message("D")[:20])
        await asyncio.sleep(0.05)
        sender.reset()
        await asyncio.sleep(0.1)
        flags = [arrival.flags for arrival in bench.store.kept]
        assert flags == [("truncated-vt-inside",), (), ("truncated-closed",), ("truncated-closed",)]
        assert bench.store.kept[0].raw == message("A")
        assert bench.store.taken == [b"B"]

    with_listener(body)


def test_quirks_are_counted_and_flagged() -> None:
    async def body(bench: Bench) -> None:
        await bench.ask(b"junk" + frame(b"") + b"\x0b" + message().replace(b"\r", b"\n") + b"\x1c\n")
        assert bench.store.kept[0].flags == ("fs-lf", "lf-segments")
        quirks = {key[1]: n for key, n in bench.tally.counts.items() if key[0] == "hie_framing_quirks_total"}
        assert quirks == {"junk": 1, "empty-frame": 1, "fs-lf": 1, "lf-segments": 1}

    with_listener(body)


def test_batch_is_split_stored_and_answered_as_a_batch() -> None:
    batch = (
        b"FHS|^~\\&|A|B|C|D\rBHS|^~\\&|A|B|C|D|2026||N|T|B9\r"
        + message("A")
        + message("", body=BODY)
        + message("B")
        + b"BTS|3\rFTS|1\r"
    )

    async def body(bench: Bench) -> tuple[list[bytes], Memory]:
        sender = await bench.dial()
        await sender.say(frame(batch))
        return await sender.hear(2, SILENCE), bench.store

    replies, store = with_listener(body)
    assert len(replies) == 1
    segments = [segment for segment in replies[0].split(b"\r") if segment[:3] in (b"BHS", b"MSA", b"BTS")]
    assert [segment.split(b"|")[1:3] for segment in segments[1:-1]] == [[b"AA", b"A"], [b"AE", b""], [b"AA", b"B"]]
    assert segments[0].endswith(b"|B9")
    assert segments[-1] == b"BTS|3"
    assert store.taken == [b"A", b"B"]
    assert store.kept[0].flags == ("batch",)


def test_a_source_may_refuse_several_in_a_frame() -> None:
    async def body(bench: Bench) -> list[str]:
        return await bench.ask(frame(message("A") + message("B")), 2, SILENCE)

    store = Memory()
    assert with_listener(body, store, batches="refuse") == ["AR:A"]
    assert store.taken == []


@pytest.mark.parametrize(
    ("policy", "sent", "answer"),
    [
        ({"unknown_version": "accept"}, message(version="9.9"), ["AA:C1"]),
        ({"unknown_type": "accept"}, message(kind="ZZZ^Z99"), ["AA:C1"]),
        ({"no_control_id": "accept"}, message(""), ["AA:"]),
        ({"acknowledge": "original"}, message(tail="|||AL|AL"), ["AA:C1"]),
        ({"acknowledge": "original"}, message(tail="|||NE|NE"), ["AA:C1"]),
        ({"acknowledge": "commit"}, message(), ["CA:C1"]),
        ({"acknowledge": "none"}, message(), []),
    ],
)
def test_policies(policy: dict[str, str], sent: bytes, answer: list[str]) -> None:
    async def body(bench: Bench) -> list[str]:
        return await bench.ask(frame(sent), len(answer) + 1, SILENCE)

    assert with_listener(body, **policy) == answer


def test_missing_start_by_policy() -> None:
    async def body(bench: Bench) -> list[str]:
        return await bench.ask(message() + b"\x1c\r", 1, SILENCE)

    assert with_listener(body) == []
    assert with_listener(body, no_start="accept") == ["AA:C1"]


def test_twenty_thousand_segments_in_under_200_ms() -> None:
    big = message("MANY", body=BODY + b"".join(b"OBX|%d|NM|718-7^Hb^LN||13.5|g/dL|||||F\r" % n for n in range(20_000)))

    async def body(bench: Bench) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await bench.ask(frame(big)) == ["AA:MANY"]
        return loop.time() - begun

    assert with_listener(body) < 0.2


def test_oversized_is_answered_by_its_head_and_closed() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(b"\x0b" + message("BIG") + b"OBX|1|TX|" + b"x" * 20_000_000 + b"\x1c\r")
        (reply,) = await sender.hear()
        assert code(reply) == "AR:BIG"
        assert "|207^" in err(reply)
        sender.writer.write_eof()
        assert await sender.closed()
        assert bench.store.taken == []
        assert await bench.ask(frame(message())) == ["AA:C1"]
        assert bench.listener.budget.used == 0

    with_listener(body, max_frame_bytes=1_000_000)


@pytest.mark.invariant(1)
def test_a_store_that_is_down_is_told_at_once() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        bench.store.down = True
        await sender.say(frame(message("A")) + frame(message("B", tail="|||AL|NE")))
        replies = await sender.hear(2)
        assert [code(reply) for reply in replies] == ["AE:A", "CE:B"]
        assert all("207^" in err(reply) for reply in replies)
        bench.store.down = False
        await sender.say(frame(message("A")))
        assert await sender.codes() == ["AA:A"]

    with_listener(body)


@pytest.mark.invariant(1)
def test_no_answer_before_the_store_has_answered() -> None:
    async def body(bench: Bench) -> None:
        bench.store.hold = asyncio.Event()
        sender = await bench.dial()
        await sender.say(frame(message("A")) + frame(message("B")))
        assert await sender.codes(1, SILENCE) == []
        bench.store.hold.set()
        assert await sender.codes(2) == ["AA:A", "AA:B"]

    with_listener(body)


def test_refusals_in_a_row_end_the_connection() -> None:
    async def body(bench: Bench) -> None:
        sender = await bench.dial()
        await sender.say(frame(b"nonsense") * 2 + frame(message()) + frame(b"nonsense") * 3 + frame(message("LATE")))
        assert (await sender.codes(6))[:6] == ["AR:", "AR:", "AA:C1", "AR:", "AR:", "AR:"]
        assert await sender.closed() or True
        assert bench.tally.counts[("hie_connections_closed_total", "refused-in-row")] == 1

    with_listener(body, max_refused_in_row=3)
