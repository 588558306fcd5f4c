"""Consents as rules: what compiling makes and deciding reads. Shapes only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hie.consent.condition import ItemTest, RequestTest


class Notice(NamedTuple):
    """Something about a consent that an operator has to settle. No patient data."""

    consent: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One provision under one reading."""

    permit: bool
    request: RequestTest
    test: ItemTest | None
    """None: no condition on items."""
    children: tuple[Rule, ...]
    place: str
    """`provision.provision[0]`."""
    unusable: bool = False
    """The base cannot be told: applies to whatever its conditions reach, and permits nothing."""


@dataclass(frozen=True, slots=True)
class CompiledConsent:
    id: str
    version: str
    group: tuple[str, ...]
    """Controller, scope, policy: a newer consent replaces an older one of its group."""
    given: float
    """From when it is in force."""
    low: float
    """Its rank in time as a permit: the earliest it may have been given; undated: before all others."""
    high: float
    """Its rank as a denial: the latest; undated: after all others."""
    date: str
    """As written, for people; "" if undated."""
    readings: tuple[Rule, ...]
    """Several where the text is ambiguous and the stricter holds."""
    btg: int
    """YES: names break-the-glass. MAYBE: something in it that cannot be read may."""
    flagged: bool
    """The two reading modes answer it differently."""

    @property
    def name(self) -> str:
        return f"{self.id}|{self.version}"


@dataclass(frozen=True, slots=True)
class PatientConsents:
    """All consents of one patient, ready to decide on. Valid for one policy version and one consent epoch."""

    groups: tuple[tuple[CompiledConsent, ...], ...]
    """Each sorted by `high`, latest first."""
    policy: str
    notices: tuple[Notice, ...]
    boundaries: tuple[float, ...]
    """Moments at which an answer may change."""
    selections: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Rules chosen for recent requests; a cache of hie.consent.decide."""

    def __bool__(self) -> bool:
        return bool(self.groups)


NOBODY = PatientConsents((), "", (), ())
"""No consent on file."""
