"""New, repeated or corrected: each resource id is deterministic, so a later message from the same sender meets it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from hie.fhir import digits
from hie.model import Resource
from hie.store.rows import Rows
from hie.store.tables import message, resource

UNTRACKED = frozenset({"MessageHeader", "Organization", "Practitioner", "PractitionerRole", "Location", "Device"})
"""Who and where: said again with every message, in whatever detail it happens to have; never a correction of a fact."""


class Seen(NamedTuple):
    """One resource of one record as it is about to be remembered. `content` is 8 bytes of a hash over its JSON."""

    reference: str
    content: bytes
    message_id: str
    idx: int
    mpi_record: int | None


def content_hash(body: Resource) -> bytes:
    return hashlib.blake2b(digits.dumps(body), digest_size=8).digest()


def remember(
    connection: Connection,
    seen: Sequence[Seen],
    history: Collection[str] = (),
    feeds: Collection[str] = (),
) -> dict[str, int]:
    """Writes the versions of a batch; answers the number of new, repeated, corrected and outdated resources.

    Message ids rise with the order of arrival: what an earlier message says, replayed today, replaces nothing newer.
    Nor do messages of `history` (their ids) what came from any feed but those of `feeds`, which bring history too.
    """
    counts = {"new": 0, "repeated": 0, "corrected": 0, "outdated": 0}
    if not seen:
        return counts
    wanted = list({row.reference for row in seen})
    known: dict[str, tuple[int, bytes, str]] = {}
    for start in range(0, len(wanted), 500):
        found = connection.execute(_SELECT, {"references": wanted[start : start + 500]})
        known.update({row.reference: (row.version, row.content, row.message_id) for row in found})
    old = _told_by(connection, {message_id for _, _, message_id in known.values()}, feeds) if history else set()
    old.update(history)
    latest: dict[str, dict[str, object]] = {}
    for row in seen:
        before = known.get(row.reference)
        if before is None:
            version = 1
            counts["new"] += 1
        elif before[2] > row.message_id or (row.message_id in history and before[2] not in old):
            counts["outdated"] += 1
            continue
        elif before[1] == row.content:
            counts["repeated"] += 1
            continue
        else:
            version = before[0] + 1
            counts["corrected"] += 1
        known[row.reference] = (version, row.content, row.message_id)
        latest[row.reference] = {
            "reference": row.reference,
            "message_id": row.message_id,
            "idx": row.idx,
            "mpi_record": row.mpi_record,
            "version": version,
            "content": row.content,
        }
    if latest:
        _UPSERT[connection.dialect.name].run(connection, list(latest.values()))
    return counts


def _told_by(connection: Connection, messages: Collection[str], feeds: Collection[str]) -> set[str]:
    """Those of `messages` that came from `feeds`."""
    found: set[str] = set()
    ids = sorted(messages)
    for start in range(0, len(ids), 500):
        given = {"ids": ids[start : start + 500], "feeds": list(feeds)}
        found.update(connection.execute(_TOLD_BY, given).scalars())
    return found


_TOLD_BY = select(message.c.id).where(
    message.c.id.in_(bindparam("ids", expanding=True)), message.c.feed.in_(bindparam("feeds", expanding=True))
)
_SELECT = select(resource.c.reference, resource.c.version, resource.c.content, resource.c.message_id).where(
    resource.c.reference.in_(bindparam("references", expanding=True))
)


def _upsert(dialect: ModuleType) -> Rows:
    insert = dialect.insert(resource)
    changed = ("message_id", "idx", "mpi_record", "version", "content")
    return Rows(
        insert.on_conflict_do_update(
            index_elements=["reference"], set_={c: getattr(insert.excluded, c) for c in changed}
        ),
        ("reference", *changed),
    )


_UPSERT = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}
