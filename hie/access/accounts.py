"""Changing who may call: functions of a writable connection. The engine runs them as commands; nobody else writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from hie.access.credentials import check_kept, check_name, new_password, password_hash
from hie.access.directory import FEED_PREFIX
from hie.access.roles import FOR_PROGRAMS, NAMES, NEEDS_PARTICIPANT, Role
from hie.access.sessions import close_sessions_of
from hie.access.tables import credential
from hie.errors import Conflict, NotFound

ADMINISTRATOR: Final = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """A credential without its secret."""

    name: str
    kind: str
    roles: tuple[str, ...]
    participant: str
    created_at: float
    disabled_at: float | None


def accounts(connection: Connection) -> list[Account]:
    """All credentials by name, disabled ones too."""
    rows = connection.execute(select(credential).order_by(credential.c.kind, credential.c.name))
    return [Account(r.name, r.kind, tuple(r.roles.split()), r.participant, r.created_at, r.disabled_at) for r in rows]


def ensure_first_administrator(connection: Connection, now: float) -> str | None:
    """Makes `admin` where no administrator was ever made; its password, to be printed once. None otherwise."""
    if any(Role.ADMINISTRATOR in a.roles for a in accounts(connection)):
        return None
    password = new_password()
    _add(connection, ADMINISTRATOR, "user", password_hash(password), (Role.ADMINISTRATOR,), "", now)
    return password


def add_user(connection: Connection, name: str, roles: Iterable[str], participant: str, kept: str, now: float) -> None:
    """A person. `kept` is the password as `credentials.password_hash` gives it: hashing takes too long for here."""
    check_name(name)
    check_kept(kept, "scrypt:")
    wanted = _roles(roles, participant)
    _check_kind("user", wanted)
    _add(connection, name, "user", kept, wanted, participant, now)


def add_client(
    connection: Connection, name: str, roles: Iterable[str], participant: str, kept: str, now: float
) -> None:
    """A program. `kept` is its token's `credentials.token_digest`."""
    check_name(name)
    check_kept(kept, "sha256:")
    wanted = _roles(roles, participant)
    _check_kind("client", wanted)
    _add(connection, name, "client", kept, wanted, participant, now)


def register_feed(connection: Connection, feed: str, kept: str, now: float) -> None:
    """The credential of a feed; `kept` is its token's digest."""
    check_kept(kept, "sha256:")
    _add(connection, FEED_PREFIX + feed, "feed", kept, (Role.FEED,), "", now)


def is_user(connection: Connection, name: str) -> bool:
    """Whether a person of that name may log in."""
    usable = (credential.c.name == name) & (credential.c.kind == "user") & credential.c.disabled_at.is_(None)
    return connection.execute(select(credential.c.name).where(usable)).first() is not None


def replace_token(connection: Connection, name: str, kept: str, keep_old: bool) -> None:
    """A new token for a program or feed. `keep_old`: the one before stays valid until `retire_token`."""
    row = _row(connection, name)
    if row.kind == "user":
        raise Conflict("people have passwords, not tokens", code="bad-kind", hint="set a new password")
    check_kept(kept, "sha256:")
    secret = " ".join([kept, *row.secret.split()[: 1 if keep_old else 0]])
    connection.execute(update(credential).where(credential.c.name == row.name).values(secret=secret))


def retire_token(connection: Connection, name: str) -> bool:
    """Ends the token before the newest; False where there was none."""
    row = _row(connection, name)
    first, *others = row.secret.split()
    connection.execute(update(credential).where(credential.c.name == row.name).values(secret=first))
    return bool(others)


def set_password(connection: Connection, name: str, kept: str) -> None:
    """A new password for a person; all their sessions end."""
    row = _row(connection, name)
    if row.kind != "user":
        raise Conflict("programs have tokens, not passwords", code="bad-kind", hint="replace the token")
    check_kept(kept, "scrypt:")
    connection.execute(update(credential).where(credential.c.name == row.name).values(secret=kept))
    close_sessions_of(connection, row.name)


