"""The gate every disclosure passes: decide with what holds now, write that down, and only then let bytes leave.

T1 (`begin`) commits the decision, the consent, policy and label versions, the hash of the rendered bytes and the
disclosure record as `begun`, if the person's consent epoch is still the one decided under. The bytes are sent with no
transaction open. T2 (`end`) commits what became of it. A crash between leaves `unknown`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, insert, select, update

from hie import again, registry
from hie.audit.chain import Trail
from hie.audit.events import Kind, event
from hie.compression import compress
from hie.consent.jurisdiction import Policy
from hie.consent.redact import leaks
from hie.delivery import outbox, shadow
from hie.errors import PermanentRefusal
from hie.identify import candidates_of, eids_of
from hie.intake import journals
from hie.judgement import Judge, Judged, outcome_of, unheld
from hie.model import DeliveryState, MessageOutcome, Outcome, SubscriberContext, View
from hie.record import body
from hie.sections import Subscriber
from hie.settings import Settings
from hie.store import epochs
from hie.store.ids import next_ids
from hie.store.rows import Rows
from hie.store.tables import disclosure, message, record


@dataclass(frozen=True, slots=True)
class Prepared:
    """One delivery, decided and rendered, before T1. `payload` is empty where nothing may leave."""

    delivery_id: int
    outcome: Outcome
    """What it will be if the subscriber takes it; or the final outcome where nothing is sent."""
    eid: str
    epoch: int
    mpi_record: int
    message_id: str
    source: str
    event: str
    received_at: float
    key: str
    """What the subscriber is told to know it by."""
    replaces: str | None
    attempts: int
    decision: Mapping[str, Any]
    policy: str
    consents: str
    payload: bytes = b""
    disclosure: int = 0
    others: Mapping[str, int] = field(default_factory=dict)
    """Epochs of the persons whose denies were counted in, because the record may be theirs."""
    unknown: bool = False
    """An earlier attempt under this key may have been received."""
    row_key: str = ""
    """The row's own key: another where it goes under that of an earlier delivery of the same content."""
    shadow: tuple[str, bytes] = ("", b"")
    """In shadow mode: the reason it would have ended with, and the bytes that would have left."""

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.payload).digest()


class Result(NamedTuple):
    """How one attempt ended: a final state, or `queued`/`unknown` with the time of the next attempt."""

    state: DeliveryState | MessageOutcome
    reason: str
    text: str
    answer: str
    due_at: float


class Begun(NamedTuple):
    """What T1 committed. Deliveries in none of the lists were decided under an older epoch: decide again."""

    sendable: list[Prepared]
    ended: list[Prepared]
    gone: list[int]
    """Ids of deliveries that somebody ended meanwhile: a final outcome never changes."""


