"""Which of our messages is which of theirs: by control id, else by what a forwarding engine leaves as it is."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hie.delivery.shadow import Output
from hie.shadow import fhir, hl7v2


class Sent(NamedTuple):
    """One message that the present engine sent. `name` says where it was found: a message id of the tap, or file and number."""

    at: float
    name: str
    payload: bytes


class Pair(NamedTuple):
    ours: Output
    theirs: Sent
    differences: Counter[str]


@dataclass(slots=True)
class Paired:
    pairs: list[Pair] = field(default_factory=list)
    ours_alone: list[Output] = field(default_factory=list)
    theirs_alone: list[tuple[Sent, str]] = field(default_factory=list)
    """With the control id it carries, "" where it has none."""
    unreadable: list[Sent] = field(default_factory=list)


def pair(ours: Sequence[Output], theirs: Sequence[Sent], ignored: frozenset[str]) -> Paired:
    """Each of ours is paired at most once, in order: repeats are paired with repeats."""
    waiting: dict[Hashable, deque[int]] = {}
    bodies: list[Any] = []
    for number, output in enumerate(ours):
        body = _read(output.payload)
        bodies.append(body)
        for key in _keys(body):
            waiting.setdefault(key, deque()).append(number)
    paired, used = Paired(), set[int]()
    for sent in theirs:
        body = _read(sent.payload)
        if body is None:
            paired.unreadable.append(sent)
            continue
        number = next((n for key in _keys(body) if (n := _first_unused(waiting.get(key), used)) is not None), -1)
        if number < 0:
            paired.theirs_alone.append((sent, body.control_id if isinstance(body, hl7v2.Message) else ""))
            continue
        used.add(number)
        paired.pairs.append(Pair(ours[number], sent, _differences(bodies[number], body, ignored)))
    paired.ours_alone = [output for number, output in enumerate(ours) if number not in used]
    return paired


def _read(raw: bytes) -> hl7v2.Message | dict[str, Any] | None:
    return hl7v2.read(raw) or fhir.read(raw)


def _keys(body: hl7v2.Message | dict[str, Any] | None) -> list[Hashable]:
    """Strongest first. A control id counts with its event: some senders number each kind of message anew."""
    if body is None:
        return []
    if isinstance(body, hl7v2.Message):
        return [("id", body.control_id, body.event)] * bool(body.control_id) + [("like", *body.fingerprint)]
    return [("like", *fhir.fingerprint(body))]


def _first_unused(numbers: deque[int] | None, used: set[int]) -> int | None:
    while numbers and numbers[0] in used:
        numbers.popleft()
    return numbers[0] if numbers else None


def _differences(ours: Any, theirs: Any, ignored: frozenset[str]) -> Counter[str]:
    if isinstance(ours, hl7v2.Message) and isinstance(theirs, hl7v2.Message):
        return hl7v2.differences(ours, theirs, hl7v2.IGNORED | ignored)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return fhir.differences(ours, theirs, fhir.IGNORED | ignored)
    return Counter({"the format differs": 1})
