"""Evidence in words a steward understands. The texts name fields and levels, never values."""

from __future__ import annotations

from collections.abc import Mapping

from mpi.compare import MISSING, Agreement
from mpi.model import RIVALS, Model
from mpi.resolution import Candidate, Evidence
from mpi.stops import STOPS

FIELDS = {
    "given": "given name", "middle": "middle name", "family": "family name", "suffix": "suffix", "birth": "birth date", "sex": "sex",
    "ssn": "social security number", "identifier": "other identifier", "phone": "telephone", "email": "e-mail", "address": "address",
    "mother": "mother's given name", "order": "birth order",
}  # fmt: skip
LEVELS = {
    "exact": "agrees", "agree": "agrees", "nickname": "is a short or foreign form of the other", "initial": "agrees in the initial",
    "prefix": "is cut short", "shape": "differs only in letters that look alike", "sound": "sounds alike", "near": "differs by one typing error",
    "far": "differs by two typing errors", "overlap": "shares one of several parts", "swapped": "stands in the place of the other name",
    "swapped-near": "stands in the place of the other name, with a typing error", "of-name": "agrees, but is made of the name", "own": "agrees and names the given name of both",
    "middle": "is the other's middle name", "conflict": "differs", "conflict2": "differs in two digits", "swap": "has day and month swapped",
    "near-generation": "differs by one digit, which makes a generation", "conflict-generation": "is a generation apart",
    "default": "agrees, but the first of January is often a filler", "default-conflict": "agrees in the year; one is the first of January",
    "year": "agrees in the year, all that is known", "year-month": "agrees in year and month, all that is known",
    "two-parts": "agrees in two of its three parts", "adjacent": "is the next number but a few, as families get them", "last4": "agrees in the last four digits", "last4-near": "nearly agrees in the last four digits",
    "other-unit": "is the same house, another unit", "zip": "is in the same ZIP area", "zip-only": "is in the same ZIP area, all that is known", "city": "is in the same city", "one-sided": "is given on one side only",
    MISSING: "is not known on both sides",
}  # fmt: skip
RIVAL_WORDS = {
    "stranger": "a stranger", "relative": "another member of the household", "twin": "a twin", "generation": "a parent or child of the same name",
    "namesake": "a namesake born on the same day",
}  # fmt: skip


def evidence(model: Model, found: Mapping[str, Agreement], rival: str) -> tuple[Evidence, ...]:
    """The waterfall against `rival`: prior first, then each field that says something, strongest first."""
    at = RIVALS.index(rival)
    rows = [
        Evidence(name, agreement.level, round(agreement.bits[at], 2), f"{FIELDS[name]} {LEVELS[agreement.level]}")
        for name, agreement in found.items()
        if agreement.level != MISSING
    ]
    rows.sort(key=lambda row: -abs(row.bits))
    prior = model.prior[at]
    return (
        Evidence("prior", rival, round(prior, 2), f"before any field is looked at, against {RIVAL_WORDS[rival]}"),
        *rows,
    )


_DIFFER = frozenset({"conflict", "conflict2", "conflict-generation", "near-generation", "two-parts", "far"})
_WEAK = frozenset({"one-sided", "city", "zip", "default-conflict", "default"})
_ORDER = {name: position for position, name in enumerate(("given", "family", "birth", "ssn", "identifier", *FIELDS))}


def sentence(candidate: Candidate) -> str:
    """One sentence: why it was linked, asked or refused."""
    rows = sorted(candidate.evidence[1:], key=lambda row: _ORDER[row.field])
    differ = [row.words for row in rows if row.level in _DIFFER]
    agree = [row.words for row in rows if row.level not in _DIFFER and row.level not in _WEAK]
    parts = [", ".join(agree[:6])] if agree else []
    if differ:
        parts.append(("but " if agree else "") + ", ".join(differ[:4]))
    text = "; ".join(parts) or "nothing speaks for or against it"
    text += f". Otherwise it would be {RIVAL_WORDS[candidate.rival]}; {candidate.bits:+.1f} bits against all other explanations"
    if candidate.stops:
        text += ". A human decides, because " + "; ".join(STOPS[code] for code in candidate.stops)
    return text[0].upper() + text[1:] + "."


def waterfall(candidate: Candidate) -> str:
    """A table for the terminal."""
    lines = [f"{row.bits:+7.1f}  {row.words}" for row in candidate.evidence]
    lines.append(f"{candidate.bits:+7.1f}  bits in all: {candidate.grade}, probability {candidate.probability:.4f}")
    lines += [f"   stop  {STOPS[code]}" for code in candidate.stops]
    return "\n".join(lines)
