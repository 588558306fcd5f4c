"""The work of stewards: questions with reason, priority, lease and, where wanted, a second reviewer.

A decided question is not asked again unless what a record says has changed since (`mpi_review.content`).
"""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Connection, func, or_, select, update

from mpi import history
from mpi.history import Moved
from mpi.tables import REVIEW

Verdict = Literal["link", "apart"]
OPEN = ("open", "first")


class Task(NamedTuple):
    id: int
    kind: str
    """possible: may be this person. duplicate: two persons may be one. split: a record fits its person no more. overlay: an identifier
    was given to somebody else. statement: a clinic's merge met a cannot-link fact."""
    low: int
    high: int
    """Record ids."""
    reason: str
    bits: float
    priority: int
    """1 first."""
    state: str
    at: float
    rival: str
    stops: tuple[str, ...]
    evidence: tuple[tuple[str, str, float], ...]
    """(field, level, bits against the rival)"""
    leased_by: str | None
    leased_until: float | None
    first_by: str | None


class Refused(ValueError):
    """The decision does not stand: leased by somebody else, decided already, or the second reviewer is the first."""


def _task(row: Any) -> Task:
    rival, stops, *evidence = orjson.loads(row.evidence) or ["", []]
    return Task(
        row.id, row.kind, row.low, row.high, row.reason, row.bits, row.priority, row.state, row.at, rival, tuple(stops),
        tuple((field, level, bits) for field, level, bits in evidence), row.leased_by, row.leased_until, row.first_by,
    )  # fmt: skip


def queue(connection: Connection, *, limit: int = 50, kind: str = "") -> list[Task]:
    """Open questions: most urgent first, then the likeliest, then the oldest."""
    statement = select(REVIEW).where(REVIEW.c.state.in_(OPEN))
    if kind:
        statement = statement.where(REVIEW.c.kind == kind)
    statement = statement.order_by(REVIEW.c.priority, REVIEW.c.bits.desc(), REVIEW.c.at, REVIEW.c.id).limit(limit)
    return [_task(row) for row in connection.execute(statement)]


def get(connection: Connection, review: int) -> Task | None:
    row = connection.execute(select(REVIEW).where(REVIEW.c.id == review)).first()
    return _task(row) if row is not None else None


def count(connection: Connection) -> dict[str, int]:
    """Open questions by kind."""
    rows = connection.execute(
        select(REVIEW.c.kind, func.count()).where(REVIEW.c.state.in_(OPEN)).group_by(REVIEW.c.kind)
    )
    return {row.kind: row[1] for row in rows}


def lease(connection: Connection, actor: str, *, seconds: float = 900, now: float | None = None) -> Task | None:
    """The next question that nobody else is at work on, reserved for `actor`; None where there is none."""
    at = time.time() if now is None else now
    c = REVIEW.c
    statement = (
        select(REVIEW)
        .where(c.state.in_(OPEN), or_(c.leased_until.is_(None), c.leased_until < at, c.leased_by == actor))
        .where(or_(c.first_by.is_(None), c.first_by != actor))
        .order_by(c.priority, c.bits.desc(), c.at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(statement).first()
    if row is None:
        return None
    connection.execute(update(REVIEW).where(c.id == row.id).values(leased_by=actor, leased_until=at + seconds))
    return _task(row)._replace(leased_by=actor, leased_until=at + seconds)


def decide(
    connection: Connection,
    review: int,
    verdict: Verdict,
    *,
    actor: str,
    reason: str = "",
    second_reviewer: bool = False,
    now: float | None = None,
) -> list[Moved]:
    """Decides a question: "link" makes one person of both, "apart" records that they are two (and splits where they are in one).

    With `second_reviewer`, the first verdict only waits; another person's equal verdict carries it out, an unequal one puts the
    question back, most urgent. Raises Refused. Returns the records that changed their person.
    """
    at = time.time() if now is None else now
    task = get(connection, review)
    if task is None or task.state not in OPEN:
        raise Refused("the question is decided already, or was never asked")
    if task.leased_by not in (None, actor) and (task.leased_until or 0) >= at:
        raise Refused("somebody else is at work on this question")
    where = update(REVIEW).where(REVIEW.c.id == review)
    if second_reviewer:
        first = connection.execute(select(REVIEW.c.first_verdict).where(REVIEW.c.id == review)).scalar()
        if task.first_by is None:
            connection.execute(
                where.values(state="first", first_by=actor, first_verdict=verdict, leased_by=None, leased_until=None)
            )
            return []
        if task.first_by == actor:
            raise Refused("the second reviewer has to be another person")
        if first != verdict:
            connection.execute(
                where.values(
                    state="open", first_by=None, first_verdict=None, priority=1, leased_by=None, leased_until=None
                )
            )
            return []
    note = reason or f"review {review}"
    if verdict == "link":
        moved = history.link_records(connection, task.low, task.high, actor=actor, reason=note, at=at)
    else:
        moved = history.keep_apart(connection, task.low, task.high, actor=actor, reason=note, at=at)
    connection.execute(
        where.values(
            state="linked" if verdict == "link" else "apart",
            decided_by=actor,
            decided_at=at,
            leased_by=None,
            leased_until=None,
            operation=moved[0].operation if moved else None,
        )
    )
    return moved
