"""The delivery rows: queued in the commit that applied the message, begun by T1, ended by T2."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
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
    run: int | None = None
    """The repair that asks for it."""
    again: str | None = None
    """The key under which the subscriber may hold it already; the same content goes under that one."""


def delivery_key(message_id: str, idx: int, subscriber: str, version: int = 0) -> str:
    """The idempotency key: the same on every retry, another one for other content."""
    return hashlib.sha256(f"{message_id}/{idx}/{subscriber}/{version}".encode()).hexdigest()[:32]


def successor_key(key: str, payload: bytes) -> str:
    """The key of other content than was sent under `key`; the same again for the same content."""
    return hashlib.sha256(key.encode() + payload).hexdigest()[:32]


def wire_key(row: Any) -> str:
    """The key under which the subscriber got a delivery: one that repeats an earlier one goes under the earlier key,
    unless its content had changed."""
    key: str = row.again if row.again is not None and row.replaces is None else row.key
    return key


_INSERT = Rows(
    insert(delivery),
    (
        *("id", "message_id", "idx", "subscriber", "ordering_key", "mpi_record", "key", "replaces", "state", "reason"),
        *("text", "received_at", "queued_at", "due_at", "attempts", "answer", "run", "again"),
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
                "run": row.run,
                "again": row.again,
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
        delivery.c.run,
    )
    .where(delivery.c.state.in_(UNFINISHED))
    .order_by(delivery.c.id)
)


def unfinished(connection: Connection, subscriber: str | None = None, but: Collection[str] | None = None) -> list[Any]:
    """Deliveries without a final outcome, oldest first: what an engine schedules that starts to send them. Those of one
    subscriber, or of all `but` some."""
    query = _UNFINISHED
    if subscriber is not None:
        query = query.where(delivery.c.subscriber == subscriber)
    if but is not None:
        query = query.where(delivery.c.subscriber.not_in(list(but)))
    return list(connection.execute(query))


def mark_unknown(connection: Connection, subscriber: str | None = None, ids: Collection[int] | None = None) -> int:
    """Attempts that were begun by a process that is gone, or by a commit whose answer was lost, may have been received.
    Run before anything is sent; answers how many."""
    begun = select(delivery.c.id).where(delivery.c.state == DeliveryState.BEGUN)
    if subscriber is not None:
        begun = begun.where(delivery.c.subscriber == subscriber)
    if ids is not None:
        begun = begun.where(delivery.c.id.in_(list(ids)))
    found = list(connection.execute(begun).scalars())
    for start in range(0, len(found), 500):
        some = found[start : start + 500]
        connection.execute(
            update(disclosure)
            .where(disclosure.c.delivery_id.in_(some), disclosure.c.state == "begun")
            .values(state="unknown")
        )
        connection.execute(update(delivery).where(delivery.c.id.in_(some)).values(state=DeliveryState.UNKNOWN))
    return len(found)


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
