"""Queries over messages and disclosures that more than one process asks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from hie.store.selection import KEPT_BACK, Selection
from hie.store.tables import delivery, disclosure, message, record


def begun_before(connection: Connection, eid: str, epoch: int) -> list[dict[str, Any]]:
    """Disclosures of a person begun under an epoch before `epoch` that have not ended, or of which nobody knows how."""
    open_end = disclosure.c.state.in_(("begun", "unknown")) & delivery.c.state.in_(("begun", "unknown"))
    rows = connection.execute(
        select(disclosure.c.id, disclosure.c.recipient, disclosure.c.message_id, disclosure.c.at)
        .outerjoin(delivery, delivery.c.id == disclosure.c.delivery_id)
        .where(
            disclosure.c.eid == eid,
            disclosure.c.epoch < epoch,
            open_end | ((disclosure.c.state == "begun") & disclosure.c.delivery_id.is_(None)),
        )
        .order_by(disclosure.c.id)
    )
    return [{"disclosure": r.id, "recipient": r.recipient, "message": r.message_id, "at": r.at} for r in rows]


def take_out_of_quarantine(connection: Connection, message_id: str) -> bool:
    """Removes the outcome of a quarantined or rejected message and what was made of it, so that it can get a new one.
    False: it has another outcome.
    """
    kept_back = select(message.c.id).where(message.c.id == message_id, message.c.outcome.in_(KEPT_BACK))
    if connection.execute(kept_back).first() is None:
        return False
    connection.execute(delete(record).where(record.c.message_id == message_id))
    connection.execute(delete(message).where(message.c.id == message_id))
    return True


def resolve(connection: Connection, selection: Selection, reason: str, now: float) -> int:
    """Takes messages off the quarantine list for good, with a reason that stays beside each; answers how many."""
    ids = list(connection.execute(selection.quarantine().with_only_columns(message.c.id)).scalars())
    for start in range(0, len(ids), 500):
        connection.execute(
            update(message)
            .where(message.c.id.in_(ids[start : start + 500]))
            .values(resolved_at=now, text=func.substr(message.c.text + f" [taken off the list: {reason}]", 1, 1000))
        )
    return len(ids)
