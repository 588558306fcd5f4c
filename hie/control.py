"""The engine's local socket: whoever is not the writer asks the writer.

One JSON object a line each way: `{"command", "arguments", "actor"}` -> `{"result"}` or `{"error": {"code", "text", "hint"}}`.
The socket lies under `var/run` with mode 600: the file system is its credential.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import orjson

from hie.errors import Conflict, HieError, NotFound, StoreUnavailable

LIMIT = 64 * 1024 * 1024
_RAISED: dict[str, type[HieError]] = {
    "not-found": NotFound,
    "conflict": Conflict,
    "store-unavailable": StoreUnavailable,
}


def socket_path(var: Path) -> Path:
    return var / "run" / "engine.sock"


def _request(command: str, arguments: dict[str, Any], actor: str) -> bytes:
    return orjson.dumps({"command": command, "arguments": arguments, "actor": actor}) + b"\n"


def _result(line: bytes) -> Any:
    if not line:
        raise StoreUnavailable("the engine closed the connection", hint="it is restarting; try again")
    answer = orjson.loads(line)
    if error := answer.get("error"):
        raise _RAISED.get(error["code"], HieError)(error["text"], code=error["code"], hint=error.get("hint", ""))
    return answer["result"]


async def call(var: Path, command: str, arguments: dict[str, Any], actor: str) -> Any:
    """Asks the engine. Raises StoreUnavailable where it is down, else the HieError it answers with."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket_path(var)), limit=LIMIT)
    except OSError:
        raise StoreUnavailable("the engine does not answer", hint="is the node running?") from None
    try:
        writer.write(_request(command, arguments, actor))
        await writer.drain()
        return _result(await reader.readline())
    finally:
        writer.close()


def ask(var: Path, command: str, arguments: dict[str, Any], actor: str, seconds: float = 30) -> Any:
    """`call` for programs without an event loop."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(socket_path(var)))
        except OSError:
            raise StoreUnavailable("the engine does not answer", hint="is the node running?") from None
        connection.sendall(_request(command, arguments, actor))
        with connection.makefile("rb") as lines:
            return _result(lines.readline())
