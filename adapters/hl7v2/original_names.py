"""What removed segments are called, so that it is not said again elsewhere in the message.

A withheld diagnosis often stands a second time as reason for a study (OBR-31), as admit reason (PV2-3) or as the
answer of another observation. Codes count as whole components, names and longer values anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.hl7v2.original_segments import Message, Segment, blank_field

NAMING_FIELDS: dict[str, tuple[int, ...]] = {
    "OBX": (3, 5),
    "OBR": (4, 13, 31),
    "DG1": (3, 4),
    "AL1": (3, 5),
    "IAM": (3, 5),
    "NTE": (3,),
    "PR1": (3, 4),
    "PRB": (3,),
    "PV2": (3, 12),
    "RXA": (5,),
    "RXC": (2,),
    "RXD": (2,),
    "RXE": (2,),
    "RXG": (4,),
    "RXO": (1,),
    "TXA": (2, 16),
}
_NEVER_BLANKED = {"MSH": None, "PID": None, "PD1": None, "MRG": None, "EVN": None, "OBR": (1, 4), "ORC": (1,)}
_TELLING = re.compile(rb"[A-Za-z\x80-\xff]{2}|\d-\d|[A-Z]\d")
_EVERYDAY = re.compile(
    rb"(?:not |non-?)?(?:positive|negative|detected|reactive|normal|abnormal|present|absent|final|unknown|other|"
    rb"yes|no|none|in range|out of range|within normal limits|not applicable|screen negative|screen positive|done)"
    rb"(?: \(qualifier value\))?",
    re.IGNORECASE,
)
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Names:
    """Patterns of codes and names of removed segments; falsy patterns match nothing."""

    patterns: tuple[re.Pattern[bytes], ...]

    @classmethod
    def of(cls, message: Message, gone: list[Segment]) -> Names:
        """Collects the patterns from the naming fields of the segments that were withheld."""
        marks = b"".join({message.field, message.component, message.repetition, message.subcomponent} - {b""})
        codes: set[bytes] = set()
        names: set[bytes] = set()
        for segment in gone:
            fields = segment.body.split(message.field)
            for number in NAMING_FIELDS.get(segment.name, ()):
                for part in _saying(message, fields[number]) if number < len(fields) else ():
                    part = part.strip()
                    if len(part) < _SHORTEST or not _TELLING.search(part) or _EVERYDAY.fullmatch(part):
                        continue
                    worded = len(part) >= 6 and re.search(rb"[A-Za-z\x80-\xff]{4}", part)
                    (names if worded else codes).add(part)
        made = []
        if codes:
            edge = b"[" + re.escape(marks) + rb"\s]"
            listed = b"|".join(map(re.escape, sorted(codes)))
            made.append(re.compile(rb"(?:\A|(?<=" + edge + rb"))(?:" + listed + rb")(?=\Z|" + edge + rb")", re.I))
        if names:
            made.append(re.compile(b"|".join(map(re.escape, sorted(names))), re.I))
        return cls(tuple(made))

    def said(self, text: bytes) -> bool:
        return any(pattern.search(text) for pattern in self.patterns)

    def in_field(self, message: Message, body: bytes, number: int) -> bool:
        """True where field `number`, or in double-byte sets anything from it on, repeats a name."""
        fields = body.split(message.field)
        return self.said(
            message.field.join(fields[number:]) if message.double_byte else b"".join(fields[number : number + 1])
        )

    def blanked(self, message: Message, name: str, body: bytes) -> bytes:
        """The segment without the fields that repeat a name."""
        spared = _NEVER_BLANKED.get(name, ())
        if spared is None or not self.said(body):
            return body
        fields = body.split(message.field)
        for number in range(len(fields) - 1, 0, -1):
            if number not in spared and self.said(fields[number]):
                body = blank_field(message, body, number)
        return body


def _saying(message: Message, field: bytes) -> list[bytes]:
    """Codes and texts of a field; names of code systems and versions (CWE-3, 6, 7, 8) say nothing about a person."""
    found = []
    for repetition in field.split(message.repetition) if message.repetition else [field]:
        components = repetition.split(message.component) if message.component else [repetition]
        everyday = {at for at in (1, 4) if at < len(components) and _EVERYDAY.fullmatch(components[at].strip())}
        for at in (0, 1, 3, 4, 8):
            # the code of an answer like "Not detected" belongs to many results
            if at < len(components) and at not in everyday and at + 1 not in everyday:
                part = components[at]
                found += part.split(message.subcomponent) if message.subcomponent else [part]
    return found
