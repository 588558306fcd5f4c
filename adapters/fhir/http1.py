"""One HTTP/1.1 request and its answer on a kept connection. The protocol is h11's; this is its I/O.

A general client costs 0.7 ms of CPU a request, several times what is spent here, follows redirects and keeps cookies. Of
an answer the status and Retry-After are kept; its body is read away, never stored.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import h11

HEAD_LIMIT = 64 * 1024


class Malformed(Exception):
    """The other side does not speak HTTP/1.1."""


class Head(NamedTuple):
    """What is kept of an answer."""

    status: int
    retry_after: str


class Connection:
    """An open connection. Not shared between tasks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, since: float) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self.idle_since = since

    @property
    def usable(self) -> bool:
        """False once the other side has closed, or has sent what nobody asked for."""
        unasked = self._reader._buffer  # type: ignore[attr-defined]
        return not (self._reader.at_eof() or self._writer.is_closing() or unasked or self._http.trailing_data[0])

    async def exchange(self, request: h11.Request, payload: bytes) -> Head:
        """Sends a request and reads the head of its answer. Raises Malformed, OSError or EOFError; bytes may have left
        by then. `drained` follows."""
        http = self._http
        for event in (request, h11.Data(data=payload), h11.EndOfMessage()):
            if data := http.send(event):
                self._writer.write(data)
        while True:
            answer = await self._event()
            if isinstance(answer, h11.Response):
                retry = next((value for name, value in answer.headers if name == b"retry-after"), b"")
                return Head(answer.status_code, retry.decode("latin-1"))
            if not isinstance(answer, h11.InformationalResponse) or answer.status_code == 101:
                raise Malformed("protocol switched")

    async def drained(self, limit: int, seconds: float) -> bool:
        """Reads the body away and says whether the connection can be used again: not where the body is longer than
        `limit` bytes, slow, broken, or ends with the connection. The status is known: nothing here fails the delivery."""
        try:
            async with asyncio.timeout(seconds):
                while not isinstance(event := await self._event(), h11.EndOfMessage):
                    limit -= len(event.data) if isinstance(event, h11.Data) else 0
                    if limit < 0:
                        return False
            self._http.start_next_cycle()
        except (OSError, EOFError, Malformed, h11.LocalProtocolError):
            return False
        return True

    def close(self) -> None:
        self._writer.close()

    async def _event(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(65536))
        except h11.RemoteProtocolError as error:
            if self._reader.at_eof():
                raise EOFError from error
            raise Malformed(type(error).__name__) from error
        if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            raise EOFError
        return event
