"""A sender that drips holds nothing for long: neither with the head of a request, nor with its body."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from hie.api.connection import Connection
from hie.web import body
from hie.web.errors import TooSlow

LONG = 30
"""Seconds after which a test gives up: far less than the 120 that bound a whole body."""


def request(chunk: bytes, times: int) -> Request:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        await asyncio.sleep(0.05)
        sent += 1
        return {"type": "http.request", "body": chunk, "more_body": sent < times}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def read(request: Request) -> bytes:
    async def reading() -> bytes:
        return await asyncio.wait_for(body.read(request, 10**6, budget, grace=0.4), LONG)

    budget = body.Budget(10**7)
    try:
        return asyncio.run(reading())
    finally:
        assert budget.used == 0


def test_a_body_that_drips_is_cut() -> None:
    with pytest.raises(TooSlow):
        read(request(b"x", 10**6))


def test_a_body_that_keeps_up_may_take_longer_than_the_grace() -> None:
    assert len(read(request(b"x" * 8192, 16))) == 16 * 8192


class Hasty(Connection):
    head_seconds = 0.3


async def _app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        config = uvicorn.Config(_app, http=Hasty, lifespan="off", log_config=None, server_header=False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


async def ends(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), LONG)


@pytest.mark.parametrize("opening", [b"", b"POST / HT"], ids=["says nothing", "stops in the head"])
def test_a_connection_without_a_request_is_closed(opening: bytes) -> None:
    async def silence() -> bytes:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(opening)
            try:
                return await ends(reader)
            finally:
                writer.close()

    assert asyncio.run(silence()) == b""


def test_a_second_request_that_drips_is_closed_and_a_slow_body_is_not_its_business() -> None:
    async def two() -> tuple[bytes, bytes]:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx")
            await asyncio.sleep(3 * Hasty.head_seconds)
            writer.write(b"x")
            first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONG)
            writer.write(b"GET ")
            try:
                return first, await ends(reader)
            finally:
                writer.close()

    first, rest = asyncio.run(two())
    assert first.startswith(b"HTTP/1.1 204")
    assert rest == b""
