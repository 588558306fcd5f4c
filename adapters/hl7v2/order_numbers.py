"""Placer and filler numbers: the identifiers of an order, and the key that seeds the ids of all that belongs to it."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.reader import Segment


def numbers_of(d: Draft, orc_: Segment | None, s: Segment | None, at: tuple[int, int]) -> tuple[Any, Any]:
    """Placer and filler number: of the detail segment, else of ORC."""
    found: list[Any] = []
    for n, detail in ((2, at[0]), (3, at[1])):
        made: Any = None
        for one, field in ((s, detail), (orc_, n)):
            if one is not None and field and d.message.repetition in one.get(field):
                for rep, _part in d.repeats(one.get(field)):
                    if rep > 1:
                        d.lose(one, field, rep)
        if s is not None and detail and s.get(detail):
            made = ei(d, s, detail, s.get(detail).partition(d.message.repetition)[0], 0, "PLAC" if n == 2 else "FILL")
        if orc_ is not None and orc_.get(n):
            other = ei(d, orc_, n, orc_.get(n).partition(d.message.repetition)[0], 0, "PLAC" if n == 2 else "FILL")
            if made is None:
                made = other
            elif other is not None and other["value"] != made["value"]:
                made = [other, made]
        found.append(made)
    return found[0], found[1]


def listed(*numbers: Any) -> list[dict[str, Any]]:
    flat: list[dict[str, Any]] = []
    for one in numbers:
        for item in one if isinstance(one, list) else (one,):
            if item and item not in flat:
                flat.append(item)
    return flat


def key_of(d: Draft, placer: Any, filler: Any, code: str, when: str) -> tuple[str, ...]:
    """What seeds the ids of an order, its report and its observations."""
    for role, one in (("filler", filler), ("placer", placer)):
        number = one[-1] if isinstance(one, list) else one
        if number:
            return number.get("system") or d.scope, role, number["value"], code
    patient = d.patient["reference"] if d.patient else ""
    return d.scope, "", patient, code, when or d.control_id
