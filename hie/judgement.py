"""What of one record may go to one subscriber, and why: consent, minimum necessary, redaction. Pure but for loading consents."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from hie.consent import book
from hie.consent.compile import NOBODY as NO_CONSENTS
from hie.consent.compile import PatientConsents, compile_consents
from hie.consent.decide import Decisions, Request, decide
from hie.consent.directory import Directory as Actors
from hie.consent.directory import Recipient
from hie.consent.item import Item, item, plain_item, stored_items
from hie.consent.jurisdiction import Policy
from hie.consent.redact import redact
from hie.identify import records_of, registrations_of
from hie.labels.segments import sensitive_segments
from hie.model import Identifier, IdentityStatement, Outcome, Resource, SecurityLabel, View
from hie.outcomes import DELIVERY_REASONS
from hie.participants import Directory
from hie.record import body
from hie.routing import CONTEXT, wanted
from hie.sections import Subscriber
from hie.settings import Settings
from hie.store.tables import disclosure

KEEP = 20_000
"""Persons whose compiled consents are kept in memory."""


class Judged(NamedTuple):
    """A record decided for one recipient: what may go, as a view, and the decision in words."""

    view: View | None
    decisions: Decisions
    outcome: Outcome
    summary: dict[str, Any]
    withheld_strings: frozenset[str]


class Judge:
    """Decides under one configuration and policy; keeps compiled consents while their epoch stands."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self.policy = policy
        self.directory = Directory(settings.participants)
        self.actors = Actors(
            self.directory.organizations(), policy.timezone, known=self.directory.known, complete=False
        )
        self._recipients: dict[str, Recipient] = {}
        self._compiled: OrderedDict[str, tuple[int, PatientConsents]] = OrderedDict()

    def consents(self, connection: Connection, epoch: Mapping[str, int]) -> dict[str, PatientConsents]:
        """The compiled consents of persons, by enterprise id; from memory while the epoch stands."""
        found: dict[str, PatientConsents] = {}
        unknown: list[str] = []
        for eid, current in epoch.items():
            known = self._compiled.get(eid)
            if known is not None and known[0] == current:
                found[eid] = known[1]
            else:
                unknown.append(eid)
        if unknown:
            owners = {r: eid for eid, records in registrations_of(connection, unknown).items() for r in records}
            given: dict[str, list[tuple[str, str, Resource]]] = {eid: [] for eid in unknown}
            for stored in book.of_records(connection, owners):
                given[owners[stored.mpi_record]].append((stored.id, stored.version, stored.body))
            for eid in unknown:
                compiled = compile_consents(given[eid], self.policy, self.actors) if given[eid] else NO_CONSENTS
                found[eid] = compiled
                self._compiled[eid] = (epoch[eid], compiled)
            while len(self._compiled) > KEEP:
                self._compiled.popitem(last=False)
        return found

    def judge(
        self,
        subscriber: Subscriber,
        unpacked: Mapping[str, Any],
        raw: bytes,
        message_id: str,
        source: str,
        eid: str,
        consents: PatientConsents,
        candidates: Sequence[PatientConsents],
        now: float,
    ) -> Judged:
        """What of one record may go to one subscriber, and why. Pure."""
        resources: list[Resource] = unpacked["resources"]
        asked_for = _asked_for(resources, subscriber)
        unread: Mapping[str, Sequence[SecurityLabel]] = {}
        """Segments of the stored bytes that name something sensitive, read without the decoder."""
        source_types = self.directory.types.get(source, frozenset())
        if consents or any(candidates) or subscriber.mandated_reporting:
            items = self._items(asked_for, resources, body.labels_of(unpacked), source, source_types)
            if subscriber.encoder == "original" and raw:
                unread = sensitive_segments(raw)
                items += [
                    plain_item(_segment(place, unpacked["patient"]), given, source_types)
                    for place, given in unread.items()
                ]
        else:
            items = stored_items(asked_for, unpacked["labels"], source_types)
        recipient = self._recipient(subscriber, now)
        decisions = decide(
            self.policy,
            consents,
            candidates,
            Request(
                recipient=recipient.sure,
                possible=recipient.possible,
                recipient_state=self.directory.state(subscriber.participant),
                source_state=self.directory.state(source),
                role=self.directory.by_name[subscriber.participant].role,
                purpose=subscriber.purpose,
                now=now,
                mandated=subscriber.mandated_reporting,
                source_types=source_types,
            ),
            items,
        )
        verdicts = decisions.verdicts
        denied = {reference for reference, verdict in verdicts.items() if verdict.verdict != "permit"}
        summary = _summary(decisions, asked_for, denied)
        if unpacked["processing"] != "P" and not subscriber.accepts_tests:
            return Judged(None, decisions, outcome_of("test-data"), summary, frozenset())
        content = [r for r in asked_for if r["resourceType"] not in CONTEXT | {"RelatedPerson"}]
        nothing_left = content and all(_reference(r) in denied for r in content)
        patient_denied = unpacked["patient"] in denied
        if decisions.overall in ("deny", "withhold") or nothing_left or patient_denied:
            reason = "undecidable" if decisions.overall == "withhold" else "denied"
            return Judged(None, decisions, outcome_of(reason, decisions.text), summary, frozenset())
        unasked = (
            set() if asked_for is resources else {_reference(r) for r in resources} - {_reference(r) for r in asked_for}
        )
        sources = tuple(body.source_pairs(unpacked))
        redacted = redact(resources, sources, denied - _segments(unread), unasked, self.policy)
        said = frozenset(place for place in unread if f"Basic/{place}" in denied)
        view = View(
            message_id=message_id,
            event=unpacked["event"],
            enterprise_id=eid,
            patient=unpacked["patient"],
            resources=redacted.resources,
            sources=redacted.sources,
            raw=raw,
            removed=redacted.removed | said,
            obligations=decisions.obligations,
            purpose=subscriber.purpose,
            consent=" ".join(summary["consents"]),
            authored=unpacked["authored"],
            sender=unpacked["sender"],
        )
        outcome = outcome_of("accepted-redacted" if denied else "accepted", decisions.text if denied else "")
        return Judged(view, decisions, outcome, summary, redacted.withheld_strings)

    def _items(
        self,
        asked_for: Sequence[Resource],
        resources: Sequence[Resource],
        labels: Mapping[str, Sequence[SecurityLabel]],
        source: str,
        source_types: frozenset[str],
    ) -> list[Item]:
        by_reference = {_reference(r): r for r in resources}
        custodian = self.directory.references(source)
        return [
            item(
                r,
                labels.get(_reference(r), ()),
                by_reference,
                timezone=self.policy.timezone,
                custodian=custodian,
                source_types=source_types,
            )
            for r in asked_for
        ]

    def _recipient(self, subscriber: Subscriber, now: float) -> Recipient:
        """Every name the subscriber goes by. Participants have no dated memberships, so it holds for a configuration."""
        found = self._recipients.get(subscriber.name)
        if found is None:
            references = self.directory.references(subscriber.participant)
            found = self._recipients[subscriber.name] = self.actors.expand(references, now)
        return found


