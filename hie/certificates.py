"""The certificate files that a configuration names, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from pydantic import BaseModel

from hie.settings import Settings, adapter_settings

OWN = ("certificate",)
AUTHORITIES = ("ca", "client_ca")
"""Names under which adapters' settings hold paths of PEM files."""


class CertificateFile(NamedTuple):
    name: str
    """`feed north certificate`, `subscriber lab ca`."""
    path: Path
    authorities: bool
    """A file of authorities to trust, of which the older may end while the newer go on."""

    def ends_at(self) -> float:
        """Seconds since the epoch: of a chain the first to end, of authorities the last. Raises OSError or ValueError."""
        ends = [c.not_valid_after_utc.timestamp() for c in x509.load_pem_x509_certificates(self.path.read_bytes())]
        return max(ends) if self.authorities else min(ends)


def certificate_files(settings: Settings) -> list[CertificateFile]:
    """In the order of the configuration, feeds first."""
    directory = settings.directory
    found: list[CertificateFile] = []
    for feed in settings.feeds:
        if feed.kind != "http":
            found += _named(f"feed {feed.name}", adapter_settings("sources", feed.source, directory))
    for subscriber in settings.subscribers:
        found += _named(f"subscriber {subscriber.name}", adapter_settings("sinks", subscriber.sink, directory))
    return found


def _named(owner: str, settings: Any) -> Iterator[CertificateFile]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from _named(owner, value)
        elif isinstance(value, Path) and name in OWN + AUTHORITIES:
            yield CertificateFile(f"{owner} {name}", value, name in AUTHORITIES)
