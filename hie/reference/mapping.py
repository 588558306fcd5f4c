"""The page of mappings: each HL7 v2 field with the FHIR element it becomes, and each code table, from the tables that the decoder compiles."""

from __future__ import annotations

from importlib.resources import files
from itertools import groupby

from hie.reference.markdown import table

_HEAD = """# Mapping of HL7 v2

What becomes of each field, from `adapters/hl7v2/tables/segments.tsv`, and of each code, from `codes.tsv` beside it. A populated field that is in no row,
and what of a field no element can hold, is listed in `unmapped` of the message. Fields marked as steering decide how others are read.
"""
_HOW = {"python": "by rules", "structure": "steers"}


def page() -> str:
    parts = [_HEAD.strip(), "## Fields"]
    for segment, rows in groupby(_rows("segments.tsv"), key=lambda row: row[0].partition("-")[0]):
        cells = [(f"`{row[0]}`", row[1], _element(row[2]), _how(row[3])) for row in rows]
        parts += [f"### {segment}", table(("field", "name", "FHIR element", "how"), cells)]
    parts.append("## Codes")
    for name, rows in groupby(_rows("codes.tsv"), key=lambda row: row[0]):
        cells4 = [(f"`{row[1]}`", row[2], f"`{row[3]}`") for row in rows]
        parts += [f"### Table {name}", table(("sent", "system", "code"), cells4)]
    return "\n\n".join(parts)


def _rows(name: str) -> list[list[str]]:
    """Rows of four columns, grouped by the first in the order in which each first comes."""
    text = files("adapters.hl7v2").joinpath("tables", name).read_text("utf-8")
    rows = [([*line.split("\t"), "", "", ""])[:4] for line in text.splitlines() if line and not line.startswith("#")]
    order: dict[str, int] = {}
    for row in rows:
        order.setdefault(row[0].partition("-")[0], len(order))
    return sorted(rows, key=lambda row: order[row[0].partition("-")[0]])


def _element(text: str) -> str:
    return ", ".join(f"`{each.strip()}`" for each in text.split(",") if each.strip())


def _how(text: str) -> str:
    return _HOW.get(text, text)
