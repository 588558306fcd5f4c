"""Looks whether somebody is there: a connection and, where asked, the handshake. Not a byte of content is sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

from hie.errors import TemporaryFailure

LISTEN_SECONDS = 0.5
"""A server that refuses our certificate says so only after the handshake has ended for us."""


def reach(
    host: str, port: int, seconds: float, tls: Callable[[], ssl.SSLContext] | None = None, name: str | None = None
) -> str:
    """What was seen, in words. `tls` builds the context, `name` is what the certificate must carry (default: `host`).

    Raises TemporaryFailure: nobody there, or the two sides do not come to terms.
    """
    try:
        with contextlib.closing(socket.create_connection((host, port), seconds)) as plain:
            if tls is None:
                return f"{host}:{port} takes connections"
            with tls().wrap_socket(plain, server_hostname=name or host) as secure:
                return f"{host}:{port} takes connections by {_heard(secure)}"
    except ssl.SSLError as error:
        why = (error.reason or "handshake failed").lower().replace("_", " ")
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"its certificate is refused: {error.verify_message}"
        raise TemporaryFailure(f"{host}:{port}: {why}", code="tls") from None
    except OSError as error:
        why = (error.strerror or str(error) or type(error).__name__).lower()
        raise TemporaryFailure(f"{host}:{port}: {why}", code="connect") from None


def _heard(secure: ssl.SSLSocket) -> str:
    secure.settimeout(LISTEN_SECONDS)
    with contextlib.suppress(TimeoutError):
        secure.recv(1)
    return secure.version() or "TLS"
