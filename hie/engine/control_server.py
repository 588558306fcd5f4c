"""The engine's end of the local socket (hie.control): one JSON object a line, one answer each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

import orjson

from hie.control import LIMIT, socket_path
from hie.errors import HieError
from hie.logs import get_logger

log = get_logger(__name__)


class Answering(Protocol):
    def answer(self, command: str, arguments: dict[str, Any], actor: str) -> Awaitable[Any]: ...


class ControlServer:
    def __init__(self, var: Path, commands: Answering) -> None:
        self.path = socket_path(var)
        self.commands = commands
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        before = os.umask(0o077)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=LIMIT)
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = orjson.loads(line)
            command, arguments, actor = asked["command"], asked["arguments"], asked["actor"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {
                "error": {"code": "bad-request", "text": "a command is a JSON object with command, arguments, actor"}
            }
        try:
            return {"result": await self.commands.answer(command, arguments, actor)}
        except HieError as error:
            return {"error": {"code": error.code, "text": error.text, "hint": error.hint}}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": {"code": "bad-request", "text": f"{command}: {type(error).__name__} in the arguments"}}
        except Exception as error:
            log.error("command-failed", command=command, kind=type(error).__name__)
            return {"error": {"code": "internal-error", "text": f"{command} failed ({type(error).__name__})"}}
