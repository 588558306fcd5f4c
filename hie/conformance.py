"""What a sender's messages are held against, and what is found: a report beside the reading, never a gate of its own.

The words are those of HL7 v2.8.2 section 2.B (conformance): usage R, RE, O, C, X; cardinality; predicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    ERROR = "error"
    """The message does not conform."""
    WARNING = "warning"
    """It does, but a receiver that goes by the book may stumble."""
    NOTE = "note"
    """Worth knowing: a Z segment, a code beyond a table that a site may extend."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report. No value of the message is in it: `where` says where to look."""

    severity: Severity
    code: str
    where: str
    """`PID-3[2].5`; a segment alone where it is about the segment; `MSH` where it is about the message."""
    text: str
    rule: str
    """What asks for it: `HL7 2.5.1`, or file and line of the site's profile."""


class Place(NamedTuple):
    """`PID-3.4.2` -> ("PID", 3, 4, 2); 0 where it ends earlier."""

    segment: str
    field: int = 0
    component: int = 0
    sub: int = 0

    def __str__(self) -> str:
        return self.segment + "".join(
            mark + str(n) for mark, n in zip("-..", (self.field, self.component, self.sub), strict=True) if n
        )


class Predicate(NamedTuple):
    """When a rule holds: `OBX-2 in NM, SN`, `PID-30 present`. The place is looked up in the rule's own segment where it is
    one of that name, else in the message's first."""

    place: Place
    operator: str
    """`in`, `not in`, `present`, `absent`."""
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a site's profile asks of one place."""

    place: Place
    rule: str
    """File and line where it stands."""
    usage: str = "O"
    """R required, RE required but may be empty, O optional, X not to be sent."""
    least: int = 0
    most: int | None = None
    """Repetitions of a field, or segments of a message; None: any number."""
    length: int | None = None
    """Longest value, characters."""
    values: frozenset[str] = frozenset()
    pattern: str = ""
    """Regular expression that the whole value must match."""
    when: Predicate | None = None
    severity: Severity = Severity.ERROR
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A site's profile of one sender's messages."""

    name: str
    rules: tuple[Rule, ...]
    messages: frozenset[str] = frozenset()
    """Events it is for (`ORU^R01`); empty: all."""
    version: str = ""
    """Version whose tables are used instead of the one in MSH-12."""
    standard: bool = True
    """Whether the base standard is asked too."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one message."""

    index: int
    event: str
    version: str
    """Version whose tables were used."""
    findings: tuple[Finding, ...]

    @property
    def conforms(self) -> bool:
        return not any(one.severity is Severity.ERROR for one in self.findings)
