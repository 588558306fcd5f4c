"""TLS for the listener: the handshake, who the peer is, and why it was refused."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, cast

from adapters.hl7v2.mllp_connection import Connection
from adapters.hl7v2.settings import MllpServerTls
from hie.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.hl7v2.mllp_source import Listener

log = logging.getLogger(__name__)


class Door(asyncio.Protocol):
    """Takes a TCP connection through the TLS handshake, so that a failed one is refused with its reason."""

    def __init__(self, listener: Listener, context: ssl.SSLContext) -> None:
        self._listener = listener
        self._context = context
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        plain.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._handshake(plain))

    async def _handshake(self, plain: asyncio.Transport) -> None:
        listener = self._listener
        tls = listener.settings.tls
        assert tls is not None
        peer = plain.get_extra_info("peername")
        connection = Connection(listener)
        reason = ""
        try:
            secure = await asyncio.get_running_loop().start_tls(
                plain, connection, self._context, server_side=True, ssl_handshake_timeout=tls.handshake_seconds
            )
        except ssl.SSLError as error:
            reason = (error.reason or "handshake").lower().replace("_", "-")
        except (OSError, TimeoutError):
            reason = "handshake-failed"
        else:
            if secure is None:
                reason = "handshake-failed"
            else:
                names = certificate_names(secure.get_extra_info("peercert") or {})
                if tls.names and not names & set(tls.names):
                    reason = "name-not-allowed"
                    secure.abort()
                else:
                    connection.source = min(names, default="")
                    connection.connection_made(secure)
        if reason:
            log.warning(
                "tls handshake failed",
                extra={"feed": listener.feed, "peer": str(peer[0]) if peer else "", "reason": reason},
            )
            listener.count("hie_connections_closed_total", reason="tls")
            plain.abort()


def certificate_names(certificate: dict[str, object]) -> set[str]:
    """DNS names, and the common name where there are none, of a verified peer certificate (RFC 6125)."""
    alternatives = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    names = {value for kind, value in alternatives if kind in ("DNS", "IP Address", "URI")}
    if names:
        return names
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
    return {value for part in subject for key, value in part if key == "commonName"}


def server_context(tls: MllpServerTls) -> ssl.SSLContext:
    """The context of a listener. Raises ConfigurationError where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"TLS files cannot be used: {error}", code="tls-files") from error
    return context
