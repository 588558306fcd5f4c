"""The page of errors: the classes with their codes, and every code that the source raises, found by reading it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from hie import errors
from hie.reference.markdown import table

_HEAD = """# Errors

Every error on purpose has a stable code, what happened and, in brackets, what to do: `code: text (hint)`. In the texts below
`…` stands for a name of the configuration, a place or a number. None carries patient data. The command
line prints them with exit code 2 for a configuration error and 1 for any other; the API answers `{"code", "text", "hint"}`.
"""
_BASE: Final = "HieError"


class Raised(NamedTuple):
    """One place that raises an error with a code of its own."""

    code: str
    kind: str
    text: str


def page() -> str:
    kinds = classes()
    raised = sorted({place for place in places(set(kinds)) if place.code != kinds.get(place.kind, ("", ""))[0]})
    return "\n\n".join(
        [
            _HEAD.strip(),
            "## Classes",
            table(("code", "class", "meaning"), [(f"`{code}`", name, about) for name, (code, about) in kinds.items()]),
            "## Codes",
            table(("code", "class", "text"), [(f"`{place.code}`", place.kind, place.text) for place in raised]),
        ]
    )


def classes() -> dict[str, tuple[str, str]]:
    """Class name -> its code and one line about it, those of hie.errors first."""
    tree = dict(_drawn())
    found: dict[str, tuple[str, str]] = {}
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.HieError):
            found[name] = (kind.code, "base of all others" if name == _BASE else tree.get(name, ""))
    for module in _modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in found]
            if bases:
                about = (ast.get_docstring(node) or "").split("\n\n")[0]
                found.setdefault(node.name, (_code_of(node) or found[bases[0]][0], about))
    return found


def places(kinds: set[str]) -> Iterator[Raised]:
    """Every construction of an error of these classes that names a code."""
    for module in _modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in kinds:
                continue
            given = next((k.value for k in node.keywords if k.arg == "code"), None)
            for code in _codes(given):
                yield Raised(code, node.func.id, _text(node.args[0]) if node.args else "")


def _codes(node: ast.expr | None) -> list[str]:
    """The codes that an expression can give: a literal, either side of a choice, a pattern with `…`."""
    if isinstance(node, ast.IfExp):
        return _codes(node.body) + _codes(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return [_text(node)] if isinstance(node, ast.JoinedStr) else []


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def _code_of(node: ast.ClassDef) -> str:
    for child in node.body:
        if isinstance(child, ast.Assign) and getattr(child.targets[0], "id", "") == "code":
            return _text(child.value)
    return ""


def _drawn() -> Iterator[tuple[str, str]]:
    """The tree at the top of hie/errors.py: class and sentence."""
    for row in (errors.__doc__ or "").splitlines():
        name, _, about = row.strip(" │├└─").partition("  ")
        if name.isidentifier() and about:
            yield name, about.strip()


def _modules() -> Iterator[ast.Module]:
    for package in ("hie", "adapters", "mpi"):
        for file in sorted(Path(str(files(package))).rglob("*.py")):
            yield ast.parse(file.read_text("utf-8"))
