"""The segment tables (`tables/segments/*.tsv`) compiled to functions: which field goes to which FHIR element, and how.

A row is `SEG-n <tab> name <tab> Resource.path <tab> how`. Several rows may name one field. `python` marks a field that the
segment's own code reads, `structure` one that orders or steers (set ids, delimiters). A field without a row is listed
in `unmapped`. A site adds or replaces rows by the feed's override `fields`: {"ZPI-3": "Patient.identifier[] cx MR"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from adapters.hl7v2.conversions import CONVERSIONS
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from hie.errors import ConfigurationError
from hie.model import Deleted, Resource

Put = Callable[[Draft, Segment, int, str, Resource], None]
Entry = tuple[tuple[str, str, Put | None], ...]
"""(resource type, element path, put) of every row of a field; put None: read by code."""
Rules = dict[str, list[Entry | None]]
STRUCTURE = "structure"
"""A row that says nothing of its own: counters, and what a site passes over on purpose."""
Marked = dict[str, tuple[list[Entry | None], tuple[int, ...]]]


class Row:
    """One line of the table."""

    __slots__ = ("field", "how", "kind", "name", "path", "segment")

    def __init__(self, place: str, name: str, element: str, how: str) -> None:
        self.segment, _, number = place.partition("-")
        self.field = int(number)
        self.name = name
        self.kind, _, self.path = element.partition(".")
        self.how = how


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """The built-in tables; the rows of a segment stand in one file, in order."""
    folder = files("adapters.hl7v2").joinpath("tables/segments")
    texts = [file.read_text("utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)]
    lines = "".join(texts).splitlines()
    return tuple(Row(*line.split("\t")[:4]) for line in lines if line and not line.startswith("#"))


def _compile(found: tuple[Row, ...]) -> Rules:
    made: Rules = {}
    for row in found:
        entries = made.setdefault(row.segment, [])
        entries.extend([None] * (row.field + 1 - len(entries)))
        put = None if row.how in ("python", STRUCTURE) else _put(row)
        entries[row.field] = (*(entries[row.field] or ()), (row.kind, row.path, put))
    return made


def _marked(made: Rules) -> Marked:
    """Beside the entries, the fields that `fill` has to look at: those that no code reads."""
    return {
        name: (
            entries,
            tuple(n for n, e in enumerate(entries) if n and (e is None or any(p is not None for _, _, p in e))),
        )
        for name, entries in made.items()
    }


def _put(row: Row) -> Put:
    name, _, argument = row.how.partition(" ")
    conversion = CONVERSIONS.get(name)
    if conversion is None:
        raise ConfigurationError(
            f"{row.segment}-{row.field}: no conversion {name!r}", code="unknown-conversion",
            hint=f"one of {', '.join(sorted(CONVERSIONS))}",
        )  # fmt: skip
    return conversion(row.path, argument)


@lru_cache(maxsize=1)
def _builtin() -> Rules:
    return _compile(rows())


@lru_cache(maxsize=1)
def builtin() -> Marked:
    return _marked(_builtin())


@lru_cache(maxsize=32)
def _with(overrides: tuple[tuple[str, str], ...]) -> Marked:
    made: Rules = {name: list(entries) for name, entries in _builtin().items()}
    for place, target in overrides:
        element, _, how = target.strip().partition(" ")
        if element == STRUCTURE and ("." in place or "-" not in place):
            continue  # a component or a whole segment: only that it is passed over is not said any more
        row = Row(place, "site", element, how)
        entries = made.setdefault(row.segment, [])
        entries.extend([None] * (row.field + 1 - len(entries)))
        entries[row.field] = ((row.kind, row.path, None if element == STRUCTURE else _put(row)),)
    return _marked(made)


def rules_for(overrides: Mapping[str, Any]) -> Marked:
    """The rules of one feed. Raises ConfigurationError for an unknown conversion."""
    fields = overrides.get("fields") if overrides else None
    if not fields:
        return builtin()
    return _with(tuple(sorted((str(place), str(target)) for place, target in fields.items())))


_NOTHING: tuple[list[Entry | None], tuple[int, ...]] = ([], ())


def fill(d: Draft, s: Segment, *targets: Resource | None) -> None:
    """Puts every populated field of `s` where the table says; what has no place in `targets` is listed as unmapped."""
    entries, others = d.rules.get(s.name, _NOTHING)
    fields = s.fields
    count = len(fields)
    size = len(entries)
    if '""' in fields:
        for at, raw in enumerate(fields):
            if raw == '""' and at < size and (entry := entries[at]) is not None:
                _deleted(d, s, at, entry, targets)
    for at in others:
        if at >= count:
            return
        raw = fields[at]
        if raw and raw != '""':
            entry = entries[at]
            if entry is None:
                d.lose(s, at)
            else:
                _place(d, s, at, raw, entry, targets)
    for at in range(size or 1, count):
        if fields[at] and fields[at] != '""':
            d.lose(s, at)


def _place(d: Draft, s: Segment, n: int, raw: str, entry: Entry, targets: tuple[Resource | None, ...]) -> None:
    found = False
    for kind, _, put in entry:
        if put is None:
            found = True
            continue
        for target in targets:
            if target is not None and target["resourceType"] == kind:
                put(d, s, n, raw, target)
                found = True
                break
    if not found:
        d.lose(s, n)


def _deleted(d: Draft, s: Segment, n: int, entry: Entry, targets: tuple[Resource | None, ...]) -> None:
    for kind, path, _ in entry:
        for target in targets:
            if target is not None and target["resourceType"] == kind and path:
                d.deleted.append(Deleted(d.ref(target)["reference"], path.replace("[]", ""), d.where(s, n)))
