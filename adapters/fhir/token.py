"""The bearer token of a subscriber, from a file that may be rotated or from the environment."""

from __future__ import annotations

import os
from pathlib import Path

from hie.errors import TemporaryFailure

_LONGEST = 16 * 1024


class Token:
    """Gives the Authorization header; reads the file again when its time stamp or size changes."""

    def __init__(self, file: Path | None, variable: str | None) -> None:
        self._path = file
        self._variable = variable
        self._seen: tuple[int, int, int] | None = None
        self._header: str | None = None

    def header(self) -> str | None:
        """`Bearer ...`, or None where no token is configured. Raises TemporaryFailure `token-missing`, `token-odd`."""
        if self._path is not None:
            try:
                stat = self._path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if stamp != self._seen:
                    self._header = _bearer(self._path.read_text("ascii"))
                    self._seen = stamp
            except (OSError, UnicodeDecodeError) as error:
                raise TemporaryFailure("the token file cannot be read", code="token-missing") from error
        elif self._variable is not None and self._header is None:
            value = os.environ.get(self._variable, "")
            if not value:
                raise TemporaryFailure("the token variable is not set", code="token-missing")
            self._header = _bearer(value)
        return self._header


def _bearer(text: str) -> str:
    token = text.strip()
    if not token or len(token) > _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise TemporaryFailure("the token is empty or has characters that no token has", code="token-odd")
    return f"Bearer {token}"
