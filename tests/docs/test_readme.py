"""README.md shows what the product prints: the demo is run and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie.simulation.region import Cast
from tests.docs import readme


@pytest.mark.slow
def test_the_demo_ends_as_the_readme_shows(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    assert readme.steady(readme.demo(directory)) == readme.steady(readme.block("demo"))
    assert readme.steady(readme.explain(directory)) == readme.steady(readme.block("explain"))


def test_another_seed_is_another_story() -> None:
    one, other = Cast(7), Cast(8)
    assert {p.family for p in one.crowd} != {p.family for p in other.crowd}
    assert one.twin_one != other.twin_one
