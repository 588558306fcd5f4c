"""The sink against receivers of every temper."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from adapters.hl7v2.framing import frame
from adapters.hl7v2.mllp_sink import MllpDestination, read_answer
from adapters.hl7v2.settings import MllpSink
from hie.errors import DeliveryError, OutcomeUnknown, PermanentRefusal, TemporaryFailure
from tests.adapters.hl7v2.mllp_bench import Bench as ListenerBench
from tests.adapters.hl7v2.mllp_bench import Tally, message, with_listener

T = TypeVar("T")


def answer(code: str, control: str, error: str = "") -> bytes:
    return frame(f"MSH|^~\\&|S|S|H|H|2026||ACK|K1|P|2.5\rMSA|{code}|{control}\r{error}".encode())


class Receiver:
    """Answers each message by `reply(control id, how many so far)`; None: silence; b"close": closes."""

    def __init__(self, reply: Callable[[str, int], bytes | None]) -> None:
        self.reply = reply
        self.got: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                payload = (await reader.readuntil(b"\x1c\r"))[1:-2]
                control = payload.split(b"|")[9].decode()
                self.got.append(control)
                said = self.reply(control, len(self.got))
                if said == b"close":
                    break
                if said:
                    writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def with_sink(receiver: Receiver, body: Callable[[MllpDestination], Awaitable[T]], **settings: float) -> T:
    async def inside() -> T:
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, limit=1 << 24)
        port = server.sockets[0].getsockname()[1]
        sink = MllpDestination(MllpSink(host="127.0.0.1", port=port, **{"ack_seconds": 0.3, **settings}), Tally())  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(20):
                return await body(sink)
        finally:
            await sink.close()
            server.close()
            await asyncio.sleep(0.01)

    return asyncio.run(inside())


def send_one(receiver: Receiver, **settings: float) -> str:
    return with_sink(receiver, lambda sink: sink.send(message("C1"), "C1"), **settings)


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_taken(code: str) -> None:
    assert send_one(Receiver(lambda control, _: answer(code, control))) == code


@pytest.mark.parametrize(
    ("said", "error", "code"),
    [
        (lambda c, _: answer("AE", c), TemporaryFailure, "ack-ae"),
        (lambda c, _: answer("CE", c), TemporaryFailure, "ack-ce"),
        (lambda c, _: answer("AR", c), PermanentRefusal, "ack-ar"),
        (lambda c, _: answer("CR", c), PermanentRefusal, "ack-cr"),
        (lambda c, _: answer("AR", ""), PermanentRefusal, "ack-ar"),
        (lambda c, _: answer("XX", c), OutcomeUnknown, "ack-unknown"),
        (lambda c, _: None, OutcomeUnknown, "ack-timeout"),
        (lambda c, _: answer("AA", "OTHER"), OutcomeUnknown, "ack-timeout"),
        (lambda c, _: answer("AA", ""), OutcomeUnknown, "ack-timeout"),
        (lambda c, _: frame(b"nonsense"), OutcomeUnknown, "ack-timeout"),
        (lambda c, _: b"close", OutcomeUnknown, "connection-lost"),
        (lambda c, _: b"x" * 5000, OutcomeUnknown, "connection-lost"),
    ],
)
def test_not_taken(said: Callable[[str, int], bytes | None], error: type[DeliveryError], code: str) -> None:
    with pytest.raises(error) as failure:
        send_one(Receiver(said), max_answer_bytes=2048)
    assert failure.value.code == code
    assert "DOE" not in str(failure.value)


def test_condition_of_a_refusal_is_told_without_its_text() -> None:
    receiver = Receiver(lambda c, _: answer("AR", c, "ERR|||204^Unknown DOE^HL70357|E|||JANE DOE\r"))
    with pytest.raises(PermanentRefusal, match="condition 204") as failure:
        send_one(receiver)
    assert "DOE" not in str(failure.value)


def test_nobody_listens() -> None:
    sink = MllpDestination(MllpSink(host="127.0.0.1", port=1), Tally())
    with pytest.raises(TemporaryFailure) as failure:
        asyncio.run(sink.send(message(), "C1"))
    assert failure.value.code == "connect"


@pytest.mark.invariant(2)
def test_a_late_answer_is_never_taken_for_the_next_message() -> None:
    """The first answer comes after its time-out, positive; the second message is never answered."""

    async def body(sink: MllpDestination) -> None:
        with pytest.raises(OutcomeUnknown):
            await sink.send(message("SAME"), "SAME")
        with pytest.raises(OutcomeUnknown):
            await sink.send(message("SAME2"), "SAME2")

    class Late(Receiver):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await reader.readuntil(b"\x1c\r")
                await asyncio.sleep(0.45)
                writer.write(answer("AA", "SAME") + answer("AA", "SAME2" if self.connections == 1 else "SAME"))
                await reader.read()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

    receiver = Late(lambda c, n: None)
    with_sink(receiver, body)
    assert receiver.connections == 2


def test_one_socket_many_messages_in_order() -> None:
    receiver = Receiver(lambda control, _: answer("AA", control))

    async def body(sink: MllpDestination) -> list[str]:
        return list(await asyncio.gather(*(sink.send(message(f"N{n}"), f"N{n}") for n in range(200))))

    assert with_sink(receiver, body) == ["AA"] * 200
    assert receiver.got == [f"N{n}" for n in range(200)]
    assert receiver.connections == 1


def test_a_refused_message_keeps_the_connection() -> None:
    receiver = Receiver(lambda control, n: answer("AE" if n == 1 else "AA", control))

    async def body(sink: MllpDestination) -> str:
        with pytest.raises(TemporaryFailure):
            await sink.send(message("A"), "A")
        return await sink.send(message("A"), "A")

    assert with_sink(receiver, body) == "AA"
    assert receiver.connections == 1


def test_a_connection_closed_meanwhile_is_opened_anew() -> None:
    receiver = Receiver(lambda control, n: answer("AA", control))

    async def body(sink: MllpDestination) -> None:
        await sink.send(message("A"), "A")
        await asyncio.sleep(0.3)
        await sink.send(message("B"), "B")

    with_sink(receiver, body, idle_seconds=0.2)
    assert receiver.connections == 2


def test_cancelling_a_send_closes_the_line() -> None:
    receiver = Receiver(lambda control, n: None if n == 1 else answer("AA", control))

    async def body(sink: MllpDestination) -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sink.send(message("A"), "A")
        return await sink.send(message("A"), "A")

    assert with_sink(receiver, body) == "AA"
    assert receiver.connections == 2


def test_without_a_control_id_nothing_is_sent() -> None:
    receiver = Receiver(lambda control, n: answer("AA", control))
    with pytest.raises(PermanentRefusal):
        with_sink(receiver, lambda sink: sink.send(message(""), "k"))
    assert receiver.got == []


def test_answers_without_their_cr_and_with_line_feeds() -> None:
    assert send_one(Receiver(lambda c, _: answer("AA", c)[:-1])) == "AA"
    assert send_one(Receiver(lambda c, _: answer("AA", c).replace(b"\rMSA", b"\nMSA"))) == "AA"


def test_reading_answers_in_foreign_delimiters() -> None:
    assert read_answer(b"MSH#@*%$#S\rMSA#AE# A%T%1@ #\rERR###207@x\r") == ("AE", b" A%T%1@ ", "207")
    assert read_answer(b"MSH|^~\\&|S\rMSA|AR|Q\rERR|PID^1^3^101&x\r") == ("AR", b"Q", "101")
    assert read_answer(b"\xff\xfe") == ("", b"", "")


def test_sink_and_source_understand_each_other() -> None:
    async def body(bench: ListenerBench) -> None:
        sink = MllpDestination(MllpSink(host="127.0.0.1", port=bench.listener.port), Tally())
        assert await sink.send(message("A"), "A") == "AA"
        assert await sink.send(message("B", tail="|||AL|AL"), "B") == "CA"
        assert await sink.send(message("C"), "C") == "AA", "the application answer to B is not taken for C"
        with pytest.raises(PermanentRefusal, match="203"):
            await sink.send(message("D", version="9.9"), "D")
        await sink.close()

    with_listener(body)
