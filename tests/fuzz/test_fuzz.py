"""Twenty thousand damaged messages and as many documents; `make fuzz` tries a million and a hundred thousand."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.trial import outcome

COUNT = int(os.environ.get("HIE_FUZZ", "20000"))


@pytest.mark.slow
@pytest.mark.parametrize("format", ["hl7v2", "ccda"])
def test_damage_does_no_harm(format: str) -> None:
    outcomes, bad = run(format, 20240305, COUNT, os.cpu_count() or 1)
    assert bad == []
    # enough must come through for the mappings to have been tried, and enough must be refused
    assert outcomes["decoded"] > COUNT // 4
    assert sum(outcomes.values()) == COUNT
    assert len(outcomes) > 1


def test_a_harmful_input_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.hl7v2 import decode

    def fails(*_: object) -> None:
        raise RecursionError("a defect")

    raw = b"MSH|^~\\&|LAB|N|||20240305||ADT^A01|1|P|2.5\rPID|1||1^^^N^MR||Okafor^Grace\r"
    assert outcome("hl7v2", raw) == "decoded"
    monkeypatch.setattr(decode, "walk", fails)
    with pytest.raises(RecursionError):
        outcome("hl7v2", raw)
