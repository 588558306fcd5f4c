"""The life of a message, one line a step.

understand   decode -> label                      pure, in the pool: hie.understand
apply        attribute -> remember -> route -> queue   in the commit that also moves the cursor
(delivery    gate: consent -> disclosure -> bytes  hie.gate and hie.engine.dispatch)
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, insert

from hie.audit.chain import Trail
from hie.audit.events import Kind, event
from hie.consent import book
from hie.delivery import outbox
from hie.delivery.schedule import Entry
from hie.identify import (
    Attribution,
    Identity,
    identifiers_of_persons,
)
from hie.model import Acknowledgement, Envelope, FeedContext, MessageOutcome
from hie.outcomes import MESSAGE_REASONS
from hie.participants import Directory
from hie.record import body, versions
from hie.routing import Contents, Router
from hie.sections import Feed
from hie.settings import Settings
from hie.store import epochs, tables, unmapped, work_items
from hie.store.rows import Rows
from hie.task import Task
from hie.understand import Part, Understood


class Step(NamedTuple):
    """One journal row with what the pool made of it."""

    envelope: Envelope
    refusal: Acknowledgement | None
    duplicate_of: str
    flags: tuple[str, ...]
    understood: Understood | None
    run: int | None = None
    """The repair by which it comes again, out of its order."""


@dataclass(slots=True)
class Applied:
    """What a committed batch asks the engine to do next."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    """Subscriber -> new deliveries."""
    wake: set[str] = field(default_factory=set)
    """Messages whose unfinished deliveries a repeat asked for."""
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)
    """Feed, outcome, reason of each message."""
    decisions: list[str] = field(default_factory=list)


class Pipeline:
    """Applies batches under one configuration. Not thread-safe: the writer thread alone calls it."""

    def __init__(self, settings: Settings, identity: Identity, router: Router, trail: Trail) -> None:
        self.settings = settings
        self.trail = trail
        self.identity = identity
        self.router = router
        self.directory = Directory(settings.participants)
        self.feeds = {feed.name: feed for feed in settings.feeds}
        self.taps = frozenset(feed.name for feed in settings.feeds if feed.tap)
        self.history = frozenset(feed.name for feed in settings.feeds if feed.priority == "backfill")
        self.configuration = settings.hash
        self.tally = unmapped.Tally()
        self._contexts = {
            feed.name: (settings.dialects.context(feed.name), self.directory.types.get(feed.participant, frozenset()))
            for feed in settings.feeds
        }

    def task(self, envelope: Envelope) -> Task:
        if envelope.feed not in self._contexts:
            return Task("", b"", FeedContext(feed=envelope.feed), frozenset())
        return Task(envelope.format, envelope.raw, *self._contexts[envelope.feed])

    def apply(self, connection: Connection, steps: Sequence[Step]) -> Applied:
        """Every message of the batch to its outcome, in order, in the caller's transaction."""
        applied = Applied()
        parts = [(step, part) for step in steps if step.understood for part in step.understood.parts]
        attributions = self._attribute(connection, parts, applied)
        self._remember(connection, parts, attributions)
        self._consent(connection, parts, attributions)
        queued = self.route(connection, parts, attributions)
        self.queue(connection, queued, applied)
        self._note_work(connection, parts, time.time())
        self._conclude(connection, steps, parts, attributions, {row.message_id for row in queued}, applied)
        return applied

    def replace(
        self,
        connection: Connection,
        step: Step,
        attributions: Sequence[Attribution],
        queued: Sequence[outbox.Queued],
        offered: bool,
    ) -> Applied:
        """A message read anew, whose earlier records and outcome are out of the way: `apply` with who it is about and who
        gets it already decided. `offered`: whether any subscription asks for it."""
        applied = Applied()
        parts = [(step, part) for part in step.understood.parts] if step.understood else []
        self._disturb(connection, attributions, applied)
        # what was decided and rendered of the earlier version may not be sent any more
        epochs.bump(connection, {a.eid for a in attributions if a.eid})
        self._remember(connection, parts, attributions)
        self._consent(connection, parts, attributions)
        self.queue(connection, queued, applied)
        self._conclude(
            connection, [step], parts, attributions, {step.envelope.message_id} if offered else set(), applied
        )
        return applied

    def _attribute(
        self, connection: Connection, parts: Sequence[tuple[Step, Part]], applied: Applied
    ) -> list[Attribution]:
        arrivals = [
            (self.participant(step.envelope.feed), part.person, part.identifiers, part.statements, step.envelope)
            for step, part in parts
        ]
        told = [self.told(step, part) for step, part in parts]
        if any(step.run is not None for step, _ in parts):
            attributions = [
                self.identity.replay(connection, arrival, told=at) for arrival, at in zip(arrivals, told, strict=True)
            ]
        else:
            attributions = self.identity.attribute(connection, arrivals, told)
        self._disturb(connection, attributions, applied)
        return attributions

    def told(self, step: Step, part: Part) -> float | None:
        """When what a feed of history brings was so; None for what is of now."""
        return min(part.told, step.envelope.received_at) if step.envelope.feed in self.history else None

    @staticmethod
    def _disturb(connection: Connection, attributions: Sequence[Attribution], applied: Applied) -> None:
        epochs.bump(connection, {eid for attribution in attributions for eid in attribution.disturbed})
        applied.decisions += [attribution.decision for attribution in attributions if attribution.decision]

    def _remember(
        self, connection: Connection, parts: Sequence[tuple[Step, Part]], attributions: Sequence[Attribution]
    ) -> None:
        if not parts:
            return
        _RECORD.run(
            connection,
            [
                {
                    "message_id": step.envelope.message_id,
                    "idx": part.index,
                    "event": part.event,
                    "mpi_record": attribution.mpi_record,
                    "decision": attribution.decision,
                    "body": part.body,
                    "codec": body.ZSTD,
                    "key_id": 0,
                }
                for (step, part), attribution in zip(parts, attributions, strict=True)
            ],
        )
        versions.remember(
            connection,
            [
                versions.Seen(reference, content, step.envelope.message_id, part.index, attribution.mpi_record)
                for (step, part), attribution in zip(parts, attributions, strict=True)
                for reference, content in part.seen
            ],
            frozenset(step.envelope.message_id for step, _ in parts if step.envelope.feed in self.history),
            self.history,
        )

    def _consent(
        self, connection: Connection, parts: Sequence[tuple[Step, Part]], attributions: Sequence[Attribution]
    ) -> None:
        """Consents that came with a record, from feeds that may set them; the epoch moves in the same commit."""
        for (step, part), attribution in zip(parts, attributions, strict=True):
            feed = self.feeds.get(step.envelope.feed)
            if not part.consents or feed is None or not feed.consents or attribution.mpi_record is None:
                continue
            actor = f"feed:{feed.name}"
            for consent in part.consents:
                at = step.envelope.received_at
                if step.run is not None and book.outdated(connection, consent["id"], consent, at):
                    continue
                version = book.put(connection, consent["id"], attribution.mpi_record, consent, actor, at)
                change = {"consent": consent["id"], "version": str(version), "eid": attribution.eid}
                self.trail.add(connection, event(Kind.CONSENT_CHANGE, actor, change))
            epochs.bump(connection, {attribution.eid} if attribution.eid else set())

    def route(
        self, connection: Connection, parts: Sequence[tuple[Step, Part]], attributions: Sequence[Attribution]
    ) -> list[outbox.Queued]:
        """The deliveries that the subscriptions of today ask for."""
        queued = []
        known = (
            identifiers_of_persons(connection, {a.eid for a in attributions if a.eid}) if self.router.rosters else {}
        )
        for (step, part), attribution in zip(parts, attributions, strict=True):
            if attribution.mpi_record is None:
                continue
            envelope = step.envelope
            contents = Contents(part.event, envelope.format, self.participant(envelope.feed), part.kinds, part.codes)
            keys = tuple(f"{envelope.feed}|{key}" for key in envelope.keys.ordering) or (envelope.message_id,)
            identifiers = known.get(attribution.eid or "", set()).union(part.identifiers)
            for subscriber, _ in self.router.route(contents, identifiers):
                queued.append(
                    outbox.Queued(
                        envelope.message_id,
                        part.index,
                        subscriber.name,
                        keys,
                        attribution.mpi_record,
                        envelope.received_at,
                        outbox.delivery_key(envelope.message_id, part.index, subscriber.name),
                        run=step.run,
                    )
                )
        return queued

    def _note_work(self, connection: Connection, parts: Sequence[tuple[Step, Part]], now: float) -> None:
        """Codes that no label rule covers, codes and fields without a standard meaning: work lists for people, which block
        nothing."""
        seen: dict[tuple[str, str], list[str]] = {}
        for step, part in parts:
            for code in part.unclassified:
                seen.setdefault((code[:256], step.envelope.feed), []).append(step.envelope.message_id)
        work_items.note(
            connection,
            "unclassified-code",
            [(code, feed, len(messages), messages[-1]) for (code, feed), messages in seen.items()],
            now,
        )
        self.tally.note(connection, _unmapped(parts), now)

    @staticmethod
    def queue(connection: Connection, queued: Sequence[outbox.Queued], applied: Applied) -> None:
        now = time.time()
        for id, row in zip(outbox.queue(connection, queued, now), queued, strict=True):
            applied.entries.setdefault(row.subscriber, []).append(
                Entry(id, row.keys, now, now, repair=row.run is not None)
            )

    def _conclude(
        self,
        connection: Connection,
        steps: Sequence[Step],
        parts: Sequence[tuple[Step, Part]],
        attributions: Sequence[Attribution],
        offered: Collection[str],
        applied: Applied,
    ) -> None:
        """One message row and one audit event each: no message without an outcome."""
        now = time.time()
        by_message: dict[str, list[Attribution]] = {}
        for (step, _), attribution in zip(parts, attributions, strict=True):
            by_message.setdefault(step.envelope.message_id, []).append(attribution)
        rows = []
        for step in steps:
            envelope = step.envelope
            mine = by_message.get(envelope.message_id, [])
            reason, text = _reason(step, mine, envelope.message_id in offered)
            if reason == "empty" and envelope.feed in self.taps:
                reason = "tapped"
            outcome = MESSAGE_REASONS[reason][0]
            understood = step.understood or Understood()
            if outcome is MessageOutcome.DUPLICATE:
                applied.wake.add(step.duplicate_of)
            rows.append(
                {
                    "id": envelope.message_id,
                    "feed": envelope.feed,
                    "format": envelope.format,
                    "event": envelope.keys.event[:64],
                    "control_id": envelope.keys.control_id.decode("latin-1")[:256],
                    "received_at": envelope.received_at,
                    "processed_at": now,
                    "sha256": envelope.sha256,
                    "outcome": outcome,
                    "reason": reason,
                    "text": text,
                    "duplicate_of": step.duplicate_of or None,
                    "configuration": self.configuration,
                    "flags": " ".join(step.flags),
                    "resources": sum(part.resources for part in understood.parts),
                    "warnings": sum(part.warnings for part in understood.parts),
                    "unmapped": sum(part.unmapped for part in understood.parts),
                    "stages": orjson.dumps(
                        {"decode": round(understood.seconds, 6), "applied": round(now - envelope.received_at, 6)}
                    ).decode(),
                }
            )
            applied.outcomes.append((envelope.feed, outcome, reason))
            self.trail.add(
                connection,
                event(
                    Kind.PROCESSED,
                    f"feed:{envelope.feed}",
                    {
                        "message": envelope.message_id,
                        "outcome": outcome,
                        "reason": reason,
                        "records": [f"{a.mpi_record}:{a.eid}:{a.decision}" for a in mine],
                    },
                    now,
                ),
            )
        _MESSAGE.run(connection, rows)

    def participant(self, feed: str) -> str:
        found: Feed | None = self.feeds.get(feed)
        return found.participant if found else ""


