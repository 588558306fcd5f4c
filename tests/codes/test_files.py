"""Code tables belong to the version of a configuration: hashed, refused as a whole, kept with the last good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie import lastgood, settings
from hie.examination import examine
from hie.reload import Refused, candidate

CONFIG = """\
name: here
codes: [site.tsv]
participants:
  - name: clinic
feeds:
  - name: adt
    participant: clinic
    timezone: America/Chicago
    expected_interval: 15m
    source: {kind: http}
    codes: [feed.tsv]
    senders:
      - application: POC
        codes: [poc.tsv]
"""
FILES = {"site.tsv": "L\tA\tLN\t1-8\n", "feed.tsv": "L\tB\tLN\t2-6\n", "poc.tsv": "L\tB\tLN\t3-4\n"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "hie.yaml").write_text(CONFIG)
    return tmp_path / "hie.yaml"


def codes(loaded: settings.Settings, application: str = "") -> dict[str, str]:
    context = loaded.dialects.context("adt").of(application, "")
    return {code: target[1] for code, target in context.code_maps["L"].items()}


def test_site_feed_and_sender_lie_over_each_other(config: Path) -> None:
    loaded = settings.load(config)
    assert codes(loaded) == {"A": "1-8", "B": "2-6"}
    assert codes(loaded, "POC") == {"A": "1-8", "B": "3-4"}
    assert loaded.dialects.answered("code", "adt", "POC|X", "urn:hie:system:L", "B")
    assert not loaded.dialects.answered("code", "adt", "POC|X", "L", "C")


@pytest.mark.parametrize("name", FILES)
def test_a_changed_table_is_another_version(config: Path, name: str) -> None:
    before = settings.load(config).hash
    assert settings.load(config).hash == before
    with (config.parent / name).open("a") as table:
        table.write("L\tC\tLN\t5-9\n")
    assert settings.load(config).hash != before


@pytest.mark.parametrize("name", FILES)
def test_a_table_with_an_error_refuses_the_configuration(config: Path, name: str) -> None:
    running = settings.load(config)
    with (config.parent / name).open("a") as table:
        table.write("L\tC\tLOINK\t5-9\n")
    with pytest.raises(Refused) as refused:
        candidate(config, running)
    assert [(e.file, e.line, e.code) for e in refused.value.errors] == [
        (str(config.parent / name), 2, "unknown-system")
    ]
    assert codes(running) == {"A": "1-8", "B": "2-6"}


def test_a_table_that_is_not_there_is_an_error_and_not_a_silence(config: Path) -> None:
    (config.parent / "feed.tsv").unlink()
    assert [error.code for error in examine(config).errors] == ["bad-code-table"]


def test_the_last_good_configuration_keeps_its_tables(config: Path) -> None:
    (config.parent / "poc.tsv").write_text(FILES["feed.tsv"])  # what two tables hold may be the same
    loaded = settings.load(config)
    loaded.var.mkdir()
    lastgood.keep(loaded)
    for name in FILES:
        (config.parent / name).unlink()
    kept = lastgood.load(loaded.var)
    assert kept.hash == loaded.hash
    assert codes(kept) == {"A": "1-8", "B": "2-6"}
    assert codes(kept, "POC") == codes(loaded, "POC")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("code_systems: {L: not a uri}", "bad-uri"),
        ("code_systems: {L: 1.2.840.1}", "bad-uri"),
        ("code_systems: {1.2.03: 'urn:oid:1.2.3'}", "bad-oid"),
        ("authorities: {NORTH: 'urn:oid:x'}", "bad-uri"),
    ],
)
def test_names_of_systems_and_authorities_are_checked(config: Path, said: str, code: str) -> None:
    for text in (f"{said}\n{CONFIG}", CONFIG.replace("    codes: [feed", f"    {said}\n    codes: [feed")):
        config.write_text(text)
        (error,) = examine(config).errors
        line = next(n for n, each in enumerate(text.splitlines(), 1) if said in each)
        assert (error.file, error.line, error.code) == (str(config), line, code)


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("application: POC", 'application: "*"', "sender-unnamed"),
        ("    source: {kind: http}", "    source: {kind: http}\n    format: ccda", "senders-of-documents"),
        ("      - application: POC\n", "      - application: POC\n      - application: POC\n", "sender-twice"),
    ],
)
def test_senders_that_nobody_can_tell_apart(config: Path, right: str, wrong: str, code: str) -> None:
    config.write_text(CONFIG.replace(right, wrong))
    assert [error.code for error in examine(config).errors] == [code]
