"""MLLP as the simulated world speaks it: framing of its own, so that it cannot share a fault with the node's."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

START, END = b"\x0b", b"\x1c\r"


def framed(message: bytes) -> bytes:
    return START + message + END


def field(message: bytes, segment: bytes, number: int) -> bytes:
    """Field `number` of the first `segment` (MSH counts its separator as field 1)."""
    for line in message.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(segment) and len(line) > 3:
            fields = line.split(line[3:4])
            index = number - 1 if segment == b"MSH" else number
            return fields[index] if index < len(fields) else b""
    return b""


class Framed(asyncio.Protocol):
    """Cuts what arrives into messages and hands each to `received`."""

    def __init__(self, received: Callable[[Framed, bytes], None], lost: Callable[[], None] | None = None) -> None:
        self.buffer = bytearray()
        self.received = received
        self.lost = lost
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(END)) >= 0:
            start = self.buffer.find(START, 0, end)
            message = bytes(self.buffer[start + 1 : end])
            del self.buffer[: end + 2]
            self.received(self, message)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost:
            self.lost()

    def send(self, message: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(framed(message))


def acknowledgement(message: bytes, code: bytes, serial: int) -> bytes:
    stamp = time.strftime("%Y%m%d%H%M%S").encode()
    return b"MSH|^~\\&|SINK|SIM|HIE|REGION|%s||ACK|S%d|P|2.5.1\rMSA|%s|%s\r" % (
        stamp,
        serial,
        code,
        field(message, b"MSH", 10),
    )


class Sender:
    """One connection of a clinic: one outstanding message, resent with the same MSH-10 after a broken connection."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.resends = 0
        self._protocol: Framed | None = None
        self._answer: asyncio.Future[bytes] | None = None

    async def send(self, message: bytes, patience: float = 30.0) -> bytes:
        """The acknowledgement code. Insists until there is one, or `patience` seconds are over (TimeoutError)."""
        deadline = time.monotonic() + patience
        control_id = field(message, b"MSH", 10)
        first = True
        while time.monotonic() < deadline:
            try:
                protocol = await self._connected()
                self._answer = asyncio.get_running_loop().create_future()
                self.resends += not first
                first = False
                protocol.send(message)
                answer = await asyncio.wait_for(self._answer, max(0.1, deadline - time.monotonic()))
            except (OSError, TimeoutError):
                await self.close()
                await asyncio.sleep(0.05)
                continue
            if field(answer, b"MSA", 2) == control_id:
                return field(answer, b"MSA", 1)
        raise TimeoutError

    async def _connected(self) -> Framed:
        if self._protocol is None or self._protocol.transport is None or self._protocol.transport.is_closing():
            _, self._protocol = await asyncio.get_running_loop().create_connection(
                lambda: Framed(self._received, self._lost), self.host, self.port
            )
        return self._protocol

    def _received(self, _: Framed, message: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    def _lost(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())

    async def close(self) -> None:
        if self._protocol is not None and self._protocol.transport is not None:
            self._protocol.transport.abort()
        self._protocol = None
