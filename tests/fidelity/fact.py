"""One value that a sender sent, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fact:
    """A value at one place of the input.

    `places` are prefixes of output paths ("Patient.identifier"), of which the last element must be one of `ends` (all are, if empty).
    `accept` holds every written form in which the value may arrive; `form` says how forms are compared: "text", "code", "time", "number", "has" (the
    forms are contained in the output), "base64". `scope` names the segment or entry whose resources are searched first.
    """

    where: str
    part: str
    kind: str
    accept: tuple[str, ...]
    places: tuple[str, ...]
    ends: tuple[str, ...] = ()
    form: str = "text"
    scope: str = ""
    strict: bool = False


@dataclass
class Verdict:
    """What became of the facts of one message or document."""

    file: str
    index: int
    kind: str
    kept: list[Fact] = field(default_factory=list)
    lost: list[Fact] = field(default_factory=list)
    unsaid: list[Fact] = field(default_factory=list)
    invented: list[tuple[str, str]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    empty: int = 0
    resources: int = 0
    unmapped: int = 0
    populated: int = 0
