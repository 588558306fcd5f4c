"""Commands given what they cannot use: a sentence and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie.cli import decode, main

CONFIG = """\
var: var
participants: [{name: clinic}]
feeds:
  - {name: adt, participant: clinic, timezone: UTC, source: {kind: mllp}}
  - {name: web, participant: clinic, timezone: UTC, source: {kind: http}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "hie.yaml").write_text(CONFIG)
    (tmp_path / "in").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 40)
    return tmp_path / "hie.yaml"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("trace 20260131-00000042 --config {c}", 2, "no-database"),
        ("audit verify --config {c}", 2, "no-seal-key"),
        ("access list --config {c}", 2, "no-database"),
        ("fax preview --inbox {d}/in --roster {d}/binary --out {d}/out", 2, "roster"),
        ("fax preview --inbox {d}/in --roster /dev/null --out {d}/none/out", 2, "no such file"),
        ("bench --seconds 0", 2, "usage"),
        ("bench --connections 0", 2, "usage"),
        ("explain {d}/binary --feed adt --config {c}", 1, ""),
        ("explain {d} --feed adt --config {c}", 2, "cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence(
    config: Path, line: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = line.format(c=config, d=config.parent).split()
    assert main(words) == code
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err + told.out


def test_a_broken_database_is_named_and_not_quoted(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "var").mkdir()
    (config.parent / "var" / "hie.db").write_bytes(b"SMITH^JOHN" * 2000)
    for line in (["trace", "20260131-00000042"], ["access", "list"], ["audit", "accounting", "AAAA"]):
        assert main([*line, "--config", str(config)]) == 1
        told = capsys.readouterr().err
        assert told.startswith("hie: ")
        assert "SMITH" not in told


def test_an_endless_file_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(decode, "MAX_BYTES", 100_000)
    (tmp_path / "endless.hl7").symlink_to("/dev/zero")
    assert main(["decode", "--format", "hl7v2", str(tmp_path / "endless.hl7")]) == 1
    assert b'"too-large"' in capsysbinary.readouterr().out


def test_bytes_that_are_no_text_are_no_fax(config: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["decode", "--format", "fax", str(config.parent / "binary")]) == 1
    assert b'"fax-binary"' in capsysbinary.readouterr().out
