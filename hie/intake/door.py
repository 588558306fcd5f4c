"""The local door: a unix-domain socket by which the web process hands over what came by HTTP.

One request: two 4-byte big-endian lengths, then a JSON header and the raw bytes. One answer: a 4-byte length and JSON,
a receipt or an error of hie.errors by its code.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from hie.errors import HieError
from hie.intake import heading
from hie.model import Arrival, Receipt
from hie.ports import Accept

RELOAD = b"reload"
"""In place of the JSON header: the node asks that the configuration in force be taken on."""
GONE = b"gone"
"""In place of the bytes: only let go of the feeds that are no more."""
HEALTH = b"health"
"""In place of the JSON header: whether the journal took what it was last given, or answers."""
SOCKET = "run/intake.sock"
"""Under the state directory."""
MAX_HEADER = 1024 * 1024
MAX_RAW = 256 * 1024 * 1024
LENGTHS = struct.Struct(">II")
LENGTH = struct.Struct(">I")
_MAX_PATH = 100


def encode_arrival(arrival: Arrival) -> bytes:
    header = heading.encode(arrival)
    return LENGTHS.pack(len(header), len(arrival.raw)) + header + arrival.raw


class Door:
    """The server side, in the intake process."""

    def __init__(
        self,
        state: Path,
        accept: Accept,
        feeds: Collection[str],
        reload: Callable[[bool], Awaitable[dict[str, object]]] | None = None,
        healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path = state / SOCKET
        self._accept = accept
        self._feeds = feeds
        self._reload = reload
        self._healthy = healthy
        self._server: asyncio.Server | None = None
        self._busy = 0

    async def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            self._path.unlink()
        with short(self._path) as path:
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._serve, path)
            finally:
                os.umask(before)

    async def drain(self, seconds: float) -> None:
        if self._server is not None:
            self._server.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self._busy and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header_size, raw_size = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
                if header_size > MAX_HEADER or raw_size > MAX_RAW:
                    break
                header = await reader.readexactly(header_size)
                raw = await reader.readexactly(raw_size)
                self._busy += 1
                try:
                    answer = orjson.dumps(await self._take(header, raw))
                    writer.write(LENGTH.pack(len(answer)) + answer)
                    await writer.drain()
                finally:
                    self._busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _take(self, header: bytes, raw: bytes) -> dict[str, object]:
        if header == RELOAD and self._reload is not None:
            return await self._reload(raw == GONE)
        if header == HEALTH:
            return {"healthy": self._healthy()}
        try:
            arrival = heading.decode(header, raw)
        except (ValueError, KeyError, TypeError):
            return {"error": "rejected", "text": "the request cannot be read"}
        if arrival.feed not in self._feeds:
            return {"error": "not-found", "text": "no such feed"}
        try:
            receipt: Receipt = await self._accept(arrival)
        except HieError as error:
            return {"error": error.code, "text": error.text}
        return {"message_id": receipt.message_id, "duplicate_of": receipt.duplicate_of}


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of the path that fits into a socket address (108 bytes), by way of a descriptor where it does not."""
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
