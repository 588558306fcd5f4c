"""Which rules of a patient's consents bear on one request, and what they say of one item.

Rules are chosen once a request; an item then costs a few set and mask operations. Between groups the most restrictive
answer holds; inside a group the newest consent that answers for the item. Never by position.
"""

from __future__ import annotations

from typing import NamedTuple

from hie.codes.purposes import BREAK_GLASS
from hie.consent.compiled import CompiledConsent, PatientConsents, Rule
from hie.consent.condition import BROKEN, MAYBE, NO, USES_LABELS, YES, Asked, ItemTest
from hie.consent.item import Item

SILENT, PERMIT, DENY, UNDECIDED = 0, 1, 2, 3
"""UNDECIDED denies because something cannot be understood."""


class Active(NamedTuple):
    """A rule whose request conditions may hold, with those below it."""

    permit: bool
    state: int
    test: ItemTest | None
    children: tuple[Active, ...]
    rule: Rule


class Voice(NamedTuple):
    """One consent that bears on a request."""

    consent: CompiledConsent
    roots: tuple[Active, ...]
    silent_permits: bool
    """It may name break-the-glass, but not for certain: it can deny such a request, never permit it."""


class Selection(NamedTuple):
    groups: tuple[tuple[Voice, ...], ...]
    uses: int
    """Which parts of an item the chosen rules look at (hie.consent.condition.USES_*)."""


class Answer(NamedTuple):
    verdict: int
    voice: Voice | None
    rule: Rule | None


NO_ANSWER = Answer(SILENT, None, None)


def select(consents: PatientConsents, request: Asked) -> Selection:
    groups = []
    uses = USES_LABELS
    for members in consents.groups:
        voices = []
        for consent in members:
            voice = _voice(consent, request)
            if voice is not None:
                voices.append(voice)
                for root in voice.roots:
                    uses |= _uses(root)
        if voices:
            groups.append(tuple(voices))
    return Selection(tuple(groups), uses)


def _voice(consent: CompiledConsent, request: Asked) -> Voice | None:
    if request.now < consent.given:
        return None
    uncertain = False
    if request.purpose == BREAK_GLASS:
        if consent.btg == NO:
            return None
        uncertain = consent.btg == MAYBE
    roots = tuple(_active(rule, request) for rule in consent.readings)
    present = tuple(root for root in roots if root is not None)
    if not present:
        return None
    # a reading that does not apply says nothing, so together they cannot permit
    return Voice(consent, present, uncertain or len(present) < len(roots))


def _active(rule: Rule, request: Asked) -> Active | None:
    state = rule.request.match(request, rule.permit)
    if state == NO:
        return None
    children = tuple(a for a in (_active(child, request) for child in rule.children) if a is not None)
    return Active(rule.permit, BROKEN if rule.unusable else state, rule.test, children, rule)


def _uses(active: Active) -> int:
    used = active.test.uses if active.test is not None else 0
    for child in active.children:
        used |= _uses(child)
    return used


def answer(selection: Selection, item: Item) -> Answer:
    """The most restrictive answer over the groups."""
    found = NO_ANSWER
    for voices in selection.groups:
        one = _group(voices, item)
        if one.verdict == DENY:
            return one
        if one.verdict > found.verdict:
            found = one
    return found


def _group(voices: tuple[Voice, ...], item: Item) -> Answer:
    """The newest that answers; a denial ranks by the latest time it may have been given, a permit by the earliest."""
    denied = permitted = NO_ANSWER
    denied_at = permitted_at = -float("inf")
    for voice in voices:
        consent = voice.consent
        settled = (denied.voice and consent.high < denied_at) or (permitted.voice and consent.high < permitted_at)
        if settled:
            break
        one = _voiced(voice, item)
        if one.verdict >= DENY:
            if denied.voice is None or consent.high > denied_at or one.verdict < denied.verdict:
                denied, denied_at = one, max(denied_at, consent.high)
        elif one.verdict == PERMIT and (permitted.voice is None or consent.low > permitted_at):
            permitted, permitted_at = one, consent.low
    if denied.voice is not None and (permitted.voice is None or denied_at >= permitted_at):
        return denied
    return permitted


def _voiced(voice: Voice, item: Item) -> Answer:
    """All readings of one consent: a denial of any, a permit only of all."""
    permits = 0
    last: Rule | None = None
    doubt: Rule | None = None
    for root in voice.roots:
        verdict, rule = _root(root, item)
        if verdict == DENY:
            return Answer(DENY, voice, rule)
        if verdict == UNDECIDED:
            doubt = rule
        elif verdict == PERMIT:
            permits += 1
            last = rule
    if doubt is not None:
        return Answer(UNDECIDED, voice, doubt)
    if permits == len(voice.roots) and not voice.silent_permits:
        return Answer(PERMIT, voice, last)
    return NO_ANSWER


def _root(active: Active, item: Item) -> tuple[int, Rule]:
    if not active.permit:
        return _nested(active, item, YES, True)
    if active.state == BROKEN:
        return UNDECIDED, active.rule
    matched = active.test.match(item, True) if active.test is not None else YES
    # a root permit with conditions on items denies what it does not name
    verdict = PERMIT if matched == YES else UNDECIDED if matched == MAYBE else DENY
    verdict, rule = _below(active, item, verdict, matched, True)
    if active.state == MAYBE:
        # what it would withhold stays withheld; what it would permit, it does not
        return (UNDECIDED, rule) if verdict >= DENY else (SILENT, rule)
    return verdict, rule


def _nested(active: Active, item: Item, inherited: int, lifting: bool) -> tuple[int, Rule]:
    """`inherited`: how the parent's item conditions match; a permit without conditions of its own keeps to them.
    `lifting`: false where permits are off, because the denial they would lift holds only for want of understanding."""
    certain = active.state == YES
    if active.permit:
        matched = active.test.match(item, True) if active.test is not None else inherited
        verdict = PERMIT if lifting and certain and matched == YES else SILENT
        return _below(active, item, verdict, matched, lifting and certain)
    matched = active.test.match(item, False) if active.test is not None else YES
    verdict = SILENT if matched == NO else DENY if matched == YES and certain else UNDECIDED
    return _below(active, item, verdict, matched, lifting and certain and matched != MAYBE)


def _below(active: Active, item: Item, verdict: int, matched: int, lifting: bool) -> tuple[int, Rule]:
    rule = active.rule
    lifted: Rule | None = None
    denied = SILENT
    for child in active.children:
        found, by = _nested(child, item, matched, lifting)
        if found >= DENY and (denied == SILENT or found < denied):
            denied, rule = found, by
        elif found == PERMIT:
            lifted = by
    if denied:
        return denied, rule
    if lifted is not None:
        return PERMIT, lifted
    return verdict, active.rule
