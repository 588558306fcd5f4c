"""The page of mappings: each HL7 v2 field with the FHIR element it becomes, and each code table, from the tables that the decoder compiles."""

from __future__ import annotations

from importlib.resources import files
from itertools import groupby

from hie.reference.markdown import table

_HEAD = """# Mapping of HL7 v2

What becomes of each field, from the tables in `adapters/hl7v2/tables/segments`, and of each code, from `codes.tsv` beside them. A populated
field that is in no row, and what of a field no element can hold, is listed in `unmapped` of the message. Fields marked as steering decide how others are read.
"""
_FIRST = ["control.tsv", "patient.tsv", "visit.tsv"]
_HOW = {"python": "by rules", "structure": "steers"}


def page() -> str:
    parts = [_HEAD.strip(), "## Fields"]
    for segment, rows in groupby(_fields(), key=lambda row: row[0].partition("-")[0]):
        cells = [(f"`{row[0]}`", row[1], _element(row[2]), _how(row[3])) for row in rows]
        parts += [f"### {segment}", table(("field", "name", "FHIR element", "how"), cells)]
    parts.append("## Codes")
    for name, rows in groupby(_rows("codes.tsv"), key=lambda row: row[0]):
        cells4 = [(f"`{row[1]}`", row[2], f"`{row[3]}`") for row in rows]
        parts += [f"### Table {name}", table(("sent", "system", "code"), cells4)]
    return "\n\n".join(parts)


def _fields() -> list[list[str]]:
    """The rows of every segment: what a message begins with first, then what it says of the patient, then the rest."""
    names = sorted(file.name for file in files("adapters.hl7v2").joinpath("tables/segments").iterdir())
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return [row for name in names for row in _rows(f"segments/{name}")]


def _rows(name: str) -> list[list[str]]:
    """Rows of four columns, grouped by the first in the order in which each first comes."""
    text = files("adapters.hl7v2").joinpath(f"tables/{name}").read_text("utf-8")
    rows = [([*line.split("\t"), "", "", ""])[:4] for line in text.splitlines() if line and not line.startswith("#")]
    order: dict[str, int] = {}
    for row in rows:
        order.setdefault(row[0].partition("-")[0], len(order))
    return sorted(rows, key=lambda row: order[row[0].partition("-")[0]])


def _element(text: str) -> str:
    return ", ".join(f"`{each.strip()}`" for each in text.split(",") if each.strip())


def _how(text: str) -> str:
    return _HOW.get(text, text)
