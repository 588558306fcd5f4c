"""`hie check` names file, line and what was meant, for the configuration and for every file it refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from hie.cli import main

GOOD = """\
name: here
participants:
  - name: clinic
  - name: hospital
feeds:
  - name: adt
    participant: clinic
    timezone: America/Chicago
    expected_interval: 15m
    source:
      kind: mllp
      host: 127.0.0.1
      port: 2575
subscribers:
  - name: emr
    participant: hospital
    purpose: TREAT
    encoder: original
    sink: {kind: mllp, host: 127.0.0.1, port: 2600}
"""


def checked(
    directory: Path, capsys: pytest.CaptureFixture[str], text: str, **files: str
) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    (directory / "hie.yaml").write_text(text)
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_text(content)
    code = main(["check", "--config", str(directory / "hie.yaml"), "--json"])
    return code, orjson.loads(capsys.readouterr().out)


def line_of(text: str, needle: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


def test_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, capsys, GOOD) == (0, {"errors": [], "warnings": []})


@pytest.mark.parametrize(
    ("right", "wrong", "code", "line", "hint"),
    [
        ("    purpose: TREAT\n", "", "missing-key", "name: emr", ""),
        ("purpose: TREAT", 'purpose: " "', "no-purpose", "purpose:", "TREAT"),
        ("    source:\n", "    overrides: {obx3: {XX: NM}}\n    source:\n", "unknown-override", "obx3", "'obx2'"),
        ("host: 127.0.0.1\n", "host: 0.0.0.0\n      sources: [0.0.0.0/0]\n", "open-to-everybody", "sources:", "tls"),
        ("host: 127.0.0.1\n", "host: 0.0.0.0\n      sources: ['::/0']\n", "open-to-everybody", "sources:", "tls"),
        ("encoder: original", "encoder: orginal", "unknown-encoders", "encoder:", "'original'"),
        ("port: 2575", "port: 2575\n      acknowledge: orignal", "bad-value", "acknowledge:", "'original'"),
        ("name: adt", "name: A D T", "bad-value", "name: A D T", ""),
        ("encoder:", "retry: {first: 0s}\n    encoder:", "retry-without-pause", "retry:", ""),
        ("encoder:", "retry: {first: 10s, longest: 5s}\n    encoder:", "retry-order", "retry:", ""),
        ("encoder:", "retry: {first: 10s, give_up: 5s}\n    encoder:", "retry-order", "retry:", ""),
    ],
)
def test_an_error_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str, code: str, line: str, hint: str
) -> None:
    text = GOOD.replace(right, wrong)
    status, found = checked(tmp_path, capsys, text)
    assert status == 2
    (error,) = found["errors"]
    assert (error["code"], error["line"]) == (code, line_of(text, line)), error
    assert error["file"] == str(tmp_path / "hie.yaml")
    assert hint in error["hint"]


@pytest.mark.parametrize(
    ("right", "wrong", "code", "line"),
    [
        ("    expected_interval: 15m\n", "", "no-expected-interval", "name: adt"),
        ("    timezone: America/Chicago\n", "", "no-timezone", "name: adt"),
        ("host: 127.0.0.1\n", "host: 10.1.2.3\n      sources: [10.1.0.0/16]\n", "mllp-in-the-clear", "source:"),
        ("name: here\n", "name: here\nhttp:\n  host: 0.0.0.0\n", "http-in-the-clear", "host: 0.0.0.0"),
        ("TREAT", "TRAET", "unknown-purpose", "TRAET"),
        ("TREAT", "HMARKT", "purpose-not-in-policy", "HMARKT"),
        ("encoder:", "retry: {give_up: 365d}\n    encoder:", "never-gives-up", "retry:"),
        ("feeds:\n", "  - name: idle\nfeeds:\n", "idle-participant", "name: idle"),
    ],
)
def test_a_warning_has_its_line_and_refuses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str, code: str, line: str
) -> None:
    text = GOOD.replace(right, wrong)
    status, found = checked(tmp_path, capsys, text)
    assert status == 0
    (warning,) = found["warnings"]
    assert (warning["code"], warning["line"]) == (code, line_of(text, line)), warning


def test_two_rosters_that_name_the_same_patient_and_one_that_says_it_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD + "    subscriptions:\n      - {roster: a.csv}\n      - {roster: b.csv}\n      - {roster: c.csv}\n"
    head = "authority,type,value\n"
    status, found = checked(
        tmp_path, capsys, text, a__csv=f"{head}urn:x,MR,4711\nurn:x,MR,4712\nurn:x,MR,4711\n", b__csv=f"{head}urn:x,MR,4712\n",
        c__csv=head,
    )  # fmt: skip
    assert status == 0
    places = {(w["code"], Path(w["file"]).name, w["line"]) for w in found["warnings"]}
    assert places == {
        ("roster-repeats", "a.csv", 4),
        ("rosters-overlap", "hie.yaml", line_of(text, "b.csv")),
        ("empty-roster", "hie.yaml", line_of(text, "c.csv")),
    }
    assert "4711" not in str(found)
    assert "4712" not in str(found)


@pytest.mark.parametrize(
    ("policy", "code", "line"),
    [
        ("", "policy-empty", 0),
        ("extends: us-opt-out\nregims: []\n", "policy", 2),
        ("extends: us-opt-out\nminors:\n  majority: many\n", "policy", 2),
        ("extends: us-opt-out\nname: x\nreading: {nested: flop}\n", "policy", 3),
        ("extends: us-opt-out\ndefaults: {TREAT: maybe}\n", "policy", 2),
        ("extends: us-opt-uot\n", "unknown-policy", 0),
    ],
)
def test_a_policy_is_read_as_the_node_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, code: str, line: int
) -> None:
    status, found = checked(tmp_path, capsys, f"jurisdiction: policy.yaml\n{GOOD}", policy__yaml=policy)
    assert status == 2
    (error,) = found["errors"]
    assert (error["code"], error["line"]) == (code, line), error


def test_what_a_file_holds_belongs_to_the_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hie.settings import load

    text = f"jurisdiction: policy.yaml\n{GOOD}    subscriptions: [{{roster: a.csv}}]\n"
    versions = []
    for policy, roster in (("us-opt-out", "1"), ("us-opt-in", "1"), ("us-opt-out", "2"), ("us-opt-out", "1")):
        files = {"policy__yaml": f"extends: {policy}\n", "a__csv": f"authority,type,value\nurn:x,MR,{roster}\n"}
        assert checked(tmp_path, capsys, text, **files)[0] == 0
        versions.append(load(tmp_path / "hie.yaml").hash)
    assert versions[0] == versions[3]
    assert len(set(versions)) == 3