class Gate:
    """Decides under one configuration. `prepare` runs on a reading connection, `begin` and `end` in the writer."""

    def __init__(self, settings: Settings, policy: Policy, trail: Trail | None, journal: Path) -> None:
        self.settings = settings
        self.policy = policy
        self.trail = trail
        self.judge = Judge(settings, policy)
        self.journal = journals.open_reader(settings.database_url, journal)
        self.feeds = {feed.name: feed.participant for feed in settings.feeds}
        self.shadows = frozenset(feed.name for feed in settings.feeds if feed.shadow)

    def prepare(self, connection: Connection, subscriber: Subscriber, ids: Sequence[int]) -> list[Prepared]:
        """Decides and renders; writes nothing. `connection` sees one snapshot, so that whatever changes after it raises an
        epoch that T1 compares.
        """
        now = time.time()
        rows = outbox.load(connection, ids)
        bodies = _bodies(connection, {row.message_id for row in rows.values()})
        eids = eids_of(connection, {row.mpi_record for row in rows.values()})
        possible = candidates_of(connection, set(eids.values()))
        everyone = set(eids.values()).union(*possible.values())
        epoch = epochs.read(connection, everyone)
        consents = self.judge.consents(connection, epoch)
        repaired = again.look(connection, subscriber, rows.values())
        original = subscriber.encoder == "original"
        raws = self.journal.get_all({row.message_id for row in rows.values()}) if original else {}
        prepared = []
        for id in ids:
            row = rows[id]
            stored = bodies[row.message_id, row.idx]
            eid = eids[row.mpi_record]
            candidates = [consents[c] for c in sorted(possible.get(eid, ()))]
            raw = raws[row.message_id].envelope.raw if raws else b""
            source = self.feeds.get(stored.feed, "")
            unpacked = body.unpack(stored.body, stored.codec)
            earlier = repaired.get(id)
            outdated = earlier is not None and earlier.outdated(unpacked, subscriber.encoder)
            if earlier is not None and subscriber.encoder != "original":
                unpacked = earlier.mended(unpacked)
            judged = self.judge.judge(
                subscriber, unpacked, raw, row.message_id, source, eid, consents[eid], candidates, now
            )
            unsent = subscriber.shadow or stored.feed in self.shadows
            if not unsent and unheld(connection, subscriber, unpacked):
                judged = judged._replace(view=None, outcome=outcome_of("merge-unheld"))
            if outdated and judged.view is not None:
                judged = judged._replace(view=None, outcome=outcome_of("newer-version"))
            made = self._render(subscriber, row, stored, source, eid, epoch[eid], judged, earlier)
            if unsent and made.payload:
                would = made.outcome.reason, made.payload
                made = replace(made, outcome=outcome_of("shadow"), payload=b"", shadow=would)
            prepared.append(replace(made, others={c: epoch[c] for c in possible.get(eid, ())}))
        return prepared

    def _render(
        self,
        subscriber: Subscriber,
        row: Any,
        stored: Any,
        source: str,
        eid: str,
        epoch: int,
        judged: Judged,
        earlier: again.Again | None,
    ) -> Prepared:
        outcome, payload, key, replaces = judged.outcome, b"", row.key, row.replaces
        unknown, repeats = row.state == DeliveryState.UNKNOWN, False
        if judged.view is not None and earlier is not None and earlier.key is not None:
            outcome, payload = rendered(subscriber, judged, earlier.key)
            same = _sha256(payload) == earlier.sha256
            repeats = same or earlier.sha256 is None
            if same and not earlier.resend:
                outcome, payload = outcome_of("unchanged"), b""
            # other content than the subscriber holds under the old key goes under its own and names what it replaces
            key, replaces = (earlier.key, None) if repeats else (row.key, earlier.key)
        if judged.view is not None and not repeats:
            outcome, payload = rendered(subscriber, judged, key)
            if (
                payload
                and unknown
                and row.sha256
                and _sha256(payload) != bytes(row.sha256)
                and replaces == row.replaces
            ):
                # the subscriber may hold the earlier content under the old key: the new one names what it replaces
                key, replaces, unknown = outbox.successor_key(row.key, payload), row.key, False
                outcome, payload = rendered(subscriber, judged, key)
        return Prepared(
            delivery_id=row.id,
            outcome=outcome,
            eid=eid,
            epoch=epoch,
            mpi_record=row.mpi_record,
            message_id=row.message_id,
            source=source,
            event=stored.event,
            received_at=row.received_at,
            key=key,
            replaces=replaces,
            attempts=row.attempts + 1,
            decision=judged.summary,
            policy=self.policy.version,
            consents=" ".join(judged.summary["consents"]),
            payload=payload,
            unknown=unknown,
            row_key=row.key if repeats else key,
        )

    def begin(self, connection: Connection, subscriber: Subscriber, prepared: Sequence[Prepared]) -> Begun:
        """T1. Raises nothing of its own: what the store cannot take is not sent."""
        now = time.time()
        epoch = epochs.settled(connection, {p.eid for p in prepared}.union(*(p.others for p in prepared)))
        eids = eids_of(connection, {p.mpi_record for p in prepared})
        waiting = outbox.waiting(connection, [p.delivery_id for p in prepared])
        gone = [p.delivery_id for p in prepared if p.delivery_id not in waiting]
        current = [
            p
            for p in prepared
            if p.delivery_id in waiting
            and epoch[p.eid] == p.epoch
            and eids.get(p.mpi_record) == p.eid
            and all(epoch[other] == known for other, known in p.others.items())
        ]
        sendable = [p for p in current if p.payload]
        ended = [p for p in current if not p.payload]
        numbers = next_ids(connection, "disclosure", len(sendable))
        sendable = [replace(p, disclosure=number) for p, number in zip(sendable, numbers, strict=True)]
        if sendable:
            _DISCLOSURE.run(connection, [self._disclosure(subscriber, p, now) for p in sendable])
        outbox.begin(
            connection,
            [
                {
                    "_id": p.delivery_id,
                    "_attempts": p.attempts,
                    "_now": now,
                    "_sha256": p.sha256,
                    "_key": p.row_key,
                    "_replaces": p.replaces,
                }
                for p in sendable
            ],
        )
        outbox.finish(
            connection,
            [_finished(p.delivery_id, p.outcome.state, p.outcome.reason, p.outcome.text, now) for p in ended],
        )
        kept = [(p.delivery_id, *p.shadow) for p in ended if p.shadow[1]]
        shadow.keep(connection, subscriber.name, kept, now)
        for p in sendable:
            self._note(connection, Kind.DISCLOSURE_BEGUN, subscriber, p, now, sha256=p.sha256.hex())
        for p in ended:
            self._note(connection, Kind.DECISION, subscriber, p, now, outcome=p.outcome.state, reason=p.outcome.reason)
        return Begun(sendable, ended, gone)

    def end(self, connection: Connection, subscriber: Subscriber, results: Sequence[tuple[Prepared, Result]]) -> None:
        """T2: what became of the attempts."""
        now = time.time()
        finals = [(p, r) for p, r in results if DeliveryState(r.state).final]
        waiting = [(p, r) for p, r in results if not DeliveryState(r.state).final]
        outbox.finish(
            connection,
            [_finished(p.delivery_id, r.state, r.reason, r.text or p.outcome.text, now, r.answer) for p, r in finals],
        )
        outbox.retry(
            connection,
            [
                {
                    "_id": p.delivery_id,
                    # a later attempt that certainly failed does not undo an earlier one that may have been received
                    "_state": DeliveryState.UNKNOWN if p.unknown else r.state,
                    "_due_at": r.due_at,
                    "_reason": r.reason[:48],
                    "_text": r.text,
                }
                for p, r in waiting
            ],
        )
        _END.run(connection, [{"_id": p.disclosure, "_now": now, "_state": _disclosed(r)} for p, r in results])
        for p, r in results:
            self._note(
                connection,
                Kind.DISCLOSURE_ENDED,
                subscriber,
                p,
                now,
                state=_disclosed(r),
                answer=r.answer,
                outcome=r.state,
            )

    def _disclosure(self, subscriber: Subscriber, p: Prepared, now: float) -> dict[str, Any]:
        return {
            "id": p.disclosure,
            "delivery_id": p.delivery_id,
            "kind": "push",
            "at": now,
            "state": "begun",
            "eid": p.eid,
            "mpi_record": p.mpi_record,
            "message_id": p.message_id,
            "source": p.source,
            "recipient": subscriber.participant,
            "purpose": subscriber.purpose,
            "epoch": p.epoch,
            "policy": p.policy,
            "consents": p.consents,
            "decision": compress(orjson.dumps(p.decision)),
            "sha256": p.sha256,
        }

    def _note(
        self, connection: Connection, kind: Kind, subscriber: Subscriber, p: Prepared, now: float, **more: str
    ) -> None:
        if self.trail is None:
            return
        found: dict[str, Any] = {
            "message": p.message_id,
            "delivery": p.delivery_id,
            "subscriber": subscriber.name,
            "purpose": subscriber.purpose,
            "eid": p.eid,
            "record": p.mpi_record,
            "epoch": p.epoch,
            "attempt": p.attempts,
            "key": p.key,
            **more,
        }
        if kind is not Kind.DISCLOSURE_ENDED:
            found |= {"policy": p.policy, "consents": p.consents.split(), "rules": p.decision["rules"]}
        self.trail.add(connection, event(kind, "node", found, now))


