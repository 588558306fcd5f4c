"""TLS contexts that follow their files: a certificate is renewed by writing the file, with no restart.

The files are looked at when the next connection needs a context, so there is nothing to signal and nothing to time.
Open connections keep the context they began with. A file that cannot be used (half written, key and certificate that do
not belong together) leaves the last good context in force; each such state is logged once.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from hie.errors import ConfigurationError
from hie.ports import Meter

log = logging.getLogger(__name__)
Stamp = tuple[tuple[int, int, int], ...]


class TlsFiles:
    """The context built from `files` (None: not configured), built anew whenever one of them changes.

    `name` says in logs whose files they are (`feed north`); nothing is read before the first `current`.
    """

    def __init__(
        self, name: str, files: Iterable[Path | None], build: Callable[[], ssl.SSLContext], meter: Meter
    ) -> None:
        self._name = name
        self._files = tuple(file for file in files if file is not None)
        self._build = build
        self._meter = meter
        self._stamp: Stamp | None = None
        self._context: ssl.SSLContext | None = None

    def current(self) -> ssl.SSLContext:
        """The context of the newest usable files. Raises ConfigurationError `tls-files` where none ever was."""
        stamp = self._stamped()
        if self._context is not None and stamp == self._stamp:
            return self._context
        try:
            built = self._build()
        except (OSError, ssl.SSLError) as error:
            return self._kept(stamp, error)
        if self._context is not None:
            log.warning("tls files read again", extra={"setting": self._name})
        self._meter.count("hie_certificate_loads_total", setting=self._name, result="loaded")
        self._context, self._stamp = built, stamp
        return built

    def _kept(self, stamp: Stamp, error: OSError | ssl.SSLError) -> ssl.SSLContext:
        reason = _why(error)
        if stamp != self._stamp:
            self._stamp = stamp
            self._meter.count("hie_certificate_loads_total", setting=self._name, result="refused")
            log.error("tls files cannot be used", extra={"setting": self._name, "reason": reason})
        if self._context is None:
            raise ConfigurationError(
                f"{self._name}: certificate, key or authorities cannot be used: {reason}",
                code="tls-files",
                hint="PEM files that this process may read, the key belonging to the certificate",
            ) from error
        return self._context

    def _stamped(self) -> Stamp:
        found = []
        for file in self._files:
            try:
                stat = file.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)


def _why(error: OSError | ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM file").lower().replace("_", " ")
    return (error.strerror or type(error).__name__).lower()
