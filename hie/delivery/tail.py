"""What other engines have queued, released or made due for the subscribers that this one sends to.

Several writers commit in any order, so no number says "everything up to here was seen". The database's own transaction
numbers do: each row carries that of the last commit which concerns its sender (`changed_xid`), and a reading is repeated
from the oldest transaction that was still open at the reading before. What is seen twice is known already.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, update

from hie.delivery.outbox import KEY_SEPARATOR, UNFINISHED
from hie.delivery.schedule import Entry
from hie.model import DeliveryState
from hie.store.tables import delivery

QUEUED = "hie_queued"
"""Channel on which engines hear that there is something for a subscriber of theirs."""
HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_STATES = ",".join(f"'{state}'" for state in UNFINISHED)
# one statement sees one snapshot; without deliveries it answers the horizon alone
CHANGED = f"""
SELECT h.xmin, d.id, d.subscriber, d.ordering_key, d.due_at, d.queued_at, d.attempts, d.run IS NOT NULL
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin) h
LEFT JOIN delivery d ON d.state IN ({_STATES}) AND d.changed_xid >= %s::text::xid8 AND d.subscriber = ANY(%s)
ORDER BY d.id
"""


class Changes(NamedTuple):
    horizon: int
    """From where the next reading begins."""
    entries: list[tuple[str, Entry]]
    """(subscriber, delivery), oldest first."""


def changes(connection: Any, horizon: int, subscribers: Collection[str]) -> Changes:
    """Unfinished deliveries to `subscribers` that changed since `horizon`. `connection`: psycopg's, in autocommit."""
    rows = connection.execute(CHANGED, (str(horizon), list(subscribers))).fetchall()
    entries = [
        (subscriber, Entry(id, tuple(key.split(KEY_SEPARATOR)), due_at, queued_at, attempts, repair is True))
        for _, id, subscriber, key, due_at, queued_at, attempts, repair in rows
        if id is not None
    ]
    return Changes(rows[0][0], entries)


def horizon(connection: Connection) -> int:
    """Where to begin after a full reading that follows in the same transaction."""
    found: int = connection.exec_driver_sql(HORIZON).scalar_one()
    return found


def wake(connection: Connection, messages: Collection[str], now: float) -> None:
    """Makes what waits of these messages due at once, whoever sends it."""
    connection.execute(_WAKE, {"messages": list(messages), "now": now})


_WAKE = (
    update(delivery)
    .where(
        delivery.c.message_id.in_(bindparam("messages", expanding=True)),
        delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.HELD)),
        delivery.c.due_at > bindparam("now"),
    )
    .values(due_at=bindparam("now"))
)
