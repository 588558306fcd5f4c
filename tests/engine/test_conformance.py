"""Conformance of a running node: a feed that reports refuses nothing, one that is strict refuses what its profile says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hie import lastgood, settings
from tests.databases import Database
from tests.node import Site

PROFILE = "profile: river\nstandard: false\nfields:\n  PID-7: {usage: R}\n"
BORN = "19790412"


def message(control: str, feed: str, born: str = BORN) -> bytes:
    sender = f"ADT|{feed.upper()}"
    return (
        rf"MSH|^~\&|{sender}|HIE|R|20240305101530-0500||ADT^A01^ADT_A01|{control}|P|2.5.1"
        f"\rEVN||20240305\rPID|1||{control}^^^{feed.upper()}^MR||Okafor^Grace||{born}|F\rPV1|1|I\rZPI|1\r"
    ).encode()


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    running = Site(tmp_path, database=database)
    (tmp_path / "river.yaml").write_text(PROFILE)
    text = running.config.read_text()
    text = text.replace("  - name: north\n", "  - name: north\n    conformance: report\n")
    text = text.replace("  - name: river\n", "  - name: river\n    conformance: strict\n    profile: river.yaml\n")
    running.config.write_text(text)
    running.start()
    yield running
    running.close()


def found(site: Site) -> str:
    command = [sys.executable, "-m", "hie", "check-message", "--found", "--config", str(site.config)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_reports_and_refusals(site: Site) -> None:
    for number in range(3):
        assert site.send(message(f"n{number}", "north", born="" if number else "79-04")) == "AA"
    assert site.send(message("r1", "river"), site.river) == "AA"
    assert site.send(message("r2", "river", born=""), site.river) == "AA"  # stored; it is read afterwards
    site.until(lambda: "3 messages examined" in found(site), "the feed that reports was examined")
    site.settled()
    reasons = dict(site.rows("SELECT control_id, reason FROM message"))
    assert {reasons[f"n{n}"] for n in range(3)} == {reasons["r1"]}
    assert reasons["r2"] == "not-conformant"
    lines = found(site)
    assert "north, sender ADT/NORTH: 3 messages examined" in lines
    assert "1  error    PID-7.1      [value-form, HL7 2.5.1]" in lines
    assert "3  note     ZPI          [segment-local, HL7 2.5.1]" in lines
    assert "river, sender ADT/RIVER: 1 message examined" in lines  # what was refused lies in quarantine with its reason


def test_a_profile_belongs_to_the_version_of_the_configuration(tmp_path: Path) -> None:
    """Hashed by what it holds, refused with file and line, kept with the last good one."""
    file, config = tmp_path / "river.yaml", tmp_path / "hie.yaml"
    file.write_text(PROFILE)
    config.write_text(
        "participants: [{name: p}]\nfeeds:\n"
        "  - {name: f, participant: p, source: {kind: http}, conformance: strict, profile: river.yaml}\n"
    )
    first = settings.load(config)
    file.write_text(PROFILE.replace("R}", "RE}"))
    second = settings.load(config)
    assert first.hash != second.hash
    second.var.mkdir()
    lastgood.keep(second)
    file.write_text("profile: x\nfeilds: {}\n")
    (error,) = settings.problems(config)[1]
    assert (error.code, error.file, error.line) == ("unknown-key", str(file), 2)
    kept = lastgood.load(second.var)
    assert kept.hash == second.hash
    required = kept.dialects.context("f").required
    assert required is not None
    assert required.rules[0].usage == "RE"


def test_strict_needs_a_profile(tmp_path: Path) -> None:
    config = tmp_path / "hie.yaml"
    config.write_text(
        "participants: [{name: p}]\nfeeds:\n  - {name: f, participant: p, source: {kind: http}, conformance: strict}\n"
    )
    assert [(e.code, e.line) for e in settings.problems(config)[1]] == [("strict-needs-profile", 3)]
