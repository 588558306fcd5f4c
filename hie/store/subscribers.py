"""What operators did to a subscriber's queue: paused it, released its dead letters, removed deliveries, with a reason."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, case, delete, insert, select, update

from hie.model import DeliveryState
from hie.store.tables import delivery, subscriber_state


def paused(connection: Connection) -> set[str]:
    return set(connection.execute(select(subscriber_state.c.name)).scalars())


def pause(connection: Connection, name: str, reason: str, now: float) -> None:
    connection.execute(delete(subscriber_state).where(subscriber_state.c.name == name))
    connection.execute(insert(subscriber_state).values(name=name, paused_at=now, reason=reason))


def resume(connection: Connection, name: str) -> None:
    connection.execute(delete(subscriber_state).where(subscriber_state.c.name == name))


def abandon(connection: Connection, ids: Sequence[int], now: float) -> None:
    """Deliveries of a subscriber that is no longer configured."""
    for start in range(0, len(ids), 500):
        connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(ids[start : start + 500]))
            .values(state=DeliveryState.DEAD_LETTERED, reason="subscriber-gone", finished_at=now)
        )


def release(connection: Connection, ids: Sequence[int], run: int, now: float) -> None:
    """Dead letters back into the queue, under the same key: today's identity and consent decide again.

    One that was given up may have been received: other content than then gets another key.
    """
    maybe = case((delivery.c.reason == "gave-up", DeliveryState.UNKNOWN), else_=DeliveryState.QUEUED)
    for start in range(0, len(ids), 500):
        connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(ids[start : start + 500]), delivery.c.state == DeliveryState.DEAD_LETTERED)
            .values(state=maybe, reason="", text="", due_at=now, queued_at=now, attempts=0, finished_at=None, run=run)
        )


def purge(connection: Connection, ids: Sequence[int], reason: str, now: float) -> list[int]:
    """Unfinished or dead deliveries that an operator takes out for good."""
    states = (DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.HELD, DeliveryState.DEAD_LETTERED)
    chosen = list(
        connection.execute(
            select(delivery.c.id).where(delivery.c.id.in_(list(ids)), delivery.c.state.in_(states))
        ).scalars()
    )
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(chosen))
        .values(state=DeliveryState.PURGED, reason="purged", text=reason, finished_at=now)
    )
    return chosen
