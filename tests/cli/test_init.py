"""`hie init` writes a configuration that `hie check` accepts as it is, and never over something that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie.cli import main


def test_what_init_writes_checks_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "region"
    assert main(["init", str(target)]) == 0
    assert main(["check", "--config", str(target / "hie.yaml")]) == 0
    assert "no errors" in capsys.readouterr().out


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert main(["init", str(tmp_path)]) == 2
    assert "not-empty" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["mine.yaml"]
