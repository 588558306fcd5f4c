"""Things a person should look at that block nothing, counted by kind, key and feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from hie.store.tables import work_item


def of_kind(connection: Connection, kind: str) -> Sequence[Row[Any]]:
    """Every row of a kind."""
    return connection.execute(select(work_item).where(work_item.c.kind == kind)).all()


def note(connection: Connection, kind: str, seen: Sequence[tuple[str, str, int, str]], now: float) -> None:
    """Adds sightings: (key, feed, how often, id of the latest message)."""
    if not seen:
        return
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(work_item)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["kind", "key", "feed"],
            set_={
                "seen": work_item.c.seen + insert.excluded.seen,
                "last_at": insert.excluded.last_at,
                "example": insert.excluded.example,
            },
        ),
        [
            {"kind": kind, "key": key, "feed": feed, "seen": n, "first_at": now, "last_at": now, "example": example}
            for key, feed, n, example in sorted(seen)
        ],
    )
