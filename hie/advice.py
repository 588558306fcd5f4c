"""What a configuration allows but a careful operator would not want: shown by `hie check`, never refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from hie import referenced
from hie.codes import purposes
from hie.consent import jurisdiction
from hie.contradictions import Found, beyond_loopback
from hie.errors import ConfigurationError
from hie.fhir.validate import types
from hie.model import Identifier
from hie.routing import Router
from hie.settings import Settings
from hie.spelling import meant

LONGEST_GIVE_UP = 30 * 86400
"""Seconds after which nobody waits for a delivery any more."""


def warnings(settings: Settings) -> Iterator[Found]:
    """Of a configuration without errors."""
    if beyond_loopback(settings.http.host):
        text = f"http listens on {settings.http.host} in clear text"
        yield ("http", "host"), text, "http-in-the-clear", "put TLS in front of it"
    yield from _feeds(settings)
    yield from _subscribers(settings)
    yield from _overlaps(settings)
    used = {f.participant for f in settings.feeds} | {s.participant for s in settings.subscribers}
    parents = {p.part_of for p in settings.participants}
    for i, participant in enumerate(settings.participants):
        if participant.name not in used | parents:
            text = f"participant {participant.name} neither sends nor receives"
            yield ("participants", i), text, "idle-participant", ""


def _feeds(settings: Settings) -> Iterator[Found]:
    for i, feed in enumerate(settings.feeds):
        if feed.expected_interval is None:
            text = f"feed {feed.name}: its silence goes unnoticed"
            yield ("feeds", i), text, "no-expected-interval", "set expected_interval, such as 15m or 24h"
        if feed.timezone is None:
            text = f"feed {feed.name}: times without an offset will be kept as dates"
            yield ("feeds", i), text, "no-timezone", "set timezone, such as America/Chicago"
        host = str(feed.source.get("host", "127.0.0.1"))
        if feed.kind == "mllp" and beyond_loopback(host) and not feed.source.get("tls"):
            text = f"feed {feed.name} listens on {host} in clear text"
            yield ("feeds", i, "source"), text, "mllp-in-the-clear", "set tls, or let only a tunnel reach it"


def _subscribers(settings: Settings) -> Iterator[Found]:
    policy = jurisdiction.load(settings.policy)
    documents = sorted({f.format for f in settings.feeds} - {"hl7v2"})
    for i, subscriber in enumerate(settings.subscribers):
        who = f"subscriber {subscriber.name}"
        purpose = subscriber.purpose
        if purpose not in purposes.KNOWN:
            text = f"{who}: {purpose!r} is no v3-ActReason purpose: without a policy that names it, nothing goes"
            yield ("subscribers", i, "purpose"), text, "unknown-purpose", meant(purpose, purposes.KNOWN)
        elif not subscriber.mandated_reporting and not any(p in policy.defaults for p in purposes.ancestors(purpose)):
            text = f"{who}: the policy says nothing of {purpose}: without a consent that names it, nothing goes"
            yield ("subscribers", i, "purpose"), text, "purpose-not-in-policy", "defaults of the policy file"
        if subscriber.encoder == "original" and documents and any("*" in s.events for s in subscriber.subscriptions):
            text = (
                f"{who}: takes stored HL7v2 bytes only, yet asks for everything: "
                f"each {' and '.join(documents)} becomes a dead letter"
            )
            yield ("subscribers", i, "encoder"), text, "not-forwardable", "name its events, such as ADT^* and ORU^*"
        if not subscriber.subscriptions:
            text = f"{who}: an empty list of subscriptions asks for nothing"
            yield ("subscribers", i, "subscriptions"), text, "no-subscription", ""
        for j, subscription in enumerate(subscriber.subscriptions):
            for category in sorted({c.partition(":")[0] for c in subscription.categories} - types().keys()):
                text = f"{who}: {category!r} is no FHIR R4 resource type"
                path = ("subscribers", i, "subscriptions", j, "categories")
                yield path, text, "unknown-category", meant(category, types())
        if subscriber.retry.give_up > LONGEST_GIVE_UP:
            text = f"{who}: tries for {subscriber.retry.give_up / 86400:.0f} days before anybody is told"
            yield ("subscribers", i, "retry", "give_up"), text, "never-gives-up", "30d or less"


def _overlaps(settings: Settings) -> Iterator[Found]:
    """Rosters of one subscriber that share patients: the first subscription that matches decides what is sent."""
    listed: dict[tuple[str | int, ...], list[tuple[int, frozenset[Identifier]]]] = {}
    router = Router(settings.subscribers, settings.directory)
    for i, subscriber in enumerate(settings.subscribers):
        for j in range(len(subscriber.subscriptions)):
            if (roster := router.rosters.get((subscriber.name, j))) is None:
                continue
            place = ("subscribers", i, "subscriptions", j, "roster")
            if not roster:
                text = f"subscriber {subscriber.name}: the roster names nobody, so nothing goes"
                yield place, text, "empty-roster", ""
            for before, other in listed.setdefault(("subscribers", i), []):
                if both := len(roster & other):
                    text = f"subscriber {subscriber.name}: {both} patients stand in the roster of subscription {before + 1} too"
                    yield place, text, "rosters-overlap", "the first subscription that matches decides"
            listed["subscribers", i].append((j, roster))


def roster_warnings(settings: Settings) -> Iterator[ConfigurationError]:
    """Lines that stand twice in one roster, by the line alone: what they say is about patients."""
    for file in sorted({file for _, file in referenced.rosters(settings)}):
        seen: dict[tuple[str, ...], int] = {}
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            for row in rows:
                first = seen.setdefault(tuple(row), rows.line_num)
                if first != rows.line_num and row:
                    said = f"is the same as line {first}"
                    yield ConfigurationError(said, file=str(file), line=rows.line_num, code="roster-repeats")


def policy_errors(settings: Settings) -> list[ConfigurationError]:
    """The policy file and the rosters, read as the engine would read them: from the disk, now."""
    found = []
    jurisdiction.load.cache_clear()
    try:
        jurisdiction.load(settings.policy)
    except ConfigurationError as error:
        found.append(error)
    try:
        Router(settings.subscribers, settings.directory)
    except ConfigurationError as error:
        found.append(error)
    return found
