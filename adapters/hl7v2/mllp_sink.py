"""Sends HL7v2 messages to a subscriber over MLLP: one socket, one message in flight, answers matched by MSH-10.

After an acknowledgement time-out the connection is closed: a late answer must never be taken for the answer to the
next message, which would count an undelivered one as delivered.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from adapters.hl7v2.framing import Frame, Framer, State, TooBig, TooMuchJunk, frame
from adapters.hl7v2.mllp_socket import keep_alive
from adapters.hl7v2.peek import Header, header_of
from adapters.hl7v2.settings import MllpClientTls, MllpSink
from hie.errors import ConfigurationError, OutcomeUnknown, PermanentRefusal, TemporaryFailure
from hie.ports import Meter, Sink
from hie.tlsfiles import TlsFiles

POSITIVE = frozenset({"AA", "CA"})
TEMPORARY = frozenset({"AE", "CE"})
PERMANENT = frozenset({"AR", "CR"})


class _Line(asyncio.Protocol):
    """One TCP connection. `answer` resolves with (code, condition) of the message in flight."""

    def __init__(self, max_answer: int) -> None:
        self._framer = Framer(max_answer, max_answer)
        self._control_id = b""
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[str, str]] | None = None
        self.last_used = 0.0

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            keep_alive(sock)

    def put(self, payload: bytes, control_id: bytes) -> asyncio.Future[tuple[str, str]]:
        assert self.transport is not None
        self._control_id = control_id
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(frame(payload))
        return self.answer

    def data_received(self, data: bytes) -> None:
        for event in self._framer.feed(data):
            if isinstance(event, Frame):
                self._match(event.payload)
            elif isinstance(event, TooBig | TooMuchJunk):
                self.close()
        if self._framer.state is State.ENDING:  # the receiver leaves out the CR: nothing more will come
            for event in self._framer.pause():
                if isinstance(event, Frame):
                    self._match(event.payload)

    def _match(self, payload: bytes) -> None:
        code, control_id, condition = read_answer(payload)
        mine = control_id == self._control_id or (not control_id and code not in POSITIVE)
        if self.answer is not None and not self.answer.done() and code and mine:
            self.answer.set_result((code, condition))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError())

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class MllpDestination:
    """A subscriber (hie.ports.Sink). Safe to call from several tasks: they take turns."""

    idempotent = False

    def __init__(self, settings: MllpSink, meter: Meter) -> None:
        self._settings = settings
        self._meter = meter
        self._tls = (
            _client_files(settings.tls, f"sink {settings.host}:{settings.port}", meter) if settings.tls else None
        )
        self._line: _Line | None = None
        self._turn = asyncio.Lock()

    async def send(self, payload: bytes, key: str) -> str:
        """Returns AA or CA. `key` is already inside the payload (MSH-10), which is what the receiver can compare.

        Raises TemporaryFailure (no connection, AE, CE), PermanentRefusal (AR, CR) or OutcomeUnknown (bytes left, no
        matching answer came).
        """
        header = header_of(payload)
        if not header.field(10):
            raise PermanentRefusal("the message has no control id, no answer could be matched", code="no-control-id")
        async with self._turn:
            line = await self._connected()
            code, condition = await self._exchange(line, payload, header)
        if code in POSITIVE:
            return code
        detail = f"answered {code}" + (f" with condition {condition}" if condition else "")
        if code in TEMPORARY:
            raise TemporaryFailure(detail, code=f"ack-{code.lower()}")
        if code in PERMANENT:
            raise PermanentRefusal(detail, code=f"ack-{code.lower()}")
        raise OutcomeUnknown("answered with a code that is not in table 0008", code="ack-unknown")

    async def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    async def _exchange(self, line: _Line, payload: bytes, header: Header) -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        answer = line.put(payload, header.field(10))
        timer = loop.call_later(self._settings.ack_seconds, _expire, answer)
        try:
            return await answer
        except TimeoutError as error:
            raise OutcomeUnknown("no acknowledgement in time", code="ack-timeout") from error
        except ConnectionError as error:
            raise OutcomeUnknown("the connection ended before the acknowledgement", code="connection-lost") from error
        finally:
            timer.cancel()
            line.last_used = loop.time()
            if not answer.done() or answer.cancelled() or answer.exception() is not None:
                # late-acknowledgement rule: nothing that is still under way may meet the next message
                line.close()
                self._line = None

    async def _connected(self) -> _Line:
        loop = asyncio.get_running_loop()
        line = self._line
        if line is not None and line.usable and loop.time() - line.last_used < self._settings.idle_seconds:
            return line
        await self.close()
        settings = self._settings
        try:
            tls = self._tls.current() if self._tls else None
            async with asyncio.timeout(settings.connect_seconds):
                name = (settings.tls.server_name or settings.host) if settings.tls else None
                _, line = await loop.create_connection(
                    lambda: _Line(settings.max_answer_bytes),
                    settings.host,
                    settings.port,
                    ssl=tls,
                    server_hostname=name,
                )
        except ConfigurationError as error:
            raise TemporaryFailure(error.text, code=error.code, hint=error.hint) from error
        except ssl.SSLError as error:
            reason = (error.reason or "handshake").lower().replace("_", "-")
            raise TemporaryFailure(f"TLS handshake failed: {reason}", code="tls") from error
        except (OSError, TimeoutError) as error:
            raise TemporaryFailure("no connection to the subscriber", code="connect") from error
        line.last_used = loop.time()
        self._line = line
        return line


def read_answer(payload: bytes) -> tuple[str, bytes, str]:
    """MSA-1, MSA-2 byte for byte, and the condition of table 0357 (digits) of an acknowledgement; "" where absent."""
    header = header_of(payload)
    code, control_id, condition = "", b"", ""
    for segment in payload.replace(b"\n", b"\r").split(b"\r"):
        fields = segment.split(header.separator)
        if fields[0] == b"MSA" and not code:
            code = fields[1].strip().decode("ascii", "replace").upper() if len(fields) > 1 else ""
            control_id = fields[2] if len(fields) > 2 else b""
        elif fields[0] == b"ERR" and not condition:
            condition = _condition(fields, header)
    return code, control_id, condition


def _condition(fields: list[bytes], header: Header) -> str:
    newer = fields[3].split(header.component)[0] if len(fields) > 3 else b""
    older = fields[1].split(header.component)[3:4] if len(fields) > 1 else []
    value = newer or (older[0].split(header.subcomponent)[0] if older else b"")
    return value.decode() if value.isdigit() and len(value) < 6 else ""


def _expire(answer: asyncio.Future[tuple[str, str]]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _client_files(tls: MllpClientTls, name: str, meter: Meter) -> TlsFiles:
    """The context towards a subscriber, following its files."""

    def build() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
        return context

    return TlsFiles(name, (tls.ca, tls.certificate, tls.key), build, meter)


def connect(settings: MllpSink, meter: Meter) -> Sink:
    """The entry named in manifest.toml. Connects with the first message."""
    return MllpDestination(settings, meter)