def outcome_of(reason: str, text: str = "") -> Outcome:
    state, sentence = DELIVERY_REASONS[reason]
    return Outcome(state, reason, text or sentence)


def unheld(connection: Connection, subscriber: Subscriber, unpacked: Mapping[str, Any]) -> bool:
    """Whether the record speaks of two identifiers (a merge, link or move) that the subscriber does not both hold.

    Telling it would disclose that somebody it knows is somebody it has never heard of.
    """
    statements = [
        IdentityStatement(kind, Identifier(*one), Identifier(*two)) for kind, one, two in unpacked["statements"]
    ]
    if not statements:
        return False
    records = records_of(connection, statements)
    if None in records:
        return True
    held = connection.execute(_HELD, {"recipient": subscriber.participant, "records": list(records)}).scalars()
    return not records <= set(held)


_HELD = select(disclosure.c.mpi_record).where(
    disclosure.c.recipient == bindparam("recipient"),
    disclosure.c.mpi_record.in_(bindparam("records", expanding=True)),
    disclosure.c.state != "failed",
)


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _segment(place: str, patient: str | None) -> Resource:
    """A segment as an item to decide on: about the patient, with nothing but its labels."""
    return {"resourceType": "Basic", "id": place, "subject": {"reference": patient or ""}}


def _segments(places: Mapping[str, object]) -> set[str]:
    return {f"Basic/{place}" for place in places}


def _asked_for(resources: list[Resource], subscriber: Subscriber) -> list[Resource]:
    """What of a record the subscriber's subscriptions ask for; the same list where that is everything."""
    if any(not subscription.categories for subscription in subscriber.subscriptions):
        return resources
    return [r for r in resources if any(wanted(r, s) for s in subscriber.subscriptions)]


def _summary(decisions: Decisions, asked_for: Sequence[Resource], denied: set[str]) -> dict[str, Any]:
    """The decision without content: counts by resource type, rules with their sentences."""
    withheld = Counter(r["resourceType"] for r in asked_for if denied and _reference(r) in denied)
    released = Counter(r["resourceType"] for r in asked_for) - withheld
    reasons: dict[tuple[str, str, str, str], int] = {}
    for verdict in decisions.verdicts.values():
        why = (verdict.verdict, verdict.rule, verdict.text, verdict.code)
        reasons[why] = reasons.get(why, 0) + 1
    return {
        "overall": decisions.overall,
        "released": dict(released),
        "withheld": dict(withheld),
        "rules": sorted({verdict.rule for verdict in decisions.verdicts.values()}),
        "consents": sorted({verdict.consent for verdict in decisions.verdicts.values() if verdict.consent}),
        "reasons": [
            {"verdict": v, "rule": rule, "text": text, "exception": code, "items": n}
            for (v, rule, text, code), n in reasons.items()
        ],
        "holds_until": decisions.holds_until,
    }
