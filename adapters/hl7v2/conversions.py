"""How a field becomes the value of a FHIR element: the words that the last column of the segment table may use.

Each conversion is a factory (path, argument) -> put(draft, segment, field, raw, resource). A path is `a.b`, `a[]` (append),
`a[0].b` (the first item). Values that an element cannot hold (a second repetition) are listed as unmapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from adapters.hl7v2 import contacts, identifiers, names, numbers, parties, times
from adapters.hl7v2.concepts import code_of, concept, first_coding
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.model import Resource

Put = Callable[[Draft, Segment, int, str, Resource], None]
One = Callable[[Draft, Segment, int, str, int, str], Any]
"""(draft, segment, field, one repetition, repetition, argument) -> value or None."""

_STEP = re.compile(r"([A-Za-z]+)(\[\d*\])?\Z")


def walk(resource: dict[str, Any], steps: tuple[tuple[str, bool], ...]) -> dict[str, Any]:
    """The container of the last step, made where it is missing."""
    node = resource
    for key, many in steps:
        if many:
            items = node.setdefault(key, [])
            if not items:
                items.append({})
            node = items[0]
        else:
            node = node.setdefault(key, {})
    return node


def split_path(path: str) -> tuple[tuple[tuple[str, bool], ...], str, bool]:
    """`reaction[0].manifestation[]` -> ((("reaction", True),), "manifestation", True)."""
    steps = []
    for part in path.split("."):
        found = _STEP.match(part)
        if found is None:
            raise ValueError(f"not a path: {path}")
        steps.append((found[1], bool(found[2])))
    key, many = steps[-1]
    return tuple(steps[:-1]), key, many


def each(one: One) -> Callable[[str, str], Put]:
    """A conversion of single repetitions."""

    def factory(path: str, argument: str) -> Put:
        steps, key, many = split_path(path)

        def put(d: Draft, s: Segment, n: int, raw: str, resource: Resource) -> None:
            for rep, part in d.repeats(raw):
                value = one(d, s, n, part, rep, argument)
                if not value and value is not False and value != 0:
                    continue
                node = walk(resource, steps) if steps else resource
                if many:
                    items = node.setdefault(key, [])
                    for item in value if isinstance(value, list) else (value,):
                        if item not in items:
                            items.append(item)
                elif key in node:
                    if node[key] != value:
                        d.lose(s, n, rep)
                else:
                    node[key] = value

        return put

    return factory


def _timed(setter: Callable[..., bool]) -> Callable[[str, str], Put]:
    def factory(path: str, argument: str) -> Put:
        steps, key, _ = split_path(path)

        def put(d: Draft, s: Segment, n: int, raw: str, resource: Resource) -> None:
            value = raw.partition(d.message.repetition)[0]
            node: dict[str, Any] = {}
            setter(d, s, n, value, node, key)
            if node:
                into = walk(resource, steps)
                if key not in into:
                    into.update(node)
                elif into[key] != node[key]:
                    d.lose(s, n)
            if len(raw) > len(value) + 1:
                d.lose(s, n, 2)

        return put

    return factory


def _text(path: str, argument: str) -> Put:
    """All repetitions as lines of one string."""
    steps, key, _ = split_path(path)

    def put(d: Draft, s: Segment, n: int, raw: str, resource: Resource) -> None:
        lines = [t for p in raw.split(d.message.repetition) if (t := readable(d, p))]
        if not lines:
            return
        node = walk(resource, steps)
        value = "\n".join(lines)
        if key not in node:
            node[key] = value
        elif node[key] != value:
            d.lose(s, n)

    return put


def readable(d: Draft, raw: str) -> str:
    """A composite as text: its parts with a blank between them."""
    marks = d.message.component, d.message.sub
    if marks[0] not in raw and marks[1] not in raw:
        return d.text(raw)
    return " ".join(t for part in re.split("[" + re.escape("".join(marks)) + "]", raw) if (t := d.text(part)))


def _string(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> str | None:
    return readable(d, raw) or None


def _note(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> dict[str, str] | None:
    text = readable(d, raw)
    return {"text": text} if text else None


def _boolean(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> bool | None:
    value = d.first(raw).upper()
    if value in ("Y", "YES", "1", "T", "TRUE"):
        return True
    if value in ("N", "NO", "0", "F", "FALSE"):
        return False
    d.lose(s, n, rep)
    return None


def _count(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> int | None:
    text = d.first(raw)
    found = numbers.number(text) if text else None
    if not isinstance(found, int) or found < (1 if argument == "positive" else 0):
        if text:
            d.lose(s, n, rep)
        return None
    return found


def _decimal(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> int | float | None:
    text = d.first(raw)
    found = numbers.number(text) if text else None
    if found is None and text:
        d.warn("value-not-numeric", s, n, "not a number", rep)
        d.lose(s, n, rep)
    return found


def _code(path: str, argument: str) -> Put:
    """A code of a required binding; what no table knows stays at the element as the text that was sent."""
    steps, key, _ = split_path(path)

    def put(d: Draft, s: Segment, n: int, raw: str, resource: Resource) -> None:
        for rep, part in d.repeats(raw):
            value = code_of(d, s, n, part, argument)
            node = walk(resource, steps)
            if value is not None and node.setdefault(key, value) != value:
                d.lose(s, n, rep)
            elif value is not None and d.message.component in part:
                words = d.text(part.split(d.message.component)[1])
                if words and words.lower() != value:
                    node["_" + key] = {"extension": [{"url": times.SENT_URL, "valueString": words}]}
            elif value is None and key not in node and (sent := d.first(part)):
                node["_" + key] = {"extension": [{"url": times.SENT_URL, "valueString": sent}]}

    return put


def _concept_text(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> dict[str, str] | None:
    text = readable(d, raw)
    return {"text": text} if text else None


def _identified(d: Draft, s: Segment, n: int, raw: str, rep: int, argument: str) -> dict[str, Any] | None:
    """A logical reference to something known by its number: `numbered Resource`."""
    made = identifiers.ei(d, s, n, raw, rep)
    return {**({"type": argument} if argument else {}), "identifier": made} if made else None


CONVERSIONS: dict[str, Callable[[str, str], Put]] = {
    "concept": each(lambda d, s, n, raw, rep, arg: concept(d, s, n, raw, rep, arg)),
    "concept-text": each(_concept_text),
    "coding": each(lambda d, s, n, raw, rep, arg: first_coding(d, s, n, raw, arg)),
    "code": _code,
    "time": _timed(times.put_time),
    "date": _timed(times.put_date),
    "instant": _timed(times.put_instant),
    "period": each(lambda d, s, n, raw, rep, arg: times.period(d, s, n, raw, rep)),
    "cx": each(lambda d, s, n, raw, rep, arg: identifiers.cx(d, s, n, raw, rep, arg)),
    "ei": each(lambda d, s, n, raw, rep, arg: identifiers.ei(d, s, n, raw, rep, arg)),
    "numbered": each(_identified),
    "xpn": each(lambda d, s, n, raw, rep, arg: names.xpn(d, s, n, raw, rep, arg)),
    "xad": each(lambda d, s, n, raw, rep, arg: contacts.xad(d, s, n, raw, rep)),
    "xtn": each(lambda d, s, n, raw, rep, arg: contacts.xtn(d, s, n, raw, rep, arg)),
    "who": each(lambda d, s, n, raw, rep, arg: parties.practitioner(d, s, n, raw, rep)),
    "org": each(lambda d, s, n, raw, rep, arg: parties.organization(d, s, n, raw, rep)),
    "place": each(lambda d, s, n, raw, rep, arg: parties.location(d, s, n, raw, rep)),
    "text": _text,
    "string": each(_string),
    "note": each(_note),
    "boolean": each(_boolean),
    "count": each(_count),
    "decimal": each(_decimal),
    "quantity": each(lambda d, s, n, raw, rep, arg: numbers.quantity(d, s, n, raw, rep)),
    "money": each(lambda d, s, n, raw, rep, arg: numbers.money(d, s, n, raw)),
}
"""Word of the table -> factory."""
