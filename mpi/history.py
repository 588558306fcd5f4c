"""What humans and clinics say about identity, as appended events: merge, link, unlink, move, split, undo.

`mpi_link_event` is only ever appended to; the current person of a record is the `to_eid` of its last event. Nothing here commits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from mpi import enterprise, persons
from mpi.keys import identifier_hash
from mpi.person import Identifier
from mpi.tables import ALIAS, APART, LINK_EVENT, RECORD, REVIEW


class Moved(NamedTuple):
    """One record that changed its person. The caller bumps consent epochs and tells those who hold the ids."""

    operation: int
    record_id: int
    from_eid: str
    to_eid: str


class UnknownRecord(LookupError):
    """No record under this identifier or id."""


def _moves(
    connection: Connection,
    targets: Mapping[int, int],
    *,
    operation: int,
    actor: str,
    reason: str,
    decision: str,
    at: float,
    undo_of: int | None = None,
) -> list[Moved]:
    """Moves records (id -> eid) that are not there yet."""
    current = dict(connection.execute(select(RECORD.c.id, RECORD.c.eid).where(RECORD.c.id.in_(list(targets)))).all())
    moved = []
    for record, to in sorted(targets.items()):
        if current.get(record, to) != to:
            moved.append(Moved(operation, record, enterprise.as_text(current[record]), enterprise.as_text(to)))
            connection.execute(update(RECORD).where(RECORD.c.id == record).values(eid=to))
            connection.execute(
                insert(LINK_EVENT).values(
                    operation=operation,
                    at=at,
                    actor=actor,
                    reason=reason,
                    record_id=record,
                    from_eid=current[record],
                    to_eid=to,
                    decision=decision,
                    undo_of=undo_of,
                )
            )
    return moved


def _pairs(ours: Iterable[int], theirs: Iterable[int]) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a in ours for b in theirs if a != b}


def apart_between(connection: Connection, ours: Sequence[int], theirs: Sequence[int]) -> bool:
    """True where a cannot-link fact holds between any two records of the two groups."""
    if not ours or not theirs:
        return False
    c = APART.c
    statement = select(func.count()).where(
        c.withdrawn_by.is_(None),
        or_(and_(c.low.in_(ours), c.high.in_(theirs)), and_(c.low.in_(theirs), c.high.in_(ours))),
    )
    return bool(connection.execute(statement).scalar())


def _set_apart(
    connection: Connection, pairs: Iterable[tuple[int, int]], operation: int, actor: str, reason: str, at: float
) -> None:
    rows = [
        {"low": low, "high": high, "operation": operation, "actor": actor, "reason": reason, "at": at}
        for low, high in sorted(pairs)
    ]
    if rows:
        connection.execute(insert(APART), rows)


def _withdraw(connection: Connection, pairs: Iterable[tuple[int, int]], operation: int) -> None:
    for low, high in pairs:
        connection.execute(
            update(APART)
            .where(APART.c.low == low, APART.c.high == high, APART.c.withdrawn_by.is_(None))
            .values(withdrawn_by=operation)
        )


def _settle(connection: Connection, records: Iterable[int]) -> None:
    """Open questions between records that are now in one person are moot."""
    ids = list(records)
    if not ids:
        return
    a, b = RECORD.alias("a"), RECORD.alias("b")
    together = (
        select(REVIEW.c.id)
        .join(a, a.c.id == REVIEW.c.low)
        .join(b, b.c.id == REVIEW.c.high)
        .where(
            REVIEW.c.state.in_(("open", "first")),
            REVIEW.c.kind.notin_(("split",)),
            a.c.eid == b.c.eid,
            or_(REVIEW.c.low.in_(ids), REVIEW.c.high.in_(ids)),
        )
    )
    found = [row[0] for row in connection.execute(together)]
    if found:
        connection.execute(update(REVIEW).where(REVIEW.c.id.in_(found)).values(state="moot"))


def _record(connection: Connection, identifier: Identifier) -> int:
    found = persons.find(connection, identifier)
    if found is None:
        raise UnknownRecord("no record under this identifier")
    return found


def _eid(connection: Connection, record: int) -> int:
    eid = connection.execute(select(RECORD.c.eid).where(RECORD.c.id == record)).scalar()
    if eid is None:
        raise UnknownRecord(f"no record {record}")
    return int(eid)


def _members(connection: Connection, eid: int) -> list[int]:
    return [row[0] for row in connection.execute(select(RECORD.c.id).where(RECORD.c.eid == eid).order_by(RECORD.c.id))]


def link_records(
    connection: Connection, one: int, other: int, *, actor: str, reason: str = "", at: float | None = None
) -> list[Moved]:
    """A human decided that the persons of both records are one: `other`'s person joins `one`'s. Withdraws cannot-link facts between them."""
    operation, when = enterprise.mint(), time.time() if at is None else at
    keep, gone = _eid(connection, one), _eid(connection, other)
    if keep == gone:
        return []
    ours, theirs = _members(connection, keep), _members(connection, gone)
    _withdraw(connection, _pairs(ours, theirs), operation)
    moved = _moves(
        connection,
        dict.fromkeys(theirs, keep),
        operation=operation,
        actor=actor,
        reason=reason,
        decision="link",
        at=when,
    )
    _settle(connection, ours + theirs)
    return moved


def split(
    connection: Connection, records: Sequence[int], *, actor: str, reason: str = "", at: float | None = None
) -> list[Moved]:
    """Takes `records` (all of one person) out into a new person, and keeps them apart from those that stay.

    Raises ValueError if they are of several persons or nobody would stay.
    """
    operation, when = enterprise.mint(), time.time() if at is None else at
    eids = {_eid(connection, record) for record in records}
    if len(eids) != 1:
        raise ValueError("split: the records belong to several persons")
    stay = [m for m in _members(connection, eids.pop()) if m not in records]
    if not stay:
        raise ValueError("split: nobody would stay")
    _set_apart(connection, _pairs(records, stay), operation, actor, reason, when)
    return _moves(
        connection,
        dict.fromkeys(records, enterprise.mint()),
        operation=operation,
        actor=actor,
        reason=reason,
        decision="split",
        at=when,
    )


def keep_apart(
    connection: Connection, one: int, other: int, *, actor: str, reason: str = "", at: float | None = None
) -> list[Moved]:
    """A human decided that two records are two people. Where they are in one person, `other` is split off."""
    if _eid(connection, one) == _eid(connection, other):
        return split(connection, [other], actor=actor, reason=reason, at=at)
    when = time.time() if at is None else at
    _set_apart(connection, _pairs([one], [other]), enterprise.mint(), actor, reason, when)
    return []


def merge(
    connection: Connection,
    survivor: Identifier,
    prior: Identifier,
    *,
    actor: str,
    reason: str = "A40",
    at: float | None = None,
) -> list[Moved]:
    """A40, A34, A18: the clinic says that two of *its* identifiers are one patient. Holds even if demographics differ.

    The whole person of the prior record joins the survivor's, unless a cannot-link fact stands between the others: then only the
    prior record moves and a review is opened. An unknown prior becomes an alias of the survivor, so that it is known when it comes
    again. Raises UnknownRecord for an unknown survivor.
    """
    operation, when = enterprise.mint(), time.time() if at is None else at
    one = persons.find(connection, survivor)
    other = persons.find(connection, prior)
    if one is None and other is not None:
        _alias(
            connection, survivor, other, operation
        )  # the surviving identifier was not seen before: same record, new name
        return []
    if one is None:
        raise UnknownRecord("no record under the surviving identifier")
    if other is None:
        _alias(connection, prior, one, operation)
        return []
    keep, gone = _eid(connection, one), _eid(connection, other)
    if keep == gone:
        return []
    ours, theirs = _members(connection, keep), _members(connection, gone)
    others = [m for m in theirs if m != other]
    moving = theirs
    if apart_between(connection, ours, others):
        moving = [other]
        _question(connection, one, others[0], "statement", "apart", when)
    _withdraw(connection, _pairs([one], [other]), operation)
    moved = _moves(
        connection,
        dict.fromkeys(moving, keep),
        operation=operation,
        actor=actor,
        reason=reason,
        decision="merge",
        at=when,
    )
    _settle(connection, ours + moving)
    return moved


def link_statement(
    connection: Connection,
    one: Identifier,
    other: Identifier,
    *,
    actor: str,
    reason: str = "A24",
    at: float | None = None,
) -> list[Moved]:
    """A24: both records belong to one person; both identifiers stay in use. Raises UnknownRecord."""
    return link_records(
        connection, _record(connection, one), _record(connection, other), actor=actor, reason=reason, at=at
    )


def unlink_statement(
    connection: Connection,
    one: Identifier,
    other: Identifier,
    *,
    actor: str,
    reason: str = "A37",
    at: float | None = None,
) -> list[Moved]:
    """A37: the records belong to two people. Raises UnknownRecord."""
    return keep_apart(
        connection, _record(connection, one), _record(connection, other), actor=actor, reason=reason, at=at
    )


def move(
    connection: Connection,
    survivor: Identifier,
    prior: Identifier,
    *,
    actor: str,
    reason: str = "A47",
    at: float | None = None,
) -> list[Moved]:
    """A43, A47: the record that was under `prior` is from now on under `survivor`; the old identifier stays an alias.

    Where both exist the clinic has said that they are one: as `merge`.
    """
    return merge(connection, survivor, prior, actor=actor, reason=reason, at=at)


def _alias(connection: Connection, identifier: Identifier, record: int, operation: int) -> None:
    connection.execute(
        insert(ALIAS).values(
            authority=identifier.authority,
            type=identifier.type,
            value=identifier.value,
            local_hash=identifier_hash(*identifier),
            record_id=record,
            operation=operation,
        )
    )


def _question(connection: Connection, one: int, other: int, kind: str, reason: str, at: float) -> None:
    low, high = min(one, other), max(one, other)
    there = connection.execute(select(REVIEW.c.id).where(REVIEW.c.low == low, REVIEW.c.high == high)).scalar()
    if there is None:
        connection.execute(
            insert(REVIEW).values(
                kind=kind,
                low=low,
                high=high,
                reason=reason,
                bits=0.0,
                priority=1,
                state="open",
                at=at,
                content="",
                evidence="[]",
            )
        )
    else:
        connection.execute(update(REVIEW).where(REVIEW.c.id == there).values(kind=kind, state="open", reason=reason))


def undo(
    connection: Connection, operation: int, *, actor: str, reason: str = "", at: float | None = None
) -> list[Moved]:
    """Takes back one act: each record returns to the person it was in, cannot-link facts made or withdrawn by it are restored,
    and a steward's question that it answered is open again. An automatic link that is taken back stays taken back.

    A record that later acts have moved on stays where they put it. Raises UnknownRecord for an unknown operation, ValueError for the
    first registration of a record, which has no "before".
    """
    when = time.time() if at is None else at
    c = LINK_EVENT.c
    events = connection.execute(
        select(c.id, c.record_id, c.from_eid, c.to_eid).where(c.operation == operation).order_by(c.id)
    ).all()
    facts = connection.execute(select(func.count()).where(APART.c.operation == operation)).scalar()
    withdrawn = connection.execute(select(func.count()).where(APART.c.withdrawn_by == operation)).scalar()
    aliases = connection.execute(select(func.count()).where(ALIAS.c.operation == operation)).scalar()
    if not (events or facts or withdrawn or aliases):
        raise UnknownRecord("no such operation")
    back = enterprise.mint()
    targets: dict[int, int] = {}
    for event in events:
        if _eid(connection, event.record_id) != event.to_eid:
            continue
        if event.from_eid is None:
            # a new record that was linked at once: it never was its own person, now it becomes one, and the index may not redo it
            stay = [m for m in _members(connection, event.to_eid) if m != event.record_id]
            if not stay:
                raise ValueError("undo: the record has no other person to go back to")
            _set_apart(connection, _pairs([event.record_id], stay), back, actor, reason, when)
            targets[event.record_id] = enterprise.mint()
        else:
            targets[event.record_id] = event.from_eid
    moved = _moves(
        connection, targets, operation=back, actor=actor, reason=reason, decision="undo", at=when, undo_of=operation
    )
    connection.execute(
        update(APART).where(APART.c.operation == operation, APART.c.withdrawn_by.is_(None)).values(withdrawn_by=back)
    )
    connection.execute(update(APART).where(APART.c.withdrawn_by == operation).values(withdrawn_by=None))
    connection.execute(ALIAS.delete().where(ALIAS.c.operation == operation))
    # what a steward had answered by this act is a question again
    connection.execute(
        update(REVIEW)
        .where(REVIEW.c.operation == operation)
        .values(state="open", operation=None, decided_by=None, decided_at=None, first_by=None, first_verdict=None)
    )
    return moved


def replay(connection: Connection) -> dict[int, str]:
    """Record id -> current EID, computed from the events alone: what `mpi_record.eid` has to equal."""
    c = LINK_EVENT.c
    return {
        record: enterprise.as_text(eid)
        for record, eid in connection.execute(select(c.record_id, c.to_eid).order_by(c.id))
    }
