"""The sink against a real server on loopback that answers, stalls, drops and redirects on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.fhir.answer import judged
from adapters.fhir.http_sink import FhirSink, connect
from adapters.fhir.settings import HttpSink
from hie.errors import DeliveryError, OutcomeUnknown, PermanentRefusal, TemporaryFailure

CANARY = b'{"family": "Canaryson"}'


class Meter:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.seen.append((name, labels))

    def observe(self, name: str, value: float, **labels: str) -> None:
        assert value >= 0
        self.seen.append((name, labels))


@dataclass
class Server:
    """Answers each request with the next of `answers`; None hangs, b"" closes."""

    answers: list[bytes | None]
    port: int = 0
    connections: int = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {"request": head[0]}
                headers |= {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
                if answer is None:
                    await asyncio.sleep(30)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(*answers: bytes | None, **settings: Any) -> AsyncIterator[tuple[Server, FhirSink, Meter]]:
    server = Server(list(answers))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    meter = Meter()
    sink = connect(HttpSink(url=f"http://127.0.0.1:{server.port}/fhir", **settings), meter)
    try:
        yield server, sink, meter
    finally:
        await sink.close()
        listener.close()


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "", "")).encode()


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


@pytest.mark.invariant(6)
def test_posts_with_the_key_and_keeps_the_connection() -> None:
    async def test() -> None:
        async with running(token_env="HIE_TEST_TOKEN") as (server, sink, meter):
            for key in ("k-1", "k-2", "k-1"):
                assert await sink.send(CANARY, key) == "200"
            assert server.connections == 1
            headers, body = server.requests[0]
            assert body == CANARY
            assert headers["request"] == "POST /fhir HTTP/1.1"
            assert headers["host"] == f"127.0.0.1:{server.port}"
            assert headers["content-type"] == "application/fhir+json; charset=utf-8"
            assert headers["authorization"] == "Bearer s3cret"
            assert [h["idempotency-key"] for h, _ in server.requests] == ["k-1", "k-2", "k-1"]
            assert headers["x-request-id"] == "k-1"
            assert meter.seen == [("hie_http_send_duration_seconds", {"result": "2xx"})] * 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIE_TEST_TOKEN", "s3cret\n")
        run(test)


def test_a_rotated_token_file_is_read_again_and_a_missing_one_sends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")

    async def test() -> None:
        async with running(token_file=str(file)) as (server, sink, _):
            await sink.send(b"{}", "a")
            file.write_text("second!")
            await sink.send(b"{}", "b")
            assert [h["authorization"] for h, _ in server.requests] == ["Bearer first", "Bearer second!"]
            file.unlink()
            with pytest.raises(TemporaryFailure) as failed:
                await sink.send(b"{}", "c")
            assert failed.value.code == "token-missing"
            assert len(server.requests) == 2

    run(test)


@pytest.mark.invariant(8)
@pytest.mark.parametrize(
    ("answer", "kind", "code", "wait"),
    [
        (status("429 Slow", "Retry-After: 17"), TemporaryFailure, "http-busy", 17),
        (status("408 Late"), TemporaryFailure, "http-busy", None),
        (status("503 Away", "Retry-After: 99999999"), TemporaryFailure, "http-5xx", 86400),
        (status("500 Oops"), TemporaryFailure, "http-5xx", None),
        (status("401 Who"), TemporaryFailure, "http-credential", None),
        (status("302 Found", "Location: http://127.0.0.1:9/elsewhere"), TemporaryFailure, "http-redirect", None),
        (status("400 Bad"), PermanentRefusal, "http-400", None),
        (status("422 Invalid"), PermanentRefusal, "http-422", None),
        (status("418 Teapot"), PermanentRefusal, "http-4xx", None),
        (None, OutcomeUnknown, "http-timeout", None),
        (b"", OutcomeUnknown, "http-lost", None),
        (b"HTTP/1.1 2", OutcomeUnknown, "http-timeout", None),
        (b"220 mail.example ESMTP\r\n\r\n", OutcomeUnknown, "http-malformed", None),
    ],
)
def test_each_answer_has_its_class(
    answer: bytes | None, kind: type[DeliveryError], code: str, wait: float | None
) -> None:
    async def test() -> None:
        async with running(answer, answer_seconds=0.3) as (server, sink, _):
            with pytest.raises(kind) as failed:
                await sink.send(CANARY, "k")
            assert failed.value.code == code
            assert getattr(failed.value, "retry_after", None) == wait
            assert "Canaryson" not in str(failed.value)
            assert len(server.requests) == 1

    run(test)


def test_no_listener_is_temporary() -> None:
    async def test() -> None:
        async with running() as (server, sink, meter):
            port = server.port
        sink = connect(HttpSink(url=f"http://127.0.0.1:{port}/"), meter)
        with pytest.raises(TemporaryFailure) as failed:
            await sink.send(b"{}", "k")
        assert failed.value.code == "http-connect"
        assert meter.seen[-1][1] == {"result": "unsent"}
        await sink.close()

    run(test)


def test_a_long_chunked_or_missing_body_after_a_good_status_is_still_delivered() -> None:
    long = b"HTTP/1.1 201 Created\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"
    stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxx"
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"

    async def test() -> None:
        async with running(long, chunked, early, stalled, max_answer_bytes=2048, answer_seconds=0.3) as (
            server,
            sink,
            _meter,
        ):
            assert await sink.send(b"{}", "a") == "201"
            assert await sink.send(b"{}", "b") == "200"
            assert await sink.send(b"{}", "c") == "204"
            assert await sink.send(b"{}", "d") == "200"
            assert await sink.send(b"{}", "e") == "200"
            assert server.connections == 3

    run(test)


def test_an_idle_connection_the_server_closed_is_opened_anew() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    async def test() -> None:
        async with running(closing) as (server, sink, _):
            await sink.send(b"{}", "a")
            await sink.send(b"{}", "b")
            assert server.connections == 2

    run(test)


@pytest.mark.invariant(8)
def test_no_log_line_for_a_send(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def test() -> None:
        async with running(status("400 no"), status("200 OK")) as (_, sink, _meter):
            with pytest.raises(PermanentRefusal):
                await sink.send(CANARY, "k")
            await sink.send(CANARY, "k")

    run(test)
    assert not caplog.records


def test_retry_after_as_a_date() -> None:
    now = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    error = judged(503, "Sun, 01 Mar 2026 10:02:00 GMT", now)
    assert getattr(error, "retry_after", None) == 120
    assert getattr(judged(503, "next week", now), "retry_after", None) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://ehr.example/fhir"},
        {"url": "https://user:secret@ehr.example/fhir"},
        {"url": "https://ehr.example/fhir?patient=1"},
        {"url": "ftp://ehr.example"},
        {"url": "https://ehr.example", "token_file": "a", "token_env": "B"},
        {"url": "https://ehr.example", "certificate": "a"},
        {"url": "https://ehr.example", "tokn": "a"},
        {"url": "https://ehr.example/a\r\nX: y"},
    ],
)
def test_unsafe_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpSink(**settings)


def test_clear_text_needs_a_word() -> None:
    assert HttpSink(url="http://ehr.example/fhir", plain_text=True)


def test_unreadable_certificates_cost_their_subscriber_alone(tmp_path: Path) -> None:
    """Nothing is sent, and it is tried again: the file may come back."""
    sink = connect(HttpSink(url="https://ehr.example", ca=tmp_path / "none.pem"), Meter())
    with pytest.raises(TemporaryFailure) as failed:
        asyncio.run(sink.send(b"{}", "k"))
    assert failed.value.code == "tls-files"


def test_concurrent_sends_each_have_a_connection() -> None:
    async def test() -> None:
        async with running() as (server, sink, _):
            await asyncio.gather(*(sink.send(b"{}", f"k{n}") for n in range(5)))
            assert server.connections == 5
            await asyncio.gather(*(sink.send(b"{}", f"k{n}") for n in range(5)))
            assert server.connections == 5
            assert len({h["idempotency-key"] for h, _ in server.requests}) == 5

    run(test)
