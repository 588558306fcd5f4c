"""Markdown: tables, one-line text, the descriptions that stand under enum members."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

NOTE: Final = "<!-- made by `make docs` from the code; do not edit -->"


def line(text: str) -> str:
    """Text as one line that can stand in a table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are Markdown; `|` in them is escaped here."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(line(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def described(enum: type[Enum]) -> dict[str, str]:
    """Member name -> the string literal under it ("" where none stands there), in order of definition."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(enum)))
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    last = ""
    for node in body.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            last = node.targets[0].id
            found[last] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last] = str(node.value.value)
        else:
            last = ""
    return {name: text for name, text in found.items() if name in enum.__members__}
