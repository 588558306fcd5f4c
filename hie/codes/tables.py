"""The code tables of a site, compiled: table -> code as sent -> standard code, as the decoders look them up.

Files of the whole site, of a feed and of one sender lie over each other: the nearest wins, code by code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hie.codes import conceptmap, sheet
from hie.codes.rows import Row, Sheet, Target, keys_of
from hie.errors import ConfigurationError
from hie.spelling import meant

KINDS = (".tsv", ".csv", ".txt", ".json")
LARGEST = 64 * 1024 * 1024


class Tables(NamedTuple):
    """What the files of one feed, or of one of its senders, come to."""

    maps: Mapping[str, Mapping[str, Target]] = {}
    settled: frozenset[tuple[str, str]] = frozenset()
    """(table, code) of which somebody said that no standard code fits."""

    def answered(self, system: str, code: str) -> bool:
        """Whether the site said what it means, or that nothing means the same."""
        return code in self.maps.get(system, ()) or (system, code) in self.settled


NOTHING = Tables()


def read(file: Path) -> Sheet:
    """The rows of one file, by its kind. Never raises."""
    if file.suffix.lower() not in KINDS:
        hint = meant(file.suffix, KINDS) if file.suffix else f"one of {', '.join(KINDS)}"
        return _unusable(file, "is neither a sheet (.tsv, .csv) nor a ConceptMap (.json)", hint)
    try:
        if file.stat().st_size > LARGEST:
            return _unusable(file, "is larger than 64 MiB")
        text = file.read_text("utf-8-sig")
    except OSError as error:
        return _unusable(file, f"cannot be read: {(error.strerror or type(error).__name__).lower()}")
    except UnicodeDecodeError:
        return _unusable(file, "is not UTF-8 text", "a spreadsheet program calls it CSV UTF-8")
    return conceptmap.parse(text, file) if file.suffix.lower() == ".json" else sheet.parse(text, file)


def _unusable(file: Path, text: str, hint: str = "") -> Sheet:
    return Sheet(errors=(ConfigurationError(text, file=str(file), line=1, code="bad-code-table", hint=hint),))


def compiled(levels: Sequence[Iterable[Row]], names: Mapping[str, str]) -> tuple[Tables, list[ConfigurationError]]:
    """`levels`: the rows of the site first, the nearest last. `names`: the coding systems that the site gave a URI. Two rows of
    one level that say different things of one code are an error; of two levels the later one counts."""
    made: dict[str, dict[str, Row]] = {}
    errors: list[ConfigurationError] = []
    keys: dict[str, list[str]] = {}
    for rows in levels:
        level: dict[str, dict[str, Row]] = {}
        for row in rows:
            if row.source not in keys:
                keys[row.source] = sorted(keys_of(row.source, names))
            for key in keys[row.source]:
                before = level.setdefault(key, {}).setdefault(row.code, row)
                if before.target != row.target and (before.target or ())[:2] != (row.target or ())[:2]:
                    there = f"line {before.line}" if before.file == row.file else f"{before.file}:{before.line}"
                    text = f"{row.source} {row.code}: {there} says another target"
                    errors.append(ConfigurationError(text, file=row.file, line=row.line, code="code-twice"))
                    break
        for key, codes in level.items():
            made.setdefault(key, {}).update(codes)
    maps: dict[str, dict[str, Target]] = {}
    settled: set[tuple[str, str]] = set()
    for key, codes in made.items():
        for code, row in codes.items():
            if row.target is None:
                settled.add((key, code))
            else:
                maps.setdefault(key, {})[code] = row.target
    return Tables(maps, frozenset(settled)), errors
