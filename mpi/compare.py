"""Two cleaned records -> for each field the level of agreement and its weight in bits against each rival hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log2
from typing import NamedTuple

from mpi import relation
from mpi.features import Features
from mpi.frequency import Frequencies
from mpi.model import NOTHING, Bits, Model
from mpi.nicknames import forms
from mpi.strings import distance

MISSING = "missing"
GENERATION_GAP = (14, 50)
"""Years between a parent and a child."""


class Agreement(NamedTuple):
    level: str
    bits: Bits
    detail: str = ""
    """For the words of the explanation: which of several values agreed. Never shown in logs."""


_SWAPPABLE = frozenset({relation.EXACT, relation.NEAR, relation.NICKNAME, relation.SHAPE, relation.SOUND})
_NONE = Agreement(MISSING, NOTHING)
_RANK = {
    level: rank
    for rank, level in enumerate(
        (relation.EXACT, relation.NICKNAME, relation.SHAPE, relation.NEAR, relation.SOUND, relation.OVERLAP, relation.INITIAL,
         relation.PREFIX, relation.FAR, relation.OTHER)
    )
}  # fmt: skip


_EPOCH = (1970, 1, 1)
"""What software writes for "no date"."""


@lru_cache(maxsize=200_000)
def birth_level(a: tuple[int, int, int], b: tuple[int, int, int]) -> str:
    (y1, m1, d1), (y2, m2, d2) = a, b
    if not y1 or not y2:
        return MISSING
    default = (m1 == d1 == 1) or (m2 == d2 == 1)
    gap = GENERATION_GAP[0] <= abs(y1 - y2) <= GENERATION_GAP[1]
    if not m1 or not m2:
        return (
            "year" if y1 == y2 else "conflict-generation" if gap else "two-parts" if abs(y1 - y2) == 1 else "conflict"
        )
    if not d1 or not d2:
        if (y1, m1) == (y2, m2):
            return "year-month"
        return "two-parts" if y1 == y2 else "conflict-generation" if gap else "conflict"
    if a == b:
        return "default" if default else "exact"
    if _EPOCH in (a, b):
        return MISSING
    if y1 == y2 and m1 == d2 and d1 == m2:
        return "swap"
    if default:
        return "default-conflict" if y1 == y2 else "conflict-generation" if gap else "conflict"
    same = (y1 == y2) + (m1 == m2) + (d1 == d2)
    if distance(f"{y1:04}{m1:02}{d1:02}", f"{y2:04}{m2:02}{d2:02}") == 1 or (
        same == 2 and y1 != y2 and abs(y1 - y2) == 1
    ):
        return "near-generation" if gap else "near"
    if same == 2:
        return "conflict-generation" if gap else "two-parts"
    if (y1 == y2 and m1 == d2) or (y1 == y2 and d1 == m2):
        return "two-parts"
    return "conflict-generation" if gap else "conflict"


@lru_cache(maxsize=50_000)
def _ssn_level(a: str, b: str) -> str:
    if a == b:
        return "exact" if len(a) == 9 else "last4"
    if len(a) == len(b) == 9:
        edits = sum(map(str.__ne__, a, b))
        if a[:8] == b[:8] or (a[:5] == b[:5] and abs(int(a[5:]) - int(b[5:])) <= 5):
            return "adjacent"  # as a family gets them in one day
        if edits == 1 or distance(a, b) == 1:
            return "near"
        return "conflict2" if edits == 2 or distance(a, b) == 2 else "conflict"
    tail_a, tail_b = a[-4:], b[-4:]
    return "last4" if tail_a == tail_b else "last4-near" if distance(tail_a, tail_b) == 1 else "conflict"


@lru_cache(maxsize=20_000)
def _named(local: str, name: str) -> bool:
    """The local part of an address begins with the name, with a form of it, or with what it was before a slip of the pen."""
    word = local.upper()
    for form in (name, *forms(name)):
        if len(form) > 3 and word.startswith(form):
            return True
    head = word.partition(".")[0]
    return len(name) > 3 and len(head) > 3 and distance(head, name) == 1


def _names_both(local: str, ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Not a household's address, and with a number or a surname in it: it names the given name of both records."""
    return bool(
        ours
        and theirs
        and not (local.isalpha() and local.upper() in ours)
        and any(_named(local, name) for name in ours)
        and any(_named(local, name) for name in theirs)
    )