_NOTHING_LEFT = ("original-nothing-left", "original-subject-withheld", "bundle-empty")
"""Refusals of encoders that only say that consent left nothing to send: no failure that an operator could mend."""


def rendered(subscriber: Subscriber, judged: Judged, key: str) -> tuple[Outcome, bytes]:
    """The outcome to be and the bytes that would leave; no bytes where nothing may. The dry run asks the same."""
    if judged.view is None:
        return judged.outcome, b""
    try:
        payload = encode(subscriber, judged.view, key)
    except PermanentRefusal as error:
        if error.code in _NOTHING_LEFT and judged.outcome.reason == "accepted-redacted":
            return outcome_of("denied", judged.outcome.text), b""
        return outcome_of("not-encodable", error.text), b""
    if leaks(payload, judged.withheld_strings):
        return outcome_of("leak-guard"), b""
    return judged.outcome, payload


def encode(subscriber: Subscriber, view: View, key: str) -> bytes:
    """The bytes as they would leave. Raises PermanentRefusal."""
    encoded: bytes = registry.named("encoders", subscriber.encoder)(
        view,
        SubscriberContext(
            name=subscriber.name, key=key, application=subscriber.application, facility=subscriber.facility
        ),
    )
    return encoded


def _sha256(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


def _finished(id: int, state: str, reason: str, text: str, now: float, answer: str = "") -> dict[str, Any]:
    return {"_id": id, "_state": state, "_reason": reason, "_text": text, "_now": now, "_answer": answer[:64]}


def _disclosed(result: Result) -> str:
    if result.state in (DeliveryState.DELIVERED, DeliveryState.DELIVERED_REDACTED):
        return str(result.state)
    return "unknown" if result.state == DeliveryState.UNKNOWN or result.reason == "gave-up" else "failed"


_DISCLOSURE = Rows(
    insert(disclosure),
    (
        *("id", "delivery_id", "kind", "at", "state", "eid", "mpi_record", "message_id", "source", "recipient"),
        *("purpose", "epoch", "policy", "consents", "decision", "sha256"),
    ),
)

_END = Rows(
    update(disclosure)
    .where(disclosure.c.id == bindparam("_id"))
    .values(ended_at=bindparam("_now"), state=bindparam("_state"))
)

_BODIES = (
    select(record.c.message_id, record.c.idx, record.c.event, record.c.body, record.c.codec, message.c.feed)
    .join(message, message.c.id == record.c.message_id)
    .where(record.c.message_id.in_(bindparam("ids", expanding=True)))
)


def _bodies(connection: Connection, message_ids: set[str]) -> dict[tuple[str, int], Any]:
    return {(row.message_id, row.idx): row for row in connection.execute(_BODIES, {"ids": list(message_ids)})}