def set_roles(connection: Connection, name: str, roles: Iterable[str], participant: str) -> None:
    row = _row(connection, name)
    wanted = _roles(roles, participant)
    _check_kind(row.kind, wanted)
    if Role.ADMINISTRATOR not in wanted:
        _keep_one_administrator(connection, row.name)
    values = {"roles": " ".join(wanted), "participant": participant}
    connection.execute(update(credential).where(credential.c.name == row.name).values(values))
    close_sessions_of(connection, row.name)


def disable(connection: Connection, name: str, now: float) -> None:
    """Refuses the credential from now on (within a second in running processes) and ends its sessions."""
    row = _row(connection, name)
    _keep_one_administrator(connection, row.name)
    connection.execute(update(credential).where(credential.c.name == row.name).values(disabled_at=now))
    close_sessions_of(connection, row.name)


def enable(connection: Connection, name: str) -> None:
    row = _row(connection, name)
    connection.execute(update(credential).where(credential.c.name == row.name).values(disabled_at=None))


def reset_administrator(connection: Connection, kept: str, now: float) -> None:
    """A new password for `admin`, who is enabled and given the role again, or made anew. The way back in."""
    if all(a.name != ADMINISTRATOR for a in accounts(connection)):
        add_user(connection, ADMINISTRATOR, (Role.ADMINISTRATOR,), "", kept, now)
        return
    set_password(connection, ADMINISTRATOR, kept)
    row = _row(connection, ADMINISTRATOR)
    roles = " ".join(dict.fromkeys([Role.ADMINISTRATOR.value, *row.roles.split()]))
    values = {"roles": roles, "disabled_at": None}
    connection.execute(update(credential).where(credential.c.name == ADMINISTRATOR).values(values))


def _check_kind(kind: str, roles: Iterable[Role]) -> None:
    wanted = set(roles)
    if kind == "user" and (found := sorted(wanted & FOR_PROGRAMS)):
        raise Conflict(f"{found[0].value} is a role of programs", code="bad-role")
    if kind == "client" and wanted & {Role.ADMINISTRATOR, Role.FEED}:
        raise Conflict("a program is neither administrator nor, by this way, a feed", code="bad-role")
    if kind == "feed" and wanted != {Role.FEED}:
        raise Conflict("a feed has the role feed and no other", code="bad-role")


def _keep_one_administrator(connection: Connection, without: str) -> None:
    having = [a.name for a in accounts(connection) if Role.ADMINISTRATOR in a.roles and a.disabled_at is None]
    if having == [without]:
        raise Conflict("this is the last administrator", code="last-administrator", hint="make another one first")


def _roles(given: Iterable[str], participant: str) -> tuple[Role, ...]:
    roles: list[Role] = []
    for name in given:
        if name not in NAMES:
            raise Conflict(f"no role is called {name!r}", code="bad-role", hint="one of " + ", ".join(Role))
        roles.append(Role(name))
    if not roles:
        raise Conflict("at least one role is needed", code="bad-role", hint="one of " + ", ".join(Role))
    if not participant and (bound := sorted(set(roles) & NEEDS_PARTICIPANT)):
        raise Conflict(
            f"a {bound[0].value} acts for a participant", code="no-participant", hint="say which with --participant"
        )
    return tuple(dict.fromkeys(roles))


def _row(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(credential).where(credential.c.name == name)).first()
    if row is None:
        raise NotFound("no such user, program or feed token", hint="hie access list")
    return row


def _add(
    connection: Connection, name: str, kind: str, secret: str, roles: Iterable[Role], participant: str, now: float
) -> None:
    taken = connection.execute(select(credential.c.name).where(credential.c.name == name)).first()
    if taken is not None:
        raise Conflict("this name is taken", code="name-taken")
    connection.execute(
        insert(credential).values(
            name=name,
            kind=kind,
            secret=secret,
            roles=" ".join(role.value for role in roles),
            participant=participant,
            created_at=now,
            disabled_at=None,
        )
    )
