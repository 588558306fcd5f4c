"""Whether an MLLP subscriber is there: connects, shakes hands where it is TLS, and goes."""

from __future__ import annotations

import ssl

from adapters.hl7v2.settings import MllpSink
from hie.reach import reach


def probe(settings: MllpSink) -> str:
    """The entry named in manifest.toml (hie.ports.Probe)."""
    tls = settings.tls
    if tls is None:
        return reach(settings.host, settings.port, settings.connect_seconds)

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate:
            made.load_cert_chain(tls.certificate, tls.key)
        return made

    return reach(settings.host, settings.port, settings.connect_seconds, context, tls.server_name)
