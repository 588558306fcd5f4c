"""Changes of credentials and sessions by name, each with its line in the audit chain: what the engine runs for the web
process and the command line. Secrets arrive hashed and are never answered, so none crosses the engine's socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from hie.access import accounts, sessions
from hie.errors import Conflict, NotFound


class Trail(Protocol):
    """Where the audit event goes (hie.audit.chain.Trail)."""

    def note(self, connection: Connection, kind: str, actor: str, body: Mapping[str, Any]) -> None: ...


def apply(
    connection: Connection, trail: Trail, actor: str, change: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Runs the change called `change`. Raises NotFound, Conflict; then nothing of it is kept, the event neither."""
    found = CHANGES.get(change)
    if found is None:
        raise NotFound(f"there is no change {change!r} of access", code="unknown-change")
    try:
        call = signature(found).bind(connection, time.time(), **arguments)
    except TypeError:
        raise Conflict(f"the arguments of {change} are not right", code="bad-arguments") from None
    try:
        kind, body, result = found(*call.args, **call.kwargs)
    except ValueError:
        raise Conflict(f"the arguments of {change} are not right", code="bad-arguments") from None
    if kind:
        trail.note(connection, kind, actor, {"action": change, **body})
    return result


Done = tuple[str, dict[str, Any], dict[str, Any]]
"""Kind of the audit event ("" for none), its body, the answer."""


def _administration(body: dict[str, Any], result: dict[str, Any] | None = None) -> Done:
    return "administration", body, result or {}


def _add_user(
    connection: Connection, now: float, *, name: str, roles: list[str], secret: str, participant: str = ""
) -> Done:
    accounts.add_user(connection, name, roles, participant, secret, now)
    return _administration({"name": name, "roles": roles, "participant": participant})


def _add_client(
    connection: Connection, now: float, *, name: str, roles: list[str], secret: str, participant: str = ""
) -> Done:
    accounts.add_client(connection, name, roles, participant, secret, now)
    return _administration({"name": name, "roles": roles, "participant": participant})


def _set_roles(connection: Connection, now: float, *, name: str, roles: list[str], participant: str = "") -> Done:
    accounts.set_roles(connection, name, roles, participant)
    return _administration({"name": name, "roles": roles, "participant": participant})


def _set_password(connection: Connection, now: float, *, name: str, secret: str) -> Done:
    accounts.set_password(connection, name, secret)
    return _administration({"name": name})


def _reset_administrator(connection: Connection, now: float, *, secret: str) -> Done:
    accounts.reset_administrator(connection, secret, now)
    return _administration({"name": accounts.ADMINISTRATOR})


def _add_feed(connection: Connection, now: float, *, feed: str, secret: str) -> Done:
    accounts.register_feed(connection, feed, secret, now)
    return _administration({"feed": feed})


def _replace_token(connection: Connection, now: float, *, name: str, secret: str, keep_old: bool = False) -> Done:
    accounts.replace_token(connection, name, secret, keep_old)
    return _administration({"name": name})


def _retire_token(connection: Connection, now: float, *, name: str) -> Done:
    return _administration({"name": name}, {"retired": accounts.retire_token(connection, name)})


def _disable(connection: Connection, now: float, *, name: str) -> Done:
    accounts.disable(connection, name, now)
    return _administration({"name": name})


def _enable(connection: Connection, now: float, *, name: str) -> Done:
    accounts.enable(connection, name)
    return _administration({"name": name})


def _open_session(connection: Connection, now: float, *, id: str, name: str, address: str = "") -> Done:
    if not accounts.is_user(connection, name):
        raise NotFound("no such user")
    sessions.purge_sessions(connection, now)
    sessions.open_session(connection, bytes.fromhex(id), name, now)
    return "login", {"name": name, "address": address}, {}


def _touch_session(connection: Connection, now: float, *, id: str) -> Done:
    return "", {}, {"open": sessions.touch_session(connection, bytes.fromhex(id), now)}


def _close_session(connection: Connection, now: float, *, id: str) -> Done:
    return "login", {}, {"closed": sessions.close_session(connection, bytes.fromhex(id))}


def _login_failed(connection: Connection, now: float, *, name: str, address: str = "") -> Done:
    # a name nobody bears may be a password typed into the wrong field
    known = accounts.is_user(connection, name)
    return "login-failed", {"name": name if known else "unknown", "address": address}, {}


CHANGES: Final[dict[str, Callable[..., Done]]] = {
    "add-user": _add_user,
    "add-client": _add_client,
    "add-feed": _add_feed,
    "set-roles": _set_roles,
    "set-password": _set_password,
    "reset-administrator": _reset_administrator,
    "replace-token": _replace_token,
    "retire-token": _retire_token,
    "disable": _disable,
    "enable": _enable,
    "open-session": _open_session,
    "touch-session": _touch_session,
    "close-session": _close_session,
    "login-failed": _login_failed,
}
"""Arguments: see each function. `secret` is a hash of hie.access.credentials, `id` a session id in hex."""
