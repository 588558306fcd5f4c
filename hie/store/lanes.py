"""Where the engine is in the journal. On one host one engine owns everything: one row, lane ALL."""

from __future__ import annotations

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hie.store.tables import lane

ALL = -1


def cursor(connection: Connection) -> tuple[str, int]:
    """Day and row of the last journal row whose effects are committed; ("", 0) before the first."""
    row = connection.execute(select(lane.c.day, lane.c.seq).where(lane.c.lane == ALL)).first()
    return (row.day, row.seq) if row else ("", 0)


def take(connection: Connection, owner: str, now: float) -> int:
    """Claims the lane; answers the new epoch, by which a predecessor that still lives is fenced out."""
    build = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(lane)
    connection.execute(
        build.on_conflict_do_update(
            index_elements=["lane"], set_={"owner": owner, "epoch": lane.c.epoch + 1, "expires_at": now}
        ),
        [{"lane": ALL, "owner": owner, "epoch": 1, "expires_at": now, "day": "", "seq": 0}],
    )
    epoch: int = connection.execute(select(lane.c.epoch).where(lane.c.lane == ALL)).scalar_one()
    return epoch


def advance(connection: Connection, day: str, seq: int, now: float) -> None:
    connection.execute(update(lane).where(lane.c.lane == ALL).values(day=day, seq=seq, expires_at=now))
