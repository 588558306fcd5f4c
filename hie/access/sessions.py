"""Console sessions: a random cookie whose sha256 is kept; ends after 30 idle minutes, after 12 hours, or at logout.

Reading functions work on a read-only connection; writing ones are for the engine. The web process makes the cookie and
sends the engine only its digest, so the secret never crosses a socket or meets a disk.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from hie.access.tables import session
from hie.errors import AccessDenied

COOKIE: Final = "hie_session"
IDLE: Final = 1800.0
LONGEST: Final = 43200.0
TOUCH_EVERY: Final = 60.0
"""A session is prolonged at most once a minute: not every click is a write."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is in force. `stale`: its end should be moved (`touch_session`)."""

    id: bytes
    name: str
    created_at: float
    expires_at: float
    stale: bool = False


def new_cookie() -> tuple[str, bytes]:
    """The cookie's value (256 random bits) and the id under which the session is kept."""
    value = secrets.token_urlsafe(32)
    return value, session_id(value)


def session_id(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()


def set_cookie(value: str, secure: bool) -> str:
    """The Set-Cookie header of a login. `secure`: the browser came by TLS. Sent to the console only."""
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def clear_cookie() -> str:
    """The Set-Cookie header of a logout."""
    return f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"


def open_session(connection: Connection, id: bytes, name: str, now: float) -> None:
    connection.execute(
        insert(session).values(id=id, name=name, created_at=now, expires_at=now + IDLE),
    )


def find_session(connection: Connection, cookie: str, now: float) -> Session | None:
    """The session of a cookie, None where there is none in force."""
    row = connection.execute(select(session).where(session.c.id == session_id(cookie))).first()
    if row is None or now >= row.expires_at or now >= row.created_at + LONGEST:
        return None
    stale = row.expires_at < min(now + IDLE - TOUCH_EVERY, row.created_at + LONGEST)
    return Session(bytes(row.id), row.name, row.created_at, row.expires_at, stale)


def touch_session(connection: Connection, id: bytes, now: float) -> bool:
    """Moves the end of a session that is in force; False where it is not."""
    row = connection.execute(select(session.c.created_at, session.c.expires_at).where(session.c.id == id)).first()
    if row is None or now >= row.expires_at:
        return False
    end = min(now + IDLE, row.created_at + LONGEST)
    connection.execute(update(session).where(session.c.id == id).values(expires_at=end))
    return True


def close_session(connection: Connection, id: bytes) -> bool:
    return bool(connection.execute(delete(session).where(session.c.id == id)).rowcount)


def close_sessions_of(connection: Connection, name: str) -> int:
    """Ends all sessions of a person: disabled, new password, new roles."""
    return int(connection.execute(delete(session).where(session.c.name == name)).rowcount)


def purge_sessions(connection: Connection, now: float) -> int:
    """Deletes what has expired; housekeeping, since expired sessions are refused anyway."""
    return int(connection.execute(delete(session).where(session.c.expires_at <= now)).rowcount)


def csrf_token(cookie: str) -> str:
    """The hidden field of every form: derived from the session's secret, so another site cannot know it."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"hie form", hashlib.sha256).hexdigest()


def check_csrf(cookie: str, submitted: str) -> None:
    """Raises AccessDenied unless the form came from a page of this session."""
    # compare_digest takes only ASCII as text
    if not cookie or not hmac.compare_digest(csrf_token(cookie).encode(), submitted.encode("utf-8", "surrogatepass")):
        raise AccessDenied("the form does not belong to this session", code="csrf", hint="load the page again")


def check_origin(origin: str | None, host: str) -> None:
    """Raises AccessDenied for a login form posted by another site. Browsers send Origin with every form post."""
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise AccessDenied("the form was sent by another site", code="csrf")
