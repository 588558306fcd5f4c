"""Token files under `var/secrets`: what a sender needs to post to its feed, mode 600, made at the first start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection

from hie.access.accounts import accounts, register_feed
from hie.access.credentials import new_token, token_digest
from hie.access.directory import FEED_PREFIX
from hie.errors import ConfigurationError


def token_path(directory: Path, feed: str) -> Path:
    return directory / f"{feed}.token"


def ensure_feed_tokens(connection: Connection, feeds: Iterable[str], directory: Path, now: float) -> list[str]:
    """Gives each feed without a credential a token, in a file `FEED.token`; the feeds that got one.

    A file that is there already is registered as it is (the database was lost, or a start was killed between the two).
    A feed with a credential gets nothing: whoever deleted the file after handing it over meant it.
    """
    present = {a.name for a in accounts(connection)}
    made = []
    for feed in feeds:
        if FEED_PREFIX + feed in present:
            continue
        file = token_path(directory, feed)
        token = read_token(file) if file.exists() else _write(file)
        register_feed(connection, feed, token_digest(token), now)
        made.append(feed)
    return made


def read_token(file: Path) -> str:
    """The token in a file. Raises ConfigurationError where there is none, or where others may read it."""
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigurationError(
                "this token may be read by others", file=str(file), code="token-open", hint="chmod 600"
            )
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("the token cannot be read", file=str(file), code="no-token") from None
    if len(token) < 32:
        raise ConfigurationError("this is no token", file=str(file), code="bad-token", hint="delete the file")
    return token


def _write(file: Path) -> str:
    token = new_token()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, token.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    beside.replace(file)
    return token
