"""The public example consents of IHE's privacy profile, through the command, under both defaults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hie.cli import main

CORPUS = Path(os.environ.get("HIE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "consent" / "ihe-pcf"


def lines(text: str) -> dict[str, Any]:
    return {row["id"]: row for row in map(json.loads, text.splitlines())}


@pytest.mark.invariant(3)
@pytest.mark.parametrize("default", ["permit", "deny"])
def test_every_case(default: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    if not CORPUS.exists():
        pytest.skip("the corpus is not here (HIE_CORPUS)")
    resources, requests = CORPUS / "resources.json", CORPUS / "requests.ndjson"
    command = ["consent", "decide", "--consents", str(CORPUS), "--resources", str(resources)]
    assert main([*command, "--requests", str(requests), "--default", default]) == 0
    found = lines(capfdbinary.readouterr().out.decode())
    expected = lines((CORPUS / "expected.ndjson").read_text())
    assert found.keys() == expected.keys()
    for id, want in expected.items():
        assert found[id]["decision"] == want["decision"], id
        if want["decision"] == "not-applicable":
            assert set(found[id]["resources"].values()) <= {default}, id
        else:
            assert found[id]["resources"] == want["resources"], id
        assert found[id]["reasons"].keys() == found[id]["resources"].keys()
