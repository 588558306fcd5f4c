"""Posts bundles to a subscriber over HTTP/1.1 with kept-alive connections.

A failure before the request could leave is temporary; one after it is an unknown outcome, and the same key is sent
again. Redirects are not followed, bodies of answers are neither kept nor logged.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import h11

from adapters.fhir.answer import judged
from adapters.fhir.http1 import HEAD_LIMIT, Connection, Head, Malformed
from adapters.fhir.settings import HttpSink
from adapters.fhir.token import Token
from hie.errors import ConfigurationError, OutcomeUnknown, PermanentRefusal, TemporaryFailure
from hie.ports import Meter
from hie.tlsfiles import TlsFiles

CONTENT_TYPE = "application/fhir+json; charset=utf-8"


class FhirSink:
    """One subscriber. Safe to share between tasks: each concurrent `send` has a connection of its own."""

    def __init__(
        self, settings: HttpSink, meter: Meter, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.idempotent = settings.idempotent
        self._settings = settings
        self._meter = meter
        self._now = now
        parts = urlsplit(settings.url)
        self._host = parts.hostname or ""
        self._tls = _tls(settings, self._host, meter) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._target = parts.path or "/"
        self._headers = [
            ("Host", parts.netloc),
            ("Content-Type", CONTENT_TYPE),
            ("Accept", "application/fhir+json"),
            ("Prefer", "return=minimal"),
            ("User-Agent", "hie"),
        ]
        self._token = Token(settings.token_file, settings.token_env)
        self._idle: list[Connection] = []

    async def send(self, payload: bytes, key: str) -> str:
        """Posts `payload` and returns the status ("200"). Raises TemporaryFailure (with `retry_after` seconds where the
        subscriber named a time), PermanentRefusal or OutcomeUnknown."""
        started = time.perf_counter()
        result = "unsent"
        try:
            request = self._request(payload, key)
            connection = await self._connected()
            result = "unknown"
            answer = await self._exchanged(connection, request, payload)
            result = f"{answer.status // 100}xx"
        finally:
            self._meter.observe("hie_http_send_duration_seconds", time.perf_counter() - started, result=result)
        if (error := judged(answer.status, answer.retry_after, self._now())) is not None:
            raise error
        return str(answer.status)

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _request(self, payload: bytes, key: str) -> h11.Request:
        if not key.isascii() or not key.isprintable():
            raise PermanentRefusal("the delivery key cannot be a header value", code="http-key")
        headers = [
            *self._headers,
            ("Content-Length", str(len(payload))),
            ("Idempotency-Key", key),
            ("X-Request-Id", key),
        ]
        if token := self._token.header():
            headers.append(("Authorization", token))
        return h11.Request(method="POST", target=self._target, headers=headers)

    async def _connected(self) -> Connection:
        oldest = time.monotonic() - self._settings.idle_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.close()
        try:
            tls = self._tls.current() if self._tls else None
            async with asyncio.timeout(self._settings.connect_seconds):
                streams = await asyncio.open_connection(self._host, self._port, ssl=tls, limit=HEAD_LIMIT)
        except ConfigurationError as error:
            raise TemporaryFailure(error.text, code=error.code, hint=error.hint) from error
        except ssl.SSLError as error:
            raise TemporaryFailure("the TLS handshake with the subscriber failed", code="http-tls") from error
        except (OSError, TimeoutError) as error:
            raise TemporaryFailure("no connection to the subscriber", code="http-connect") from error
        return Connection(*streams, time.monotonic())

    async def _exchanged(self, connection: Connection, request: h11.Request, payload: bytes) -> Head:
        keep = False
        try:
            async with asyncio.timeout(self._settings.answer_seconds):
                answer = await connection.exchange(request, payload)
            keep = await connection.drained(self._settings.max_answer_bytes, self._settings.answer_seconds)
            return answer
        except TimeoutError as error:
            raise OutcomeUnknown(
                "the request may have arrived, but no answer came in time", code="http-timeout"
            ) from error
        except (OSError, EOFError) as error:
            raise OutcomeUnknown("the connection was lost after the request had left", code="http-lost") from error
        except Malformed as error:
            raise OutcomeUnknown("the subscriber's answer is no HTTP/1.1", code="http-malformed") from error
        finally:
            if keep:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()


def _tls(settings: HttpSink, host: str, meter: Meter) -> TlsFiles:
    def build() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key)
        return context

    return TlsFiles(f"sink {host}", (settings.ca, settings.certificate, settings.key), build, meter)


def connect(settings: HttpSink, meter: Meter) -> FhirSink:
    """A sink for one subscriber; connections are opened at the first send."""
    return FhirSink(settings, meter)
