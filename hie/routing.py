"""Who subscribes: rosters x events x sources x categories x codes. Pure; consent comes later, at delivery."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from hie.errors import ConfigurationError
from hie.model import Identifier, Resource
from hie.sections import Subscriber, Subscription


@dataclass(frozen=True, slots=True)
class Contents:
    """What routing needs to know of one record."""

    event: str
    format: str
    source: str
    """Participant that sent it."""
    kinds: frozenset[str]
    """Resource types and `type:category` tokens."""
    codes: frozenset[str]
    """`system|code` of everything coded in it."""


def kinds_of(resource: Resource) -> set[str]:
    kind = resource["resourceType"]
    found = {kind}
    categories = resource.get("category", ())
    for category in categories if isinstance(categories, list) else [categories]:
        for coding in category.get("coding", ()) if isinstance(category, dict) else ():
            if code := coding.get("code"):
                found.add(f"{kind}:{code}")
    return found


def codes_of(resource: Resource) -> set[str]:
    """`system|code` of the codings a subscription may ask for."""
    found = set()
    for name in ("code", "medicationCodeableConcept", "vaccineCode", "type", "valueCodeableConcept"):
        concept = resource.get(name)
        if isinstance(concept, dict):
            for coding in concept.get("coding", ()):
                if code := coding.get("code"):
                    found.add(f"{coding.get('system', '')}|{code}")
    return found


@lru_cache(maxsize=4096)
def _event_matches(event: str, format: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(event, p) or p == format for p in patterns)


def read_roster(file: Path) -> frozenset[Identifier]:
    """The patients one subscription is about. CSV with the header `authority,type,value`. Raises ConfigurationError with
    the line."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("the roster cannot be read as text", file=str(file), code="bad-roster") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = []
    try:
        if rows.fieldnames is None or not {"authority", "type", "value"} <= set(rows.fieldnames):
            raise ConfigurationError(
                "a roster has the columns authority,type,value", file=str(file), line=1, code="bad-roster"
            )
        for row in rows:
            if None in row.values():
                raise ConfigurationError("lacks a column", file=str(file), line=rows.line_num, code="bad-roster")
            found.append(Identifier(row["authority"], row["type"], row["value"]))
    except csv.Error:
        raise ConfigurationError("is no CSV", file=str(file), line=rows.line_num, code="bad-roster") from None
    return frozenset(found)


def matches(subscription: Subscription, contents: Contents) -> bool:
    """Whether the subscription asks for such a record (its roster apart)."""
    if not _event_matches(contents.event, contents.format, subscription.events):
        return False
    if subscription.sources and contents.source not in subscription.sources:
        return False
    if subscription.categories and contents.kinds.isdisjoint(subscription.categories):
        return False
    return not subscription.codes or any(c.startswith(p) for c in contents.codes for p in subscription.codes)


def wanted(resource: Resource, subscription: Subscription) -> bool:
    """Whether a resource of a matching record belongs to what the subscription gets.

    Context travels along: the patient, the message header, and what is no clinical content of its own.
    """
    if not subscription.categories or resource["resourceType"] in CONTEXT:
        return True
    return not kinds_of(resource).isdisjoint(subscription.categories)


CONTEXT = frozenset(
    {"Patient", "MessageHeader", "Organization", "Practitioner", "PractitionerRole", "Location", "Encounter", "Device"}
)


class Router:
    """The subscribers of a configuration with their rosters. Keeps nothing it has seen: whom a roster means is looked up
    with every batch, so a link made anywhere holds at once."""

    def __init__(self, subscribers: Sequence[Subscriber], directory: Path) -> None:
        self.subscribers = subscribers
        self.rosters: dict[tuple[str, int], frozenset[Identifier]] = {}
        for subscriber in subscribers:
            for i, subscription in enumerate(subscriber.subscriptions):
                if subscription.roster is not None:
                    self.rosters[subscriber.name, i] = read_roster(directory / subscription.roster)

    def route(self, contents: Contents, identifiers: Collection[Identifier]) -> list[tuple[Subscriber, int]]:
        """Subscribers that get the record, each with the number of the first subscription that asks for it.

        `identifiers`: where there are rosters, all that the person is known by anywhere.
        """
        found = []
        for subscriber in self.subscribers:
            for i, subscription in enumerate(subscriber.subscriptions):
                roster = self.rosters.get((subscriber.name, i))
                if matches(subscription, contents) and (roster is None or not roster.isdisjoint(identifiers)):
                    found.append((subscriber, i))
                    break
        return found
