"""How another process of the node hands an arrival to intake and learns that it is on the disk."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import orjson

from hie.errors import NotFound, Rejected, StoreUnavailable
from hie.intake.door import GONE, HEALTH, LENGTH, LENGTHS, RELOAD, encode_arrival, short
from hie.model import Arrival, Receipt

SECONDS = 30.0


async def submit(path: Path, arrival: Arrival, seconds: float = SECONDS) -> Receipt:
    """Hands over to the socket at `path` (state directory / hie.intake.door.SOCKET); returns after the commit.

    Raises StoreUnavailable where intake is down, does not answer or did not take it (a resend is safe: a repeat is
    recognised), NotFound for an unknown feed, Rejected where intake cannot read the request.
    """
    answer = await _exchange(path, encode_arrival(arrival), seconds)
    failure = answer.get("error")
    if failure is None:
        return Receipt(answer["message_id"], answer["duplicate_of"])
    kind = {"not-found": NotFound, "rejected": Rejected}.get(failure, StoreUnavailable)
    raise kind(answer["text"])


async def healthy(path: Path, seconds: float = SECONDS) -> bool:
    """Whether the journal took what it was last given, or has answered since. Raises StoreUnavailable where intake is down."""
    answer = await _exchange(path, LENGTHS.pack(len(HEALTH), 0) + HEALTH, seconds)
    return bool(answer["healthy"])


def reload(path: Path, gone: bool = False, seconds: float = SECONDS) -> dict[str, Any]:
    """Has intake take on the configuration in force (hie.lastgood), or only let go of the feeds that are `gone` from it; what
    `Listeners.change` answers. Blocks. Raises StoreUnavailable where intake does not answer."""
    raw = GONE if gone else b""
    try:
        with short(path) as name, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(name)
            connection.sendall(LENGTHS.pack(len(RELOAD), len(raw)) + RELOAD + raw)
            with connection.makefile("rb") as answer:
                (size,) = LENGTH.unpack(answer.read(LENGTH.size))
                found: dict[str, Any] = orjson.loads(answer.read(size))
    except (OSError, struct.error, orjson.JSONDecodeError) as error:
        raise StoreUnavailable("intake does not answer", hint="it is restarting") from error
    return found


async def _exchange(path: Path, request: bytes, seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            answer: dict[str, Any] = orjson.loads(await _asked(path, request))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise StoreUnavailable("intake does not answer", hint="is it starting? send again") from error
    return answer


async def _asked(path: Path, request: bytes) -> bytes:
    with short(path) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    try:
        writer.write(request)
        await writer.drain()
        (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(size)
    finally:
        writer.close()
