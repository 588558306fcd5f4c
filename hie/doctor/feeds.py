"""Feeds that nobody can use, or that anybody could: credentials of what comes by HTTP, tokens not handed out yet."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from hie.access.directory import FEED_PREFIX
from hie.access.tables import credential
from hie.doctor.finding import Finding, fail, ok, warn
from hie.settings import Settings


def credentials(connection: Connection, settings: Settings) -> Iterator[Finding]:
    names = [feed.name for feed in settings.feeds if feed.kind == "http"]
    known = set(connection.execute(select(credential.c.name).where(credential.c.disabled_at.is_(None))).scalars())
    without = [name for name in names if FEED_PREFIX + name not in known]
    for name in without:
        text = f"feed {name} takes HTTP, and no credential opens it"
        yield fail("feed-without-credential", text, f"hie access feed-token {name}")
    if names and not without:
        yield ok("feed-credentials", f"{len(names)} HTTP feeds, each with a credential")
    lying = sorted(path.name for path in (settings.var / "secrets").glob("*.token"))
    if lying:
        text = f"{len(lying)} tokens still lie in {settings.var / 'secrets'}"
        yield warn(
            "tokens-not-handed-out", text, "hand each to its sender and delete the file: only its hash is needed"
        )
