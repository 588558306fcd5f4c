"""`hie decode`: the contract, line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hie.cli import main

MESSAGE = (
    "MSH|^~\\&|LAB|NORTH|HIE|R|20240305101530-0500||ADT^A01|{0}|P|2.5\rPID|1||{0}^^^NORTH^MR||Okafor^Grace\rZZZ|1|x\r"
)


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.hl7"
    file.write_text(MESSAGE.format(1), newline="")
    assert main(["decode", "--format", "hl7v2", str(file)]) == 0
    (line,) = lines(capfd)
    assert list(line) == ["file", "index", "outcome", "resources", "warnings", "unmapped", "error"]
    assert (line["file"], line["index"], line["outcome"], line["error"]) == (str(file), 0, "decoded", None)
    assert {"where": "ZZZ[1]-2", "count": 1} in line["unmapped"]  # type: ignore[operator]
    resources = line["resources"]
    assert isinstance(resources, list)
    assert {"MessageHeader", "Patient", "Provenance"} <= {r["resourceType"] for r in resources}
    ids = {f"{r['resourceType']}/{r['id']}" for r in resources}
    targets = {t["reference"] for r in resources if r["resourceType"] == "Provenance" for t in r["target"]}
    assert targets <= ids


def test_folders_batches_and_rejections(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.hl7").write_text(MESSAGE.format(1) + MESSAGE.format(2), newline="")
    (tmp_path / "b" / "c.hl7").write_bytes(b"no message at all")
    (tmp_path / ".hidden").write_bytes(b"x")
    assert main(["decode", "--format", "hl7v2", str(tmp_path)]) == 1
    found = lines(capfd)
    assert [(Path(str(x["file"])).name, x["index"], x["outcome"]) for x in found] == [
        ("a.hl7", 0, "decoded"),
        ("a.hl7", 1, "decoded"),
        ("c.hl7", 0, "rejected"),
    ]
    error = found[2]["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["ack"]) == ("no-msh", "AR")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.hl7"
    file.write_text(MESSAGE.format(1), newline="")
    main(["decode", "--format", "hl7v2", str(file)])
    first = capfd.readouterr().out
    main(["decode", "--format", "hl7v2", str(file)])
    assert capfd.readouterr().out == first


def test_usage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--format", "nonsense", str(tmp_path)]) == 2
    assert main(["decode", "--format", "hl7v2", str(tmp_path / "none")]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_decoder_that_fails_costs_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(raw: bytes, context: object) -> list[object]:
        raise RuntimeError("secret value")

    monkeypatch.setattr("hie.registry.decoder", lambda format, part: broken)
    (tmp_path / "a").write_bytes(b"x")
    assert main(["decode", "--format", "hl7v2", str(tmp_path)]) == 1
    out = capfd.readouterr()
    assert json.loads(out.out)["error"]["code"] == "internal"
    assert "secret" not in out.out + out.err
