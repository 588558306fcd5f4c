"""The life of one message as the store knows it: for `hie trace` and the console."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select

from hie.compression import decompress
from hie.intake.journals import JournalReader
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from hie.store.tables import delivery, disclosure, message, record, record_version


def life(connection: Connection, journal: JournalReader, message_id: str) -> dict[str, Any]:
    """Steps in order of time, each with `at` (epoch seconds), `step` and one sentence. Raises NotFound."""
    row = connection.execute(select(message).where(message.c.id == message_id)).first()
    if row is None:
        envelope = journal.get(message_id).envelope
        steps = [_step(envelope.received_at, "received", "on disk and acknowledged; not processed yet")]
        return {
            "message_id": message_id,
            "feed": envelope.feed,
            "event": envelope.keys.event,
            "control_id": envelope.keys.control_id.decode("latin-1"),
            "received_at": envelope.received_at,
            "outcome": "waiting",
            "reason": "",
            "steps": steps,
            "deliveries": [],
        }
    stages = orjson.loads(row.stages)
    steps = [_step(row.received_at, "received", "on disk, then acknowledged")]
    sentence = MESSAGE_REASONS[row.reason][1]
    if row.resources:
        steps.append(
            _step(
                row.processed_at,
                "understood",
                f"{row.resources} resources in {stages.get('decode', 0) * 1000:.1f} ms, {row.warnings} warnings, "
                f"{row.unmapped} values unmapped",
            )
        )
    for part in connection.execute(select(record).where(record.c.message_id == message_id).order_by(record.c.idx)):
        steps.append(_step(row.processed_at, "attributed", _attributed(part)))
    for old in connection.execute(_EARLIER, {"id": message_id}):
        text = (
            f"record {old.idx}: until then as configuration {old.configuration} read it; repair {old.run} read it anew"
        )
        steps.append(_step(old.replaced_at, "reprocessed", text))
    steps.append(_step(row.processed_at, row.outcome, f"{sentence}" + (f": {row.text}" if row.text else "")))
    deliveries = []
    for sent in connection.execute(select(delivery).where(delivery.c.message_id == message_id).order_by(delivery.c.id)):
        decisions = [
            _step(d.at, "decided", f"{sent.subscriber}: {_decided(d)}")
            for d in connection.execute(
                select(disclosure).where(disclosure.c.delivery_id == sent.id).order_by(disclosure.c.id)
            )
        ]
        steps += decisions
        at = sent.finished_at or sent.due_at
        why = sent.text or (DELIVERY_REASONS[sent.reason][1] if sent.reason in DELIVERY_REASONS else sent.reason)
        ordered = f", repair {sent.run}" if sent.run is not None else ""
        said = f"{sent.subscriber}: {why or 'waiting its turn'} (attempt {sent.attempts}{ordered})"
        steps.append(_step(at, sent.state, said))
        deliveries.append(
            {
                "id": sent.id,
                "subscriber": sent.subscriber,
                "state": sent.state,
                "reason": sent.reason,
                "text": why,
                "attempts": sent.attempts,
                "key": sent.key,
                "answer": sent.answer,
            }
        )
    steps.sort(key=lambda s: s["at"])
    return {
        "message_id": row.id,
        "feed": row.feed,
        "event": row.event,
        "control_id": row.control_id,
        "received_at": row.received_at,
        "outcome": row.outcome,
        "reason": row.reason,
        "configuration": row.configuration,
        "steps": steps,
        "deliveries": deliveries,
    }


_EARLIER = (
    select(record_version)
    .where(record_version.c.message_id == bindparam("id"))
    .order_by(record_version.c.version, record_version.c.idx)
)


def _step(at: float, step: str, text: str) -> dict[str, Any]:
    return {"at": at, "step": str(step), "text": text}


def _attributed(part: Any) -> str:
    if part.mpi_record is None:
        return f"record {part.idx}: about no patient"
    words = {
        "known": "a registration known before, nothing changed that decides",
        "certain": "the same person as one already known, for certain",
        "probable": "a person of its own; a steward is asked whether it is one already known",
        "possible": "a person of its own; a steward is asked whether it is one already known",
        "new": "a person not seen before",
    }
    return f"record {part.idx}: registration {part.mpi_record}, {words.get(part.decision, part.decision)}"


def _decided(row: Any) -> str:
    summary = orjson.loads(decompress(row.decision))
    held = sum(summary["withheld"].values())
    texts = [r["text"] for r in summary["reasons"] if r["verdict"] != "permit"]
    return f"{sum(summary['released'].values())} resources may go" + (
        f", {held} held back: {'; '.join(texts)}" if held else ""
    )
