"""What a repair is about: deliveries or messages, counted before anything is done, and taken oldest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, select

from hie.again import members
from hie.store.repairs import Repair
from hie.store.selection import Selection
from hie.store.tables import delivery, message

KINDS = ("redeliver", "reprocess", "deadletters", "quarantine")
OF_DELIVERIES = ("redeliver", "deadletters")


def chosen(connection: Connection, run: Repair) -> Select[Any]:
    """What is still to be done, oldest first."""
    query = _query(connection, run.kind, run.selection)
    if run.kind in OF_DELIVERIES:
        return query.where(delivery.c.id > int(run.position or 0), delivery.c.id <= int(run.last or 0)).order_by(
            delivery.c.id
        )
    return query.where(message.c.id > run.position, message.c.id <= run.last).order_by(message.c.id)


def everything(connection: Connection, kind: str, selection: Selection) -> Select[Any]:
    """All that is meant, oldest first."""
    return _query(connection, kind, selection).order_by(delivery.c.id if kind in OF_DELIVERIES else message.c.id)


def extent(connection: Connection, kind: str, selection: Selection) -> tuple[int, str]:
    """How many deliveries or messages are meant now, and the newest of them ("" where there is none)."""
    found = _query(connection, kind, selection).subquery()
    row = connection.execute(select(func.count(), func.max(found.c.id))).one()
    return row[0], "" if row[1] is None else str(row[1])


def counted(connection: Connection, kind: str, selection: Selection) -> dict[str, int]:
    """Deliveries by subscriber and outcome (dead letters: and reason), messages by feed and reason."""
    found = _query(connection, kind, selection).subquery().c
    one = found.subscriber if kind in OF_DELIVERIES else found.feed
    other = found.state if kind == "redeliver" else found.reason
    rows = connection.execute(select(one, other, func.count()).group_by(one, other).order_by(one, other))
    return {f"{a}/{b}": n for a, b, n in rows}


def _query(connection: Connection, kind: str, selection: Selection) -> Select[Any]:
    records = members(connection, selection)
    if kind == "redeliver":
        return selection.deliveries(records)
    if kind == "deadletters":
        return selection.dead_letters(records)
    return selection.readable(records) if kind == "reprocess" else selection.quarantine(records)
