"""Placer and filler numbers: the identifiers of an order, and the key that seeds the ids of all that belongs to it."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.reader import Segment


def numbers_of(d: Draft, orc_: Segment | None, s: Segment | None, at: tuple[int, int]) -> tuple[Any, Any]:
    """Placer and filler number: of the detail segment, then of ORC; several where they differ or repeat."""
    found: list[Any] = []
    for n, detail, kind in ((2, at[0], "PLAC"), (3, at[1], "FILL")):
        made: list[Any] = []
        for one, field in ((s, detail), (orc_, n)):
            if one is not None and field and (raw := one.get(field)):
                for rep, part in d.repeats(raw):
                    number = ei(d, one, field, part, rep, kind)
                    if number and all(number["value"] != other["value"] for other in made):
                        made.append(number)
        found.append(made if len(made) > 1 else made[0] if made else None)
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
        number = one[0] if isinstance(one, list) else one
        if number:
            return number.get("system") or d.scope, role, number["value"], code
    patient = d.patient["reference"] if d.patient else ""
    return d.scope, "", patient, code, when or d.control_id
