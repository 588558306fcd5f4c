"""The conditions of one provision, compiled: what they ask of a request, and what they ask of an item.

Answers are four-valued. NO and YES are certain. MAYBE: a part of the condition, or of the item, is not understood.
BROKEN: the provision as a whole is not (an unknown modifier, an actor nobody knows). A permit needs YES; a denial
holds unless the answer is NO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hie.consent.item import Item
from hie.consent.reference import CLINICAL_CONTEXT

NO, YES, MAYBE, BROKEN = 0, 1, 2, 3


class Asked(Protocol):
    """The part of a request that conditions look at."""

    @property
    def recipient(self) -> frozenset[str]: ...
    @property
    def possible(self) -> frozenset[str]: ...
    @property
    def purpose(self) -> str: ...
    @property
    def now(self) -> float: ...


@dataclass(frozen=True, slots=True)
class RequestTest:
    """Purpose, actor, action and period of one provision."""

    purposes: frozenset[str] | None = None
    """Codes that match, descendants included; None: any."""
    purpose_damaged: bool = False
    """One of the purposes cannot be what was meant."""
    purpose_foreign: bool = False
    """One of the purposes belongs to a vocabulary we do not know."""
    actors: frozenset[str] | None = None
    actor_unknown: bool = False
    start: float = -float("inf")
    end: float = float("inf")
    period_damaged: bool = False
    action: int = YES
    broken: bool = False

    def match(self, request: Asked, permit: bool) -> int:
        answer = BROKEN if self.broken else YES
        if self.purposes is not None and request.purpose not in self.purposes:
            doubt = self.purpose_damaged or (self.purpose_foreign and not permit)
            answer = max(answer, MAYBE) if doubt else NO
        if answer and self.actors is not None and self.actors.isdisjoint(request.recipient):
            if self.actor_unknown:
                answer = BROKEN
            elif not self.actors.isdisjoint(request.possible):
                answer = max(answer, MAYBE)
            else:
                answer = NO
        if answer and not self.start <= request.now < self.end:
            answer = NO
        if answer and self.period_damaged:
            answer = BROKEN
        if answer:
            answer = NO if self.action == NO else max(answer, self.action)
        # a denial that carries something unknown may mean more than its readable conditions say
        return BROKEN if self.broken and not permit else answer

    @property
    def damaged(self) -> bool:
        """Is a part of it beyond understanding?"""
        unread = self.purpose_damaged or self.actor_unknown or self.period_damaged
        return unread or self.broken or self.action == MAYBE


USES_LABELS, USES_CODES, USES_DATE, USES_REFERENCES = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class ItemTest:
    """Class, code, security label, data period, data and author of one provision. None = no limit."""

    types: frozenset[str] | None = None
    types_damaged: bool = False
    codes: frozenset[str] | None = None
    codes_damaged: bool = False
    labelled: bool = False
    covers: int = 0
    """Sensitivity mask that a permit covers."""
    reaches: int = 0
    """Sensitivity mask that a denial reaches."""
    highest: int | None = None
    """Highest confidentiality level listed: a permit covers it and what is below."""
    lowest: int | None = None
    """Lowest confidentiality level listed: a denial covers it and what is above."""
    other: frozenset[str] = frozenset()
    labels_damaged: bool = False
    dated: bool = False
    start: float = -float("inf")
    end: float = float("inf")
    date_damaged: bool = False
    instances: frozenset[str] | None = None
    """Items named themselves; None where the provision has no `data`."""
    pointed: frozenset[str] = frozenset()
    """Items that point to one of these match."""
    also_pointed: frozenset[str] = frozenset()
    """The same, for denials only."""
    by: frozenset[str] = frozenset()
    data_damaged: bool = False
    authors: frozenset[str] | None = None
    custodians: frozenset[str] | None = None
    author_damaged: bool = False

    @property
    def uses(self) -> int:
        used = USES_LABELS if self.labelled else 0
        used |= USES_CODES if self.types is not None or self.codes is not None else 0
        used |= USES_DATE if self.dated else 0
        by_reference = self.instances is not None or self.authors is not None or self.custodians is not None
        return used | (USES_REFERENCES if by_reference else 0)

    @property
    def damaged(self) -> bool:
        return (
            self.types_damaged
            or self.codes_damaged
            or self.labels_damaged
            or self.date_damaged
            or self.data_damaged
            or self.author_damaged
        )

    def match(self, item: Item, permit: bool) -> int:
        answer = YES
        if self.types is not None and item.type not in self.types and item.codes.isdisjoint(self.types):
            if not self.types_damaged:
                return NO
            answer = MAYBE
        if self.codes is not None and self.codes.isdisjoint(item.codes if permit else item.every):
            if not self.codes_damaged:
                return NO
            answer = MAYBE
        if self.labelled:
            found = self._labels(item, permit)
            if found == NO:
                return NO
            answer = max(answer, found)
        if self.dated:
            if item.start is None or item.end is None or self.date_damaged:
                answer = MAYBE
            elif item.end <= self.start or item.start >= self.end:
                return NO
            elif item.start < self.start or item.end > self.end:
                answer = MAYBE
        if self.instances is not None:
            found = self._data(item, permit)
            if found == NO:
                return NO
            answer = max(answer, found)
        if self.authors is not None or self.custodians is not None:
            found = self._kept(item)
            if found == NO:
                return NO
            answer = max(answer, found)
        return answer

    def _labels(self, item: Item, permit: bool) -> int:
        if item.failed:
            return MAYBE
        if permit:
            if item.strong & self.covers or (self.highest is not None and item.level <= self.highest):
                return YES
            if not self.other.isdisjoint(item.other):
                return YES
            return MAYBE if self.labels_damaged else NO
        if item.mask & self.reaches or (self.lowest is not None and item.level >= self.lowest):
            return YES
        if not self.other.isdisjoint(item.other):
            return YES
        return MAYBE if self.labels_damaged else NO

    def _data(self, item: Item, permit: bool) -> int:
        assert self.instances is not None
        if item.reference in self.instances or not self.pointed.isdisjoint(item.points):
            return YES
        if not self.by.isdisjoint(item.authors):
            return YES
        if not permit and not self.also_pointed.isdisjoint(item.points):
            return YES
        return MAYBE if self.data_damaged else NO

    def _kept(self, item: Item) -> int:
        if self.authors is not None and not self.authors.isdisjoint(item.authors):
            return YES
        if self.custodians is not None:
            if not self.custodians.isdisjoint(item.custodians) or not self.custodians.isdisjoint(item.authors):
                return YES
            if not item.custodians:
                return MAYBE
        return MAYBE if self.author_damaged else NO


def points_for(reference: str) -> bool:
    """Does `related` mean "what points to it" for this kind of resource?"""
    return reference.partition("/")[0] in CLINICAL_CONTEXT
