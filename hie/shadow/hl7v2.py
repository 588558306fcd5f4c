"""Two HL7v2 messages beside each other: how they are recognised as the same, and at which places they differ.

Read without the decoder: what is compared are the bytes that would have left, not what we made of them.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

IGNORED = frozenset({"MSH-7"})
"""The time of writing differs whenever two engines write."""


class Message(NamedTuple):
    """A message cut at its own delimiters: (segment name, fields), MSH-1 and MSH-2 counted as the standard does."""

    segments: tuple[tuple[str, tuple[str, ...]], ...]
    component: str
    repetition: str

    def field(self, name: str, number: int) -> str:
        """The first occurrence; "" where there is none."""
        for segment, fields in self.segments:
            if segment == name:
                return fields[number - 1] if number <= len(fields) else ""
        return ""

    @property
    def control_id(self) -> str:
        return self.field("MSH", 10)

    @property
    def event(self) -> str:
        return self.component.join(self.field("MSH", 9).split(self.component)[:2])

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """What a forwarding engine leaves as it is though it gives its own control ids: event, patient identifiers, and the
        order's or the event's own number and time."""
        identifiers = sorted(i.split(self.component)[0] for i in self.field("PID", 3).split(self.repetition))
        marks = (self.field("OBR", 3) or self.field("OBR", 2), self.field("EVN", 2) or self.field("OBR", 7))
        return (self.event, *identifiers, *marks)


def read(raw: bytes) -> Message | None:
    """None where the bytes are no HL7v2 message. Characters do not matter here: bytes are compared one to one."""
    text = raw.decode("latin-1").lstrip("\x0b\r\n\xef\xbb\xbf ").rstrip("\x1c\r\n ")
    if text[:3] != "MSH" or len(text) < 8:
        return None
    separator = text[3]
    segments = []
    for line in text.replace("\r\n", "\r").replace("\n", "\r").split("\r"):
        if not line:
            continue
        fields = line.split(separator)
        if fields[0] == "MSH":
            fields.insert(1, separator)
        segments.append((fields[0], tuple(fields[1:])))
    marks = text[4:].split(separator)[0]
    return Message(tuple(segments), marks[:1] or "^", marks[1:2] or "~")


def differences(ours: Message, theirs: Message, ignored: frozenset[str] = IGNORED) -> Counter[str]:
    """Place (`PID-5`, `OBX-5`, or a segment alone) with how -> number of occurrences; empty where the two say the same.

    The n-th segment of a name is compared with the n-th: an engine that leaves one out shows as that segment missing at the end.
    """
    found: Counter[str] = Counter()
    for name in dict.fromkeys(s for s, _ in (*ours.segments, *theirs.segments)):
        mine = [fields for segment, fields in ours.segments if segment == name]
        other = [fields for segment, fields in theirs.segments if segment == name]
        for here, there in zip_longest(mine, other):
            if here is None or there is None:
                place = f"{name} {'only there' if here is None else 'only here'}"
                found[place] += name not in ignored
                continue
            for number, (one, two) in enumerate(zip_longest(here, there, fillvalue=""), 1):
                if one != two and f"{name}-{number}" not in ignored:
                    found[f"{name}-{number} {_how(one, two)}"] += 1
    return +found


def _how(one: str, two: str) -> str:
    if not one:
        return "only there"
    return "only here" if not two else "differs"
