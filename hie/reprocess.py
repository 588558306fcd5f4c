"""A stored message read again with today's decoders, labels, identity and routing, in its place in the order of events.

What it was read as before stays in `record_version`. Subscribers whose content changes get the new version, under a key
that replaces the one they hold; those whose content stays get nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from hie.delivery import outbox
from hie.identify import Attribution, eid_of, registration_of
from hie.intake.reader import Entry
from hie.model import DeliveryState, Identifier, IdentityStatement, MessageOutcome
from hie.pipeline import Applied, Pipeline, Step
from hie.record import body
from hie.store import messages, work_items
from hie.store.tables import delivery, message, record, record_version
from hie.understand import Part, understand

AGAIN = "reprocessed"
"""Flag of a message that was read anew."""
RELEASED = "released"
"""Flag of a message that a person let out of quarantine."""
_WAITING = (DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.HELD)
_HAD = (DeliveryState.DELIVERED, DeliveryState.DELIVERED_REDACTED, DeliveryState.BEGUN)
_TAKEN_OUT = (DeliveryState.PURGED, DeliveryState.EXPIRED)


class Reading(NamedTuple):
    """What reading a message again would come to. `counts` are for people: outcome, and deliveries by subscriber."""

    outcome: str
    """changed, unchanged, quarantined."""
    queued: Sequence[outbox.Queued] = ()
    replaced: Sequence[int] = ()
    """Dead letters in whose place a new version goes."""
    fresh: int = 0
    """How many of `queued` go to subscribers that did not match before."""
    matched: bool = False
    """Whether any subscriber asks for it."""

    @property
    def counts(self) -> dict[str, int]:
        found = Counter({self.outcome: 1})
        for number, row in enumerate(self.queued):
            found[f"{'newly matched' if number < self.fresh else 'again'}: {row.subscriber}"] += 1
        return dict(found)


def foresee(connection: Connection, pipeline: Pipeline, step: Step) -> Reading:
    """The dry run: reads only."""
    before = _before(connection, step)
    reason = failure(step)
    if reason or step.understood is None:
        return Reading("quarantined")
    return _plan(connection, pipeline, step, before, [_guess(connection, p, before) for p in step.understood.parts])


def replay(connection: Connection, pipeline: Pipeline, step: Step, now: float) -> tuple[Reading, Applied]:
    """In the caller's transaction: the new version, or nothing where nothing changes."""
    before = _before(connection, step)
    if messages.take_out_of_quarantine(connection, step.envelope.message_id):
        applied = pipeline.apply(connection, [step])
        kept = any(outcome == MessageOutcome.QUARANTINED for _, outcome, _ in applied.outcomes)
        return Reading("quarantined" if kept else "changed"), applied
    reason = failure(step)
    if reason or step.understood is None:
        # what it was read as once stays in force; that today's decoders cannot read it is work for people
        noted = (reason, step.envelope.feed, 1, step.envelope.message_id)
        work_items.note(connection, "reprocess-failed", [noted], now)
        return Reading("quarantined"), Applied()
    parts = step.understood.parts
    if not _changed(parts, before):
        reading = _plan(connection, pipeline, step, before, [_guess(connection, p, before) for p in parts])
        applied = Applied()
        pipeline.queue(connection, reading.queued, applied)
        return reading, applied
    attributions = [_attribute(connection, pipeline, step, part, before) for part in parts]
    reading = _plan(connection, pipeline, step, before, attributions)
    _archive(connection, step, now)
    _redirect(connection, step, attributions, now)
    _supersede(connection, reading.replaced, now)
    return reading, pipeline.replace(connection, step, attributions, reading.queued, reading.matched)


def failure(step: Step) -> str:
    """Why there is no record about anybody, "" where there is one."""
    understood = step.understood
    if understood is None or understood.failure:
        return understood.failure if understood else "undecodable"
    return "" if any(part.person is not None for part in understood.parts) else "no-subject"


def _before(connection: Connection, step: Step) -> dict[int, Any]:
    query = select(record).where(record.c.message_id == step.envelope.message_id)
    return {row.idx: row for row in connection.execute(query)}


def _changed(parts: Sequence[Part], before: Mapping[int, Any]) -> set[int]:
    """Numbers of the records that say something else than before, those that are gone among them."""
    kept = {part.index for part in parts if part.index in before and _same(part.body, before[part.index])}
    return {part.index for part in parts}.union(before) - kept


def _same(new: bytes, old: Any) -> bool:
    return new == old.body or body.unpack(new) == body.unpack(old.body, old.codec)


def _guess(connection: Connection, part: Part, before: Mapping[int, Any]) -> Attribution:
    """Whom it would be about. A person not known yet has the number -1."""
    if part.person is None:
        return Attribution()
    number = registration_of(connection, part.identifiers)
    if number is None and part.index in before:
        number = before[part.index].mpi_record
    return Attribution(-1) if number is None else Attribution(number, eid_of(connection, number), "known")


