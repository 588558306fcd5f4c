"""TLS for the listener: the handshake, who the peer is, and why it was refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

from adapters.hl7v2.mllp_connection import Connection
from adapters.hl7v2.settings import MllpServerTls
from hie.ports import Meter
from hie.tlsfiles import TlsFiles

if TYPE_CHECKING:
    from adapters.hl7v2.mllp_source import Listener

ALTERNATIVES = {"DNS": "dns", "URI": "uri", "IP Address": "ip"}


class Door(asyncio.Protocol):
    """Takes a TCP connection through the TLS handshake. It counts as an idle connection meanwhile, so that handshakes
    which never end give way to good senders."""

    def __init__(self, listener: Listener, tls: MllpServerTls, files: TlsFiles) -> None:
        self._listener = listener
        self._tls = tls
        self._files = files
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        plain.pause_reading()
        connection = Connection(self._listener)
        if connection.admit(plain):
            self._task = asyncio.get_running_loop().create_task(self._handshake(plain, connection))

    async def _handshake(self, plain: asyncio.Transport, connection: Connection) -> None:
        try:
            secure = await asyncio.get_running_loop().start_tls(
                plain,
                connection,
                self._files.current(),
                server_side=True,
                ssl_handshake_timeout=self._tls.handshake_seconds,
            )
        except ssl.SSLError as error:
            connection.refuse((error.reason or "handshake").lower().replace("_", "-"))
        except (OSError, TimeoutError):
            connection.refuse("handshake-failed")
        else:
            if secure is None:
                connection.refuse("handshake-failed")
                return
            known = names(secure.get_extra_info("peercert") or {}, self._tls.names_from)
            wanted = {_folded(name) for name in self._tls.names}
            if wanted and not wanted & known:
                secure.abort()
                connection.refuse("name-not-allowed")
            else:
                connection.begin(secure, min(known & wanted or known, default=""))


def names(certificate: Mapping[str, Any], kinds: Collection[str]) -> set[str]:
    """Names of a verified peer certificate (as `ssl` gives it), lower case, of the kinds `dns`, `uri`, `ip` and `cn`.

    The common name counts only where the certificate has no alternative name (RFC 6125), or is the only kind asked for.
    """
    alternatives = [(ALTERNATIVES.get(kind, ""), value) for kind, value in certificate.get("subjectAltName", ())]
    found = {_folded(value) for kind, value in alternatives if kind in kinds}
    if "cn" in kinds and (len(kinds) == 1 or not alternatives):
        parts = [pair for part in certificate.get("subject", ()) for pair in part]
        found |= {_folded(value) for key, value in parts if key == "commonName"}
    return found


def _folded(name: str) -> str:
    return name.strip().rstrip(".").lower()


def server_files(feed: str, tls: MllpServerTls, meter: Meter) -> TlsFiles:
    """The context of a listener, following its files."""

    def build() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return TlsFiles(f"feed {feed}", (tls.certificate, tls.key, tls.client_ca), build, meter)
