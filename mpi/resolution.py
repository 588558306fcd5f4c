"""What the index answers."""

from __future__ import annotations

from typing import NamedTuple


class Evidence(NamedTuple):
    field: str
    level: str
    bits: float
    """Against the rival explanation that fits best."""
    words: str


class Candidate(NamedTuple):
    eid: str
    record_id: int
    """The member that agrees best."""
    bits: float
    probability: float
    grade: str
    """certain, probable, possible, certainly-not (FHIR match-grade)."""
    rival: str
    """Who it would be otherwise: stranger, relative, twin, generation, namesake."""
    evidence: tuple[Evidence, ...]
    stops: tuple[str, ...]


class Resolution(NamedTuple):
    record_id: int
    eid: str
    decision: str
    """known: the record existed and its person stays; certain: linked; probable, possible: a person of its own, and a human is asked; new."""
    changed: bool
    """The record's person is another than before (or it is a new record)."""
    previous_eid: str | None
    candidates: tuple[Candidate, ...]
    reviews: tuple[int, ...]
    """Review tasks opened or still open because of this registration."""
    skipped_keys: int = 0
    """Keys that find too many records and were left out of the search."""
