"""The shape of the tree: one noun a file, none too long, no drawer for everything."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(f for package in ("hie", "adapters", "mpi") for f in (ROOT / package).rglob("*.py"))
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def test_files_are_short() -> None:
    assert {str(f.relative_to(ROOT)): lines(f) for f in FILES if lines(f) > 400} == {}
    assert median(lines(f) for f in FILES if lines(f) > 5) < 200


def test_no_drawers() -> None:
    assert [str(f) for f in FILES if f.stem in DRAWERS] == []


def test_the_product_speaks_of_itself_alone() -> None:
    """No paths of the machine it was written on."""
    found = [f for f in FILES if "/work/" in f.read_text("utf-8")]
    assert found == []


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"]
)
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 300
