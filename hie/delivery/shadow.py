"""What a shadow subscriber would have been sent: kept in the commit that decided it, to be compared, and never sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from hie.compression import compress, decompress
from hie.store.rows import Rows
from hie.store.tables import delivery, message, shadow_output

ZSTD = 1


class Output(NamedTuple):
    """One message that would have left. `reason` is how the delivery would have ended."""

    delivery_id: int
    message_id: str
    control_id: str
    event: str
    at: float
    reason: str
    payload: bytes


_INSERT = Rows(insert(shadow_output), ("delivery_id", "subscriber", "at", "reason", "body", "codec", "key_id"))


def keep(connection: Connection, subscriber: str, outputs: Sequence[tuple[int, str, bytes]], now: float) -> None:
    """(delivery id, reason it would have ended with, bytes) of each."""
    if not outputs:
        return
    connection.execute(delete(shadow_output).where(shadow_output.c.delivery_id.in_([id for id, _, _ in outputs])))
    _INSERT.run(
        connection,
        [
            {
                "delivery_id": id,
                "subscriber": subscriber,
                "at": now,
                "reason": reason,
                "body": compress(payload),
                "codec": ZSTD,
                "key_id": 0,
            }
            for id, reason, payload in outputs
        ],
    )


def since(connection: Connection, subscriber: str, at: float) -> list[Output]:
    """Oldest first."""
    rows: Sequence[Any] = connection.execute(
        select(shadow_output, delivery.c.message_id, message.c.control_id, message.c.event)
        .join(delivery, delivery.c.id == shadow_output.c.delivery_id)
        .join(message, message.c.id == delivery.c.message_id)
        .where(shadow_output.c.subscriber == subscriber, shadow_output.c.at >= at)
        .order_by(shadow_output.c.delivery_id)
    ).all()
    return [
        Output(r.delivery_id, r.message_id, r.control_id, r.event, r.at, r.reason, decompress(bytes(r.body)))
        for r in rows
    ]