def _attribute(
    connection: Connection, pipeline: Pipeline, step: Step, part: Part, before: Mapping[int, Any]
) -> Attribution:
    known = before.get(part.index)
    # a merge that took effect once is not done again: somebody may have undone it since
    done = _statements(known) if known is not None else ()
    statements = [s for s in part.statements if s not in done]
    arrival = (pipeline.participant(step.envelope.feed), part.person, part.identifiers, statements, step.envelope)
    number = known.mpi_record if known is not None else None
    return pipeline.identity.replay(connection, arrival, number, pipeline.told(step, part))


def _statements(known: Any) -> list[IdentityStatement]:
    said = body.unpack(known.body, known.codec)["statements"]
    return [IdentityStatement(kind, Identifier(*one), Identifier(*two)) for kind, one, two in said]


def _plan(
    connection: Connection, pipeline: Pipeline, step: Step, before: Mapping[int, Any], found: Sequence[Attribution]
) -> Reading:
    assert step.understood is not None
    parts = step.understood.parts
    changed = _changed(parts, before)
    fresh: list[outbox.Queued] = []
    again: list[outbox.Queued] = []
    replaced: list[int] = []
    last = _last(connection, step.envelope.message_id)
    rows = pipeline.route(connection, [(step, part) for part in parts], found)
    for row in rows:
        key = outbox.delivery_key(row.message_id, row.idx, row.subscriber, step.run or 0)
        held = last.get((row.idx, row.subscriber))
        if held is None:
            fresh.append(row._replace(key=key))
        elif row.idx in changed and held.state not in (*_WAITING, *_TAKEN_OUT):
            # what waits goes with its new content anyway; what an operator took out stays out
            maybe = held.state in _HAD or held.reason == "gave-up"
            again.append(row._replace(key=key, again=outbox.wire_key(held) if maybe else None))
            if held.state == DeliveryState.DEAD_LETTERED:
                replaced.append(held.id)
    return Reading("changed" if changed else "unchanged", [*fresh, *again], replaced, len(fresh), bool(rows))


def _last(connection: Connection, message_id: str) -> dict[tuple[int, str], Any]:
    """The last delivery of each record to each subscriber, of those that tell what it holds."""
    query = (
        select(delivery)
        .where(delivery.c.message_id == message_id, delivery.c.reason != "unchanged")
        .order_by(delivery.c.id)
    )
    return {(row.idx, row.subscriber): row for row in connection.execute(query)}


def _archive(connection: Connection, step: Step, now: float) -> None:
    """What the message was read as becomes history, and makes room."""
    id = step.envelope.message_id
    version = connection.execute(
        select(func.coalesce(func.max(record_version.c.version), 0)).where(record_version.c.message_id == id)
    ).scalar_one()
    configuration = connection.execute(select(message.c.configuration).where(message.c.id == id)).scalar_one()
    kept = [
        {**row, "version": version + 1, "run": step.run or 0, "replaced_at": now, "configuration": configuration}
        for row in connection.execute(select(record).where(record.c.message_id == id)).mappings()
    ]
    if kept:
        connection.execute(insert(record_version), kept)
    connection.execute(delete(record).where(record.c.message_id == id))
    connection.execute(delete(message).where(message.c.id == id))


def _redirect(connection: Connection, step: Step, attributions: Sequence[Attribution], now: float) -> None:
    """Deliveries that still wait follow the record: to its person of today, or out where it is gone."""
    assert step.understood is not None
    mine = delivery.c.message_id == step.envelope.message_id
    waiting = delivery.c.state.in_((*_WAITING, DeliveryState.BEGUN))
    there = []
    for part, attribution in zip(step.understood.parts, attributions, strict=True):
        there.append(part.index)
        connection.execute(
            update(delivery)
            .where(mine, waiting, delivery.c.idx == part.index)
            .values(mpi_record=attribution.mpi_record)
        )
    gone = select(delivery.c.id).where(
        mine, delivery.c.state.in_((*_WAITING, DeliveryState.DEAD_LETTERED)), delivery.c.idx.not_in(there)
    )
    _supersede(connection, list(connection.execute(gone).scalars()), now)


def _supersede(connection: Connection, ids: Sequence[int], now: float) -> None:
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(list(ids)))
        .values(state=DeliveryState.SUPERSEDED, reason="newer-version", text="", finished_at=now)
    )


def step_of(pipeline: Pipeline, entry: Entry, kind: str, run: int | None = None) -> Step:
    """A row of the journal, read with the decoders of today."""
    flag = RELEASED if kind == "quarantine" else AGAIN
    flags = tuple(dict.fromkeys((*entry.flags, flag)))
    return Step(entry.envelope, None, "", flags, understand(pipeline.task(entry.envelope)), run)
