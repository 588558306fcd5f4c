"""From a request's headers and cookies to a Principal. Programs send `Bearer TOKEN` (or Basic with the token as the
password), people Basic or the console's session cookie. Source: RFC 6750 (Bearer), RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from hie.access.credentials import NOBODY, password_matches
from hie.access.directory import Directory
from hie.access.roles import Principal
from hie.access.sessions import COOKIE, Session, find_session
from hie.access.throttle import Throttle
from hie.errors import AccessDenied, StoreUnavailable

STATUS: Final[dict[str, int]] = {
    "no-credential": 401,
    "bad-credential": 401,
    "session-ended": 401,
    "not-allowed": 403,
    "csrf": 403,
    "too-many-attempts": 429,
}
"""HTTP status of each code of AccessDenied. With 401 goes `WWW-Authenticate: Bearer, Basic realm="hie"`."""

_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller; `session` and `cookie` where it came by the console."""

    principal: Principal
    session: Session | None = None
    cookie: str = ""


class Authenticator:
    """Checks credentials against a read-only engine. Thread-safe. One per process."""

    def __init__(
        self,
        reader: Engine,
        *,
        directory: Directory | None = None,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory or Directory(reader)
        self.throttle = throttle or Throttle()
        self._reader = reader
        self._clock = clock
        # passwords that were right a moment ago, under a key that dies with the process: Basic sends one each request
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def authenticate(
        self, headers: Mapping[str, str], cookies: Mapping[str, str] | None = None, address: str = ""
    ) -> Principal:
        """Who calls. Raises AccessDenied (see STATUS) or StoreUnavailable.

        `headers` need only `get("authorization")` in lower case. A token costs microseconds, a person's password 0.2 s
        the first time: run it in a thread where the scheme is Basic.
        """
        return self.caller(headers, cookies, address).principal

    def caller(self, headers: Mapping[str, str], cookies: Mapping[str, str] | None = None, address: str = "") -> Caller:
        """As `authenticate`, with the session. An Authorization header counts before a cookie."""
        given = headers.get("authorization")
        if given is not None:
            scheme, _, value = given.strip().partition(" ")
            if scheme.lower() == "bearer":
                return Caller(self._bearer(value.strip(), address))
            if scheme.lower() == "basic":
                return Caller(self._basic(value.strip(), address))
            raise AccessDenied("this way of authentication is not known", code="bad-credential", hint="Bearer or Basic")
        if cookie := (cookies or {}).get(COOKIE):
            return self._cookie(cookie)
        raise AccessDenied("a credential is needed", code="no-credential")

    def login(self, name: str, password: str, address: str) -> Principal:
        """A person by name and password, as the console's login form sends them."""
        self.throttle.check(name, address)
        entry = self.directory.named(name)
        kept = entry.secrets[0] if entry is not None and entry.principal.kind == "user" else NOBODY
        if not self._matches(name, password, kept):
            self.throttle.failed(name, address)
            raise AccessDenied("name or password is wrong", code="bad-credential")
        assert entry is not None  # NOBODY matches nothing
        self.throttle.succeeded(name, address)
        return entry.principal

    def _bearer(self, token: str, address: str) -> Principal:
        entry = self.directory.with_token(token)
        if entry is None:
            # guessing 256 bits is hopeless, so this only keeps a broken program from burning a processor
            self.throttle.check("", address)
            self.throttle.failed("", address)
            raise AccessDenied("the token is not known or no longer valid", code="bad-credential")
        return entry.principal

    def _basic(self, value: str, address: str) -> Principal:
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise AccessDenied("the Basic credential is not readable", code="bad-credential") from None
        if not colon:
            raise AccessDenied("the Basic credential has no colon", code="bad-credential")
        entry = self.directory.with_token(password)
        if entry is not None and name in (entry.principal.name, entry.principal.feed):
            return entry.principal
        return self.login(name, password, address)

    def _cookie(self, cookie: str) -> Caller:
        try:
            with self._reader.connect() as connection:
                found = find_session(connection, cookie, self._clock())
        except DBAPIError as error:
            raise StoreUnavailable(f"sessions cannot be read ({type(error.orig).__name__})") from None
        entry = self.directory.named(found.name) if found is not None else None
        if found is None or entry is None or entry.principal.kind != "user":
            raise AccessDenied("the session has ended", code="session-ended", hint="log in again")
        return Caller(entry.principal, found, cookie)

    def _matches(self, name: str, password: str, kept: str) -> bool:
        seen = hmac.new(self._key, f"{name}\0{password}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        with self._lock:
            if (known := self._right.get(seen)) is not None and hmac.compare_digest(known, kept):
                return True
        if not password_matches(password, kept):
            return False
        with self._lock:
            self._right[seen] = kept
            while len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True
