"""Repairs: orders of an operator to send, decode or release again, each with how far it has come.

A step moves `position` in the commit that does its work, so an interrupted repair goes on where it was, each thing once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, insert, select, update

from hie.errors import NotFound
from hie.store.selection import Selection
from hie.store.tables import delivery, repair, subscriber_state

__all__ = ["Repair", "Selection"]
RUNNING, STOPPED, DONE = "running", "stopped", "done"
UNFINISHED = ("queued", "begun", "unknown", "held")


class Repair(NamedTuple):
    id: int
    kind: str
    """redeliver, reprocess, deadletters, quarantine."""
    node: str
    actor: str
    selection: Selection
    as_new: bool
    rate: float
    """Deliveries or messages a second; 0: as fast as there is room."""
    state: str
    position: str
    """Id of the last delivery or message that is done."""
    last: str
    """The newest that belongs to it."""
    total: int
    done: int
    counts: Mapping[str, int]
    created_at: float
    updated_at: float

    def plain(self) -> dict[str, Any]:
        """As JSON for people and programs."""
        return {**self._asdict(), "selection": self.selection.plain(), "counts": dict(self.counts)}


def _made(row: Any) -> Repair:
    arguments = orjson.loads(row.arguments)
    return Repair(
        row.id,
        row.kind,
        row.node,
        row.actor,
        Selection.of(arguments["selection"]),
        arguments["as_new"],
        arguments["rate"],
        row.state,
        row.position,
        row.last,
        row.total,
        row.done,
        orjson.loads(row.counts),
        row.created_at,
        row.updated_at,
    )


def create(
    connection: Connection,
    kind: str,
    node: str,
    actor: str,
    selection: Selection,
    total: int,
    last: str,
    now: float,
    as_new: bool = False,
    rate: float = 0.0,
) -> int:
    arguments = {"selection": selection.plain(), "as_new": as_new, "rate": rate}
    made = connection.execute(
        insert(repair).values(
            kind=kind,
            node=node,
            actor=actor,
            arguments=orjson.dumps(arguments).decode(),
            state=RUNNING,
            last=last,
            total=total,
            created_at=now,
            updated_at=now,
        )
    )
    number: int = made.inserted_primary_key[0]  # type: ignore[index]
    return number


def get(connection: Connection, id: int) -> Repair:
    """Raises NotFound."""
    row = connection.execute(select(repair).where(repair.c.id == id)).first()
    if row is None:
        raise NotFound(f"there is no repair {id}", hint="`hie redeliver list` names them")
    return _made(row)


def listed(connection: Connection, limit: int = 50) -> list[Repair]:
    """Newest first."""
    return [_made(row) for row in connection.execute(select(repair).order_by(repair.c.id.desc()).limit(limit))]


def running(connection: Connection, node: str) -> list[Repair]:
    """What the node still has to do, oldest order first."""
    mine = select(repair).where(repair.c.state == RUNNING, repair.c.node == node).order_by(repair.c.id)
    return [_made(row) for row in connection.execute(mine)]


def advance(
    connection: Connection, run: Repair, position: str, done: int, did: Mapping[str, int], now: float
) -> Repair:
    """What a step did, in its commit: `done` deliveries or messages, `did` what came of them."""
    counts = {name: run.counts.get(name, 0) + did.get(name, 0) for name in sorted({*run.counts, *did})}
    made = run._replace(position=position, done=run.done + done, counts=counts, updated_at=now)
    connection.execute(
        update(repair)
        .where(repair.c.id == run.id)
        .values(position=position, done=made.done, counts=orjson.dumps(counts).decode(), updated_at=now)
    )
    return made


def turn(connection: Connection, id: int, state: str, now: float) -> None:
    connection.execute(update(repair).where(repair.c.id == id).values(state=state, updated_at=now))


def outcomes(connection: Connection, id: int) -> dict[str, int]:
    """Deliveries of a repair by their state now."""
    query = select(delivery.c.state, func.count().label("n")).where(delivery.c.run == id).group_by(delivery.c.state)
    return {row.state: row.n for row in connection.execute(query.order_by(delivery.c.state))}


def under_way(connection: Connection, id: int) -> int:
    """Deliveries of a repair that have no outcome yet; what waits for a paused subscriber does not count."""
    query = select(func.count()).where(
        delivery.c.run == id,
        delivery.c.state.in_(UNFINISHED),
        delivery.c.subscriber.not_in(select(subscriber_state.c.name)),
    )
    return int(connection.execute(query).scalar_one())
