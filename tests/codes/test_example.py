"""The tables of `config/codes` do what stands beside them, by the command and through the running pipeline."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest

from hie.cli import main

EXAMPLE = Path("config/codes")
Code = tuple[str, str]


def expected(file: str) -> dict[Code, Code | None]:
    """Code as sent -> what stands beside it."""
    with (EXAMPLE / "expected.tsv").open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader((line for line in text if not line.startswith("#")), delimiter="\t")
        return {
            (r["sent_system"], r["sent_code"]): (r["given_system"], r["given_code"]) if r["given_code"] else None
            for r in rows
            if r["file"] == file
        }


def concepts(node: Any) -> list[list[Code]]:
    """Every concept below `node`: its codings as (system, code)."""
    if isinstance(node, list):
        return [found for each in node for found in concepts(each)]
    if not isinstance(node, dict):
        return []
    own = [[(c.get("system", ""), c.get("code", "")) for c in node["coding"]]] if "coding" in node else []
    return own + [found for each in node.values() for found in concepts(each)]


def decoded(capfd: pytest.CaptureFixture[str], file: Path, config: Path = EXAMPLE / "hie.yaml") -> dict[str, Any]:
    assert main(["decode", "--format", "hl7v2", "--feed", "lab", "--config", str(config), str(file)]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    found: dict[str, Any] = orjson.loads(line)
    return found


@pytest.mark.parametrize("name", ["results.hl7", "devices.hl7"])
def test_the_code_as_sent_stays_and_the_standard_one_stands_beside_it(
    capfd: pytest.CaptureFixture[str], name: str
) -> None:
    found = concepts(decoded(capfd, EXAMPLE / name)["resources"])
    for sent, given in expected(name).items():
        of_it = [concept for concept in found if sent in concept]
        assert of_it, sent
        assert all((set(concept) - {sent}) == ({given} if given else set()) for concept in of_it), (sent, of_it)


def test_a_sender_that_shares_the_feed_has_its_own_ways(capfd: pytest.CaptureFixture[str]) -> None:
    found = decoded(capfd, EXAMPLE / "devices.hl7")
    patient = next(r for r in found["resources"] if r["resourceType"] == "Patient")
    assert [i["value"] for i in patient["identifier"]] == ["771204"]
    devices = [r["device"]["identifier"]["value"] for r in found["resources"] if "device" in r]
    assert devices == ["SN-4471"]
    assert found["unmapped"] == []
    assert all(r.get("device") is None for r in decoded(capfd, EXAMPLE / "results.hl7")["resources"])


def test_the_example_is_right_and_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(EXAMPLE / "hie.yaml"), "--json"]) == 0
    said = orjson.loads(capsys.readouterr().out)
    assert {warning["code"] for warning in said["warnings"]} == {"code-not-filled-in", "target-not-taken"}
