"""All credentials in memory, read again when older than a second: checking a token costs a dictionary look-up, and a
disabled credential is refused within that second.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from hie.access.credentials import token_digest
from hie.access.roles import NAMES, Principal, Role, capabilities
from hie.access.tables import credential
from hie.errors import StoreUnavailable

MAX_AGE: Final = 1.0
FEED_PREFIX: Final = "feed/"
"""Feeds and people may bear the same name; the credential of feed `north` is kept as `feed/north`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One enabled credential. `secrets` are the kept values: two while a token is being replaced."""

    principal: Principal
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    names: dict[str, Entry]
    tokens: dict[str, Entry]
    at: float


class Directory:
    """Enabled credentials by name and by token. Safe to use from several threads."""

    def __init__(
        self, reader: Engine, *, max_age: float = MAX_AGE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: _Snapshot | None = None

    def named(self, name: str) -> Entry | None:
        """The entry of a person or program; a feed under its bare name where nobody else bears it."""
        names = self._current().names
        return names.get(name) or names.get(FEED_PREFIX + name)

    def with_token(self, token: str) -> Entry | None:
        digest = token_digest(token)
        entry = self._current().tokens.get(digest)
        if entry is None or not any(hmac.compare_digest(digest, kept) for kept in entry.secrets):
            return None
        return entry

    def forget(self) -> None:
        """Reads again at the next call: after a change that this process knows of."""
        self._snapshot = None

    def _current(self) -> _Snapshot:
        snapshot = self._snapshot
        if snapshot is not None and self._clock() - snapshot.at < self._max_age:
            return snapshot
        with self._lock:
            snapshot = self._snapshot
            if snapshot is None or self._clock() - snapshot.at >= self._max_age:
                # fails closed: a credential that cannot be checked is not accepted on yesterday's word
                snapshot = self._snapshot = self._read()
            return snapshot

    def _read(self) -> _Snapshot:
        at = self._clock()
        names: dict[str, Entry] = {}
        tokens: dict[str, Entry] = {}
        try:
            with self._reader.connect() as connection:
                rows = connection.execute(select(credential).where(credential.c.disabled_at.is_(None))).all()
        except DBAPIError as error:
            raise StoreUnavailable(
                f"credentials cannot be read ({type(error.orig).__name__})", hint="try again"
            ) from None
        for row in rows:
            entry = Entry(principal(row.name, row.kind, row.roles, row.participant), tuple(row.secret.split()))
            names[row.name] = entry
            for kept in entry.secrets:
                if kept.startswith("sha256:"):
                    tokens[kept] = entry
        return _Snapshot(names, tokens, at)


def principal(name: str, kind: str, roles: str, participant: str) -> Principal:
    """From a row of `credential`. A role that this version does not know gives nothing."""
    known = frozenset(Role(role) for role in roles.split() if role in NAMES)
    feed = name.removeprefix(FEED_PREFIX) if kind == "feed" else ""
    return Principal(name, kind, known, participant, capabilities(known), feed)
