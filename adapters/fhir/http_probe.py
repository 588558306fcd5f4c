"""Whether a FHIR server is there: connects, shakes hands where it is https, and goes without a request."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from adapters.fhir.settings import HttpSink
from hie.reach import reach


def probe(settings: HttpSink) -> str:
    """The entry named in manifest.toml (hie.ports.Probe)."""
    parts = urlsplit(settings.url)
    host, secure = parts.hostname or "", parts.scheme == "https"

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate:
            made.load_cert_chain(settings.certificate, settings.key)
        return made

    port = parts.port or (443 if secure else 80)
    return reach(host, port, settings.connect_seconds, context if secure else None)
