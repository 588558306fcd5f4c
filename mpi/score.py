"""A cleaned record against a candidate person: bits against the best rival explanation, and the stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from typing import NamedTuple

from mpi.compare import MISSING, Agreement, Comparison
from mpi.features import Features
from mpi.model import RIVALS, Model
from mpi.relation import EXACT
from mpi.stops import is_slip, lacks_person, stops


class Score(NamedTuple):
    bits: float
    """log2 odds of "one person" against all rivals together."""
    rival: str
    """The rival that explains the agreement best."""
    found: Mapping[str, Agreement]
    stops: tuple[str, ...]
    best: int
    """Position of the member that agrees best."""


def total(model: Model, found: Mapping[str, Agreement]) -> tuple[float, int]:
    """(bits, index of the strongest rival)."""
    s0, s1, s2, s3, s4 = model.prior
    for agreement in found.values():
        b0, b1, b2, b3, b4 = agreement.bits
        s0 += b0
        s1 += b1
        s2 += b2
        s3 += b3
        s4 += b4
    sums = (s0, s1, s2, s3, s4)
    low = min(sums)
    rest: float = sum(2.0 ** (low - s) for s in sums)
    return low - log2(rest), sums.index(low)


_SLIPS = frozenset({"twins", "sibling"})
_HOPELESS = frozenset({"conflict", "conflict-generation", "default-conflict"})


def against(
    comparison: Comparison, record: Features, members: Sequence[Features], *, thorough: bool = False
) -> Score | None:
    """The candidate is a person: each field counts its best agreement over the members, a stop with any member counts.

    None where not even a question is worth asking (unless `thorough`).
    """
    model = comparison.model
    merged: dict[str, Agreement] | None = None
    codes: dict[str, None] = {}
    slips: dict[str, None] = {}
    best, best_bits = 0, -1e9
    for position, member in enumerate(members):
        birth = comparison.birth(record, member)
        given, family = comparison.names(record, member)
        proof = (record.ssn and record.ssn == member.ssn) or (record.ids and not set(record.ids).isdisjoint(member.ids))
        if (
            not thorough
            and given.level == "conflict"
            and not proof
            and (birth.level in _HOPELESS or (family.level == "conflict" and birth.level != "exact"))
        ):
            if len(members) == 1:
                return None
            # a member that is plainly somebody else: the household rules of the other members decide
            if position == 0 or merged is None:
                continue
        if (
            not thorough
            and birth.level == "conflict"
            and not proof
            and len(members) == 1
            and (family.level == "conflict" or given.level in (MISSING, "initial"))
        ):
            return None
        found = comparison.all(record, member, given, family, birth)
        for code in stops(record, member, found, comparison.frequencies):
            slip = code in _SLIPS and is_slip(found, comparison.frequencies)
            (slips if slip else codes).setdefault(code)
        bits, _ = total(model, found)
        if bits > best_bits:
            best, best_bits = position, bits
        if merged is None:
            merged = found
        else:
            for name, agreement in found.items():
                held = merged[name]
                if held.level == MISSING or (agreement.level != MISSING and agreement.bits[0] > held.bits[0]):
                    merged[name] = agreement
    if merged is None:
        return None
    bits, rival = total(model, merged)
    if len(members) > 1:
        if bits >= model.certain + 3:
            for code in ("namesake", "bare"):
                codes.pop(code, None)  # another record of the same person corroborates
        bits = min(bits, best_bits + 6.0)  # many half agreements do not make a whole one
    sure = merged["given"].level in (EXACT, "swapped") or merged["ssn"].level == "exact"
    if not (sure and merged["birth"].level == "exact") or (len(members) == 1 and slips):
        # where another member bears this very name or number and birth date, a member's misspelt name is no twin
        codes |= slips
    if lacks_person(merged, bits, comparison.frequencies):
        codes["person"] = None
    return Score(bits, RIVALS[rival], merged, tuple(codes), best)


def probability(bits: float) -> float:
    odds: float = 2.0 ** max(-60.0, min(60.0, bits))
    return odds / (1.0 + odds)