def _unmapped(parts: Sequence[tuple[Step, Part]]) -> Iterator[tuple[unmapped.Key, int, str]]:
    for step, part in parts:
        envelope = step.envelope
        sender = part.sender[:128] if part.sender.isprintable() else "?"
        for system, code in part.local:
            yield unmapped.Key(unmapped.CODE, envelope.feed, sender, system, code), 1, envelope.message_id
        for place, times in part.places:
            yield unmapped.Key(unmapped.FIELD, envelope.feed, sender, "", place), times, envelope.message_id


_RECORD = Rows(
    insert(tables.record), ("message_id", "idx", "event", "mpi_record", "decision", "body", "codec", "key_id")
)
_MESSAGE = Rows(
    insert(tables.message),
    (
        *("id", "feed", "format", "event", "control_id", "received_at", "processed_at", "sha256", "outcome", "reason"),
        *("text", "duplicate_of", "configuration", "flags", "resources", "warnings", "unmapped", "stages"),
    ),
)


def _reason(step: Step, attributions: Sequence[Attribution], offered: bool) -> tuple[str, str]:
    if step.duplicate_of:
        return "duplicate", ""
    if step.refusal is not None:
        return ("fragment" if not step.refusal.code else "refused"), step.refusal.text
    understood = step.understood
    if understood is None:
        return "empty", ""
    if understood.failure:
        return understood.failure, understood.text
    if not any(a.mpi_record is not None for a in attributions):
        return "no-subject", ""
    return ("routed" if offered else "no-subscriber"), ""
