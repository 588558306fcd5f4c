"""What a start must find in place before the processes fork: schema, administrator, feed tokens, seal key.

Everything here is idempotent; what is made for the first time is announced once.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, insert, select

from hie.access.accounts import ensure_first_administrator
from hie.access.secrets import ensure_feed_tokens, token_path
from hie.audit.key import SealKey, key_path, last_seal
from hie.clash import check_packages
from hie.errors import ConfigurationError
from hie.settings import Settings
from hie.store import claims
from hie.store.database import migrate, open_writer
from hie.store.tables import audit, configuration


def prepare(settings: Settings) -> list[str]:
    """Lines for the operator's terminal (the one place where the first password appears)."""
    check_packages()
    migrate(settings.database_url)
    engine = open_writer(settings.database_url)
    try:
        with engine.begin() as connection:
            lines = _fill(connection, settings)
    finally:
        engine.dispose()
    SealKey.open(key_path(settings.var), create=True)
    return lines


def _fill(connection: Connection, settings: Settings) -> list[str]:
    lines = []
    now = time.time()
    _refuse_lost(connection, settings)
    if connection.dialect.name == "postgresql":
        claims.refuse_twin(connection, settings.name, claims.home_of(settings.var))
    if password := ensure_first_administrator(connection, now):
        lines.append(
            f"hie: first start: user admin, password {password} (shown once; `hie access set-password admin` makes another)"
        )
    feeds = [feed.name for feed in settings.feeds if feed.kind == "http"]
    secrets = settings.var / "secrets"
    for name in ensure_feed_tokens(connection, feeds, secrets, now):
        lines.append(f"hie: first start: token of feed {name} in {token_path(secrets, name)}")
    known = connection.execute(select(configuration.c.hash).where(configuration.c.hash == settings.hash)).first()
    if known is None:
        connection.execute(
            insert(configuration).values(hash=settings.hash, loaded_at=now, body=settings.model_dump_json())
        )
    return lines


def _refuse_lost(connection: Connection, settings: Settings) -> None:
    """A node whose audit was sealed and whose database is empty has lost it, and with it every consent: to begin anew
    would send what patients refused, with everything that lies in the journal. Raises ConfigurationError."""
    sealed, _ = last_seal(key_path(settings.var))
    if sealed and connection.execute(select(audit.c.at).limit(1)).first() is None:
        raise ConfigurationError(
            "the database is empty, but this node had one: consents and people would be forgotten",
            file=str(settings.var),
            code="database-lost",
            hint="restore hie.db from a backup; to begin as a new node, give it an empty `var`",
        )
