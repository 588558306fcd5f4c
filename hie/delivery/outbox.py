"""The delivery rows: queued in the commit that applied the message, begun by T1, ended by T2."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, update

from hie.model import DeliveryState
from hie.store.ids import next_ids
from hie.store.rows import Rows
from hie.store.tables import delivery, disclosure

UNFINISHED = ("queued", "begun", "unknown", "held")
KEY_SEPARATOR = "\n"


class Queued(NamedTuple):
    """A delivery about to be written."""

    message_id: str
    idx: int
    subscriber: str
    keys: tuple[str, ...]
    mpi_record: int | None
    received_at: float
    key: str
    replaces: str | None = None


def delivery_key(message_id: str, idx: int, subscriber: str, version: int = 0) -> str:
    """The idempotency key: the same on every retry, another one for other content."""
    return hashlib.sha256(f"{message_id}/{idx}/{subscriber}/{version}".encode()).hexdigest()[:32]


def successor_key(key: str, payload: bytes) -> str:
    """The key of other content than was sent under `key`; the same again for the same content."""
    return hashlib.sha256(key.encode() + payload).hexdigest()[:32]


_INSERT = Rows(
    insert(delivery),
    (
        *("id", "message_id", "idx", "subscriber", "ordering_key", "mpi_record", "key", "replaces", "state", "reason"),
        *("text", "received_at", "queued_at", "due_at", "attempts", "answer"),
    ),
)


def queue(connection: Connection, rows: Sequence[Queued], now: float) -> list[int]:
    """Inserts and answers the ids, rising in the order given."""
    if not rows:
        return []
    ids = list(next_ids(connection, "delivery", len(rows)))
    _INSERT.run(
        connection,
        [
            {
                "id": id,
                "message_id": row.message_id,
                "idx": row.idx,
                "subscriber": row.subscriber,
                "ordering_key": KEY_SEPARATOR.join(row.keys),
                "mpi_record": row.mpi_record,
                "key": row.key,
                "replaces": row.replaces,
                "state": DeliveryState.QUEUED.value,
                "reason": "",
                "text": "",
                "received_at": row.received_at,
                "queued_at": now,
                "due_at": now,
                "attempts": 0,
                "answer": "",
            }
            for id, row in zip(ids, rows, strict=True)
        ],
    )
    return ids


_UNFINISHED = (
    select(
        delivery.c.id,
        delivery.c.subscriber,
        delivery.c.ordering_key,
        delivery.c.due_at,
        delivery.c.queued_at,
        delivery.c.attempts,
    )
    .where(delivery.c.state.in_(UNFINISHED))
    .order_by(delivery.c.id)
)


def unfinished(connection: Connection) -> Iterable[Any]:
    """All deliveries without a final outcome, oldest first: what a starting engine schedules."""
    return connection.execute(_UNFINISHED)


_MARK_UNKNOWN = update(delivery).where(delivery.c.state == DeliveryState.BEGUN).values(state=DeliveryState.UNKNOWN)
_MARK_DISCLOSURES = (
    update(disclosure).where(disclosure.c.kind == "push", disclosure.c.state == "begun").values(state="unknown")
)


def mark_unknown(connection: Connection) -> int:
    """After a crash: attempts that were begun may have been received. Run once, before anything is sent."""
    connection.execute(_MARK_DISCLOSURES)
    return connection.execute(_MARK_UNKNOWN).rowcount


_WAITING = select(delivery.c.id).where(
    delivery.c.id.in_(bindparam("ids", expanding=True)),
    delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.HELD)),
)


def waiting(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that an attempt may begin for now."""
    return set(connection.execute(_WAITING, {"ids": list(ids)}).scalars())


_LOAD = select(delivery).where(delivery.c.id.in_(bindparam("ids", expanding=True)))


def load(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    return {row.id: row for row in connection.execute(_LOAD, {"ids": list(ids)})}


_BEGIN = Rows(
    update(delivery)
    .where(delivery.c.id == bindparam("_id"))
    .values(
        state=DeliveryState.BEGUN.value,
        attempts=bindparam("_attempts"),
        first_attempt_at=func.coalesce(delivery.c.first_attempt_at, bindparam("_now")),
        sha256=bindparam("_sha256"),
        key=bindparam("_key"),
        replaces=bindparam("_replaces"),
    )
)


def begin(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """T1 for a batch: rows of `_id, _attempts, _now, _sha256, _key, _replaces`."""
    _BEGIN.run(connection, rows)


_FINISH = Rows(
    update(delivery)
    .where(delivery.c.id == bindparam("_id"))
    .values(
        state=bindparam("_state"),
        reason=bindparam("_reason"),
        text=bindparam("_text"),
        finished_at=bindparam("_now"),
        answer=bindparam("_answer"),
    )
)


def finish(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Final outcomes: rows of `_id, _state, _reason, _text, _now, _answer`."""
    _FINISH.run(connection, rows)


_RETRY = Rows(
    update(delivery)
    .where(delivery.c.id == bindparam("_id"))
    .values(
        state=bindparam("_state"), due_at=bindparam("_due_at"), reason=bindparam("_reason"), text=bindparam("_text")
    )
)


def retry(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Back to waiting: rows of `_id, _state` (queued, unknown or held), `_due_at, _reason, _text`."""
    _RETRY.run(connection, rows)


_OF_MESSAGE = select(delivery.c.id).where(
    delivery.c.message_id == bindparam("message_id"), delivery.c.state.in_(UNFINISHED)
)


def unfinished_of(connection: Connection, message_id: str) -> set[int]:
    return set(connection.execute(_OF_MESSAGE, {"message_id": message_id}).scalars())
