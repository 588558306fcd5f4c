"""`hie labels FILE.ndjson`: one line out for one line in, in the same order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hie.cli import main

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
Out = pytest.CaptureFixture[bytes]


def run(folder: Path, out: Out, *lines: str, options: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]]]:
    file = folder / "in.ndjson"
    file.write_text("\n".join(lines))
    code = main(["labels", *options, str(file)])
    return code, [json.loads(line) for line in out.readouterr().out.splitlines()]


def condition(id: str, code: str) -> str:
    return json.dumps({"resourceType": "Condition", "id": id, "code": {"coding": [{"system": ICD, "code": code}]}})


def test_lines_come_back_in_order(tmp_path: Path, capfdbinary: Out) -> None:
    code, found = run(tmp_path, capfdbinary, condition("a", "F11.20"), condition("b", "I10"), condition("c", "Z33.2"))
    assert code == 0
    assert [line["id"] for line in found] == ["a", "b", "c"]
    assert found[1]["labels"] == []
    assert {one["code"] for one in found[0]["labels"]} >= {"ETH", "OPIOIDUD"}
    assert {one["code"] for one in found[2]["labels"]} == {"SEX", "PREGNANT"}
    assert {"code": "ETH", "cause": "icd-10-cm F11.20 lies under F11"} in found[0]["labels"]


def test_a_finer_label_of_the_sender_brings_its_category(tmp_path: Path, capfdbinary: Out) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETHUD"}
    resource = {"resourceType": "Observation", "id": "o", "meta": {"security": [label]}, "code": {"text": "x"}}
    _, [found] = run(tmp_path, capfdbinary, json.dumps(resource))
    assert found["labels"] == [
        {"code": "ETH", "cause": "set by the sender"},
        {"code": "ETHUD", "cause": "set by the sender"},
    ]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "7", '{"id": "x"}', '{"resourceType": "Condition", "id": "x", "code": {"coding": "F11"}}',
     '{"resourceType": "Condition", "id": "x", "meta": {"security": 5}}', '{"resourceType": "Condition", "id": "x", "code": [[[]]]}'],
)  # fmt: skip
def test_a_bad_line_costs_only_itself(tmp_path: Path, capfdbinary: Out, line: str) -> None:
    code, found = run(tmp_path, capfdbinary, condition("a", "B20"), line, condition("b", "I10"))
    assert code in (0, 1)
    assert len(found) == 3
    assert found[0]["labels"]
    assert found[1]["labels"] == []


def test_a_programme_marks_everything(tmp_path: Path, capfdbinary: Out) -> None:
    _, [found] = run(tmp_path, capfdbinary, condition("a", "I10"), options=("--source-type", "part2-programme"))
    assert [one["code"] for one in found["labels"]] == ["ETH"]


def test_a_missing_file_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err
