"""A message against a site's profile: the rules of hie.conformance, place by place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from adapters.hl7v2.reader import Message, Segment
from hie.conformance import Finding, Place, Predicate, Profile, Rule

_NULL = '""'


def check(message: Message, profile: Profile) -> Iterator[Finding]:
    """Findings in the order of the profile, each rule at every place that breaks it."""
    counts = Counter(segment.name for segment in message.segments)
    for rule in profile.rules:
        if not rule.place.field:
            yield from _segment(message, rule, counts[rule.place.segment])
            continue
        for segment in message.segments:
            if segment.name == rule.place.segment and _holds(rule.when, message, segment):
                yield from _field(message, segment, rule)


def _segment(message: Message, rule: Rule, times: int) -> Iterator[Finding]:
    name = rule.place.segment
    if not _holds(rule.when, message, None):
        return
    least = max(rule.least, 1 if rule.usage == "R" else 0)
    if times < least:
        yield _found(rule, "segment-missing", name, f"{name} is required" + (f" {least} times" if least > 1 else ""))
    elif rule.usage == "X" and times:
        yield _found(rule, "segment-not-supported", name, f"{name} is not to be sent")
    elif rule.most is not None and times > rule.most:
        yield _found(rule, "segment-repeats", name, f"{name} comes {times} times, at most {rule.most} are allowed")


def _field(message: Message, segment: Segment, rule: Rule) -> Iterator[Finding]:
    place = rule.place
    raw = segment.fields[place.field] if place.field < len(segment.fields) else ""
    repetitions = (
        [one for one in raw.split(message.repetition) if one] if place.field > 2 or segment.name != "MSH" else [raw]
    )
    where = f"{segment.where}-{place.field}"
    if not place.component:
        least = max(rule.least, 1 if rule.usage == "R" else 0)
        if len(repetitions) < least:
            often = f" {least} times" if least > 1 else ""
            yield _found(rule, "field-missing", where, f"{place} is required{often}")
        if rule.most is not None and len(repetitions) > rule.most:
            yield _found(rule, "field-repeats", where, f"{place} comes at most {rule.most} times")
    elif rule.usage == "R" and not repetitions:
        yield _found(rule, "field-missing", where, f"{place} is required")
    for at, one in enumerate(repetitions, 1):
        yield from _value(message, rule, one, _where(where, place, at if len(repetitions) > 1 else 0))


def _value(message: Message, rule: Rule, repetition: str, where: str) -> Iterator[Finding]:
    place = rule.place
    value = _piece(message, repetition, place)
    if not value or value == _NULL:
        if rule.usage == "R" and not value:
            yield _found(rule, "field-missing", where, f"{place} is required")
        return
    if rule.usage == "X":
        yield _found(rule, "field-not-supported", where, f"{place} is not to be sent")
        return
    value = message.text(value)
    if rule.length is not None and len(value) > rule.length:
        yield _found(
            rule, "value-long", where, f"{place} has {len(value)} characters, at most {rule.length} are allowed"
        )
    if rule.values and value not in rule.values:
        yield _found(
            rule, "value-not-allowed", where, f"{place} is not one of the {len(rule.values)} values of the profile"
        )
    if rule.pattern and not _pattern(rule.pattern).fullmatch(value):
        yield _found(rule, "value-form", where, f"{place} does not have the form that the profile asks for")


def _piece(message: Message, repetition: str, place: Place) -> str:
    if not place.component:
        return repetition.strip()
    components = repetition.split(message.component)
    found = components[place.component - 1] if place.component <= len(components) else ""
    if place.sub:
        parts = found.split(message.sub)
        found = parts[place.sub - 1] if place.sub <= len(parts) else ""
    return found.strip()


def _holds(when: Predicate | None, message: Message, segment: Segment | None) -> bool:
    if when is None:
        return True
    if segment is None or segment.name != when.place.segment:
        segment = next((one for one in message.segments if one.name == when.place.segment), None)
    raw = segment.get(when.place.field) if segment is not None else ""
    value = message.text(_piece(message, raw.partition(message.repetition)[0], when.place))
    if when.operator == "present":
        return bool(value)
    if when.operator == "absent":
        return not value
    return (value in when.values) is (when.operator == "in")


def _where(field: str, place: Place, repetition: int) -> str:
    below = "".join(f".{n}" for n in (place.component, place.sub) if n)
    return field + (f"[{repetition}]" if repetition else "") + below


def _found(rule: Rule, code: str, where: str, text: str) -> Finding:
    return Finding(rule.severity, code, where, f"{text}; {rule.hint}" if rule.hint else text, rule.rule)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