def _without_digits(text: str) -> str:
    return "".join(c for c in text if not c.isdigit())


def _across(given: Sequence[str], family: Sequence[str]) -> tuple[str, str, str]:
    """(relation, given name, family name) of one record's given names to the other's family names: the nearest."""
    best = relation.OTHER, given[0], family[0]
    for ours in given:
        for name in family:
            for theirs in (name, *(name.split() if " " in name else ())):
                found = relation.given_relation(ours, theirs)
                if _RANK[found] < _RANK[best[0]]:
                    best = found, ours, theirs
    return best


class Comparison:
    """Compares against one population's frequencies. Keep one for the life of the index."""

    def __init__(self, model: Model, frequencies: Frequencies) -> None:
        self.model = model
        self.frequencies = frequencies

    def _name(self, field: str, level: str, a: str, b: str) -> Bits:
        kind = field[0]
        if level == relation.EXACT:
            m, bits = self.model.exact[field]
            stranger = log2(m / self.frequencies.share(kind, a))
            return (max(1.0, min(self.model.name_cap, stranger)), *bits[1:])
        fixed = self.model.weights.get((field, level))
        if fixed is not None:
            return fixed
        spelling = self.model.spellings[field, level]
        share_a, share_b = (self.frequencies.share(kind, name, others=True) for name in (a, b))
        # a rare spelling of a common name: a typing error; two common names: two people
        rare = min(share_a, share_b)
        stranger = log2(spelling.rate / rare) - 1.0
        if level == relation.OVERLAP:
            common = set(a.split()) & set(b.split())
            stranger = log2(0.3 / max(1e-5, max((self.frequencies.share(kind, w) for w in common), default=rare))) - 1.0
        stranger = max(-6.4, min(self.model.name_cap - 2, stranger))
        if field == "family":
            return (stranger, -log2(max(spelling.relative, 0.01)), 0.05, 0.05, 0.0)
        relative = max(-6.4, min(9.0, stranger - log2(spelling.relative)))
        twin = max(-6.4, min(9.0, stranger - log2(spelling.twin)))
        return (stranger, relative, twin, 0.0, 0.0)

    def _best(self, field: str, ours: Sequence[str], theirs: Sequence[str]) -> Agreement:
        if not ours or not theirs:
            return _NONE
        relate = relation.given_relation if field == "given" else relation.family_relation
        level, pair = relation.OTHER, (ours[0], theirs[0])
        for a in ours:
            for b in theirs:
                found = relate(a, b)
                if _RANK[found] < _RANK[level]:
                    level, pair = found, (a, b)
                    if found == relation.EXACT:
                        break
        return Agreement(level, self._name(field, level, *pair), pair[0] if level == relation.EXACT else "/".join(pair))

    def names(self, a: Features, b: Features) -> tuple[Agreement, Agreement]:
        """(given, family), with the two swapped where that explains both."""
        given, family = self._best("given", a.given, b.given), self._best("family", a.family, b.family)
        if given.level == relation.OTHER and (a.middle or b.middle):
            for ours, theirs in ((a.given, b.middle), (b.given, a.middle)):
                if any(len(x) > 2 and x in ours for x in theirs):
                    given = Agreement("middle", self.model.weights["given", "middle"], "")
        if (
            given.level in (relation.OTHER, MISSING, relation.FAR)
            and family.level in (relation.OTHER, MISSING, relation.FAR)
            and a.family
            and b.family
            and a.given
            and b.given
        ):
            swapped = self._swapped(a, b)
            if swapped is not None:
                return swapped
        return given, family

    def _swapped(self, a: Features, b: Features) -> tuple[Agreement, Agreement] | None:
        """Given and family name in each other's place on one of the two sides."""
        one, other = _across(a.given, b.family), _across(b.given, a.family)
        other = other[0], other[2], other[1]
        if not {one[0], other[0]} <= _SWAPPABLE:
            return None
        share = self.frequencies.base
        # which of the two is the given name: the one borne as such by more people
        if share("g", one[1]) * share("f", other[1]) < share("f", one[1]) * share("g", other[1]):
            one, other = other, one
        level = next((found[0] for found in (one, other) if found[0] != relation.EXACT), relation.EXACT)
        loose = one if one[0] != relation.EXACT else other
        first = self._name("given", *one)
        last = (
            self._name("family", *other) if other[0] != relation.NICKNAME else self.model.weights["family", "conflict"]
        )
        # a stranger would have to bear these two names the other way round; for every other rival the swap is the same slip
        name = "swapped" if level in (relation.EXACT, relation.NICKNAME) else "swapped-near"
        return (
            Agreement(name, (first[0] - 3.0, *first[1:]), "/".join(loose[1:])),
            Agreement("swapped", (last[0] - 3.0, *last[1:])),
        )

    def _level(self, field: str, level: str, detail: str = "") -> Agreement:
        return Agreement(level, self.model.weights[field, level], detail)

    def middle(self, a: Features, b: Features) -> Agreement:
        if not a.middle or not b.middle:
            return _NONE
        found = "conflict"
        for ours in a.middle:
            for theirs in b.middle:
                relation_ = relation.given_relation(ours, theirs)
                if relation_ == relation.EXACT and len(ours) > 1:
                    return self._level("middle", "exact", ours)
                if relation_ in (relation.EXACT, relation.INITIAL):
                    found = "initial"
                elif (
                    relation_ in (relation.NEAR, relation.NICKNAME, relation.SOUND, relation.SHAPE)
                    and found == "conflict"
                ):
                    found = "near"
        if found == "conflict" and any(w in b.family for w in a.middle) | any(w in a.family for w in b.middle):
            return _NONE  # a maiden name kept as the middle name
        return self._level("middle", found)

    def ssn(self, a: Features, b: Features) -> Agreement:
        if not a.ssn or not b.ssn:
            return _NONE
        level = _ssn_level(a.ssn, b.ssn)
        if level == "conflict2":
            return Agreement(level, self.model.weights["ssn", "conflict"])
        return self._level("ssn", level)

    def identifiers(self, a: Features, b: Features) -> Agreement:
        if not a.ids or not b.ids:
            return _NONE
        if not set(a.ids).isdisjoint(b.ids):
            return self._level("identifier", "exact")
        ours = {i.split("\x1f")[0] for i in a.ids} & self.model.unique
        if ours and any(i.split("\x1f")[0] in ours for i in b.ids):
            return self._level("identifier", "conflict")
        return _NONE

    def phone(self, a: Features, b: Features) -> Agreement:
        if not a.phones or not b.phones:
            return _NONE
        near = False
        for ours in a.phones:
            for theirs in b.phones:
                if ours == theirs or (7 in (len(ours), len(theirs)) and ours[-7:] == theirs[-7:]):
                    return self._level("phone", "exact", ours)
                near = near or (len(ours) == len(theirs) and distance(ours, theirs) == 1)
        return self._level("phone", "near" if near else "conflict")

    def email(self, a: Features, b: Features) -> Agreement:
        if not a.emails or not b.emails:
            return _NONE
        found = "conflict"
        for ours in a.emails:
            for theirs in b.emails:
                if ours == theirs:
                    # john.smith@ may be any John Smith's; with a number or another word in it, hardly
                    local = ours.partition("@")[0]
                    if _names_both(local, a.given, b.given):
                        return self._level("email", "own")
                    family = a.family[0].lower().replace(" ", "") if a.family else "?"
                    return self._level(
                        "email", "of-name" if family in local and local.replace(".", "").isalpha() else "exact"
                    )
                x, y = ours.partition("@")[0], theirs.partition("@")[0]
                if (x == y and not x.replace(".", "").isalpha()) or (
                    distance(ours, theirs) == 1 and _without_digits(ours) != _without_digits(theirs)
                ):
                    found = "near"
        return self._level("email", found)

    def address(self, a: Features, b: Features) -> Agreement:
        if not a.places or not b.places:
            return _NONE
        best = "conflict"
        for n1, s1, u1, z1, c1 in a.places:
            for n2, s2, u2, z2, c2 in b.places:
                same_area = (z1 and z1 == z2) or (c1 and c1 == c2)
                if n1 and s1 and n2 and s2:
                    if (
                        n1 == n2
                        and s1 == s2
                        and (same_area or not (z1 or c1) or not (z2 or c2) or (z1 and z2 and distance(z1, z2) == 1))
                    ):
                        if u1 and u2 and u1 != u2:
                            best = "other-unit"
                            continue
                        return self._level("address", "exact")
                    if (
                        same_area
                        and (
                            (n1 == n2 and distance(s1, s2) <= 2) or (s1 == s2 and len(n1) > 1 and distance(n1, n2) == 1)
                        )
                    ) and best != "other-unit":
                        best = "near"
                if best in ("conflict", "city"):
                    if z1 and z1 == z2:
                        best = "zip" if s1 and s2 else "zip-only"
                    elif (c1 and c1 == c2 and not (z1 and z2)) or (c1 and c1 == c2):
                        best = "city"
        return self._level("address", best)

    def mother(self, a: Features, b: Features) -> Agreement:
        if not a.mother or not b.mother:
            return _NONE
        found = relation.given_relation(a.mother, b.mother)
        if found == relation.EXACT:
            stranger, relative, twin, *_ = self.model.weights["mother", "exact"]
            by_name = min(stranger, log2(0.9 / self.frequencies.share("g", a.mother)))
            return Agreement("exact", (by_name, relative, twin, by_name, by_name), a.mother)
        return self._level("mother", "conflict" if found == relation.OTHER else "near")

    def suffix(self, a: Features, b: Features) -> Agreement:
        if not a.suffix and not b.suffix:
            return _NONE
        if a.suffix == b.suffix:
            return self._level("suffix", "agree")
        if not a.suffix or not b.suffix:
            return self._level("suffix", "one-sided")
        # the second of the name is at times written junior
        return self._level("suffix", "one-sided" if {a.suffix, b.suffix} == {"JR", "II"} else "conflict")

    def birth(self, a: Features, b: Features) -> Agreement:
        level = birth_level(tuple(a.birth), tuple(b.birth))
        return _NONE if level == MISSING else self._level("birth", level)

    def all(
        self, a: Features, b: Features, given: Agreement, family: Agreement, birth: Agreement
    ) -> dict[str, Agreement]:
        """Every field; the three that decide first are handed in, because they are computed before it is worth going on."""
        sex = _NONE if not a.sex or not b.sex else self._level("sex", "agree" if a.sex == b.sex else "conflict")
        order = _NONE
        if a.order and b.order:
            order = self._level("order", "agree" if a.order == b.order else "conflict")
        return {
            "given": given,
            "middle": self.middle(a, b),
            "family": family,
            "suffix": self.suffix(a, b),
            "birth": birth,
            "sex": sex,
            "ssn": self.ssn(a, b),
            "identifier": self.identifiers(a, b),
            "phone": self.phone(a, b),
            "email": self.email(a, b),
            "address": self.address(a, b),
            "mother": self.mother(a, b),
            "order": order,
        }
