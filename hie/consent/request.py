"""What is asked of a decision and what it answers: shapes only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Grant:
    """A break-the-glass grant in force: whom, why and until when is checked and recorded where grants are kept."""

    id: str
    until: float
    role: str


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, what for, and when."""

    recipient: frozenset[str]
    """Every reference and identifier the recipient goes by: person, roles, organisation and its parents, groups."""
    purpose: str
    """v3-ActReason code, or a local one."""
    now: float
    """Seconds since the epoch."""
    possible: frozenset[str] = frozenset()
    """References the recipient may go by, without certainty: denials reach it by them, permits do not."""
    recipient_state: str = "active"
    """active; everything else is refused at the gate."""
    source_state: str = "active"
    role: str = ""
    """Role whose minimum-necessary types the policy lists."""
    mandated: bool | str = False
    """True, or a report's name, where the recipient is an agency on the reporting list."""
    representative: str = ""
    """Relationship (v3-RoleCode) of a personal representative whose proof was checked."""
    patient_age: float | None = None
    emergency: Grant | None = None
    source_types: frozenset[str] = frozenset()


class ItemDecision(NamedTuple):
    verdict: str
    """permit or deny."""
    pending: bool
    """Denied because it cannot be decided: consent, actor, recipient or label is unreadable."""
    rule: str
    text: str
    """One plain sentence without patient data."""
    code: str
    """Legal exception code of a denial, "" for a permit."""
    consent: str
    """`id|version`, "" where no consent decided."""
    basis: str
    """Legal basis of a permit, "" for a denial."""
    answered: bool = False
    """A consent, or a step before it, answered; False: a default did."""


@dataclass(frozen=True, slots=True)
class Decisions:
    overall: str
    """permit, redact (part may go), deny, or withhold (nothing may, and something could not be decided)."""
    verdicts: Mapping[str, ItemDecision]
    policy: str
    mode: str
    obligations: tuple[str, ...]
    holds_until: float | None
    """The earliest moment at which the answer may change; None: no such moment is known."""
    text: str
    answered: bool
    """At least one consent answered."""
    labels: tuple[str, ...] = field(default=())
    """Categories among what is released, for labels on the whole."""
