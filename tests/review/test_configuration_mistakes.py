"""What careless hands write into a configuration: each answered with a place and a word, none with a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hie import settings
from hie.cli import main
from hie.examination import examine

GOOD = """\
name: here
http: {port: 8099}
participants:
  - {name: clinic, references: [Organization/clinic]}
  - {name: hospital, references: [Organization/hospital]}
feeds:
  - {name: one, participant: clinic, timezone: America/Chicago, source: {kind: mllp, port: 2575}}
  - {name: two, participant: clinic, timezone: America/Chicago, source: {kind: mllp, port: 2576}}
subscribers:
  - {name: emr, participant: hospital, purpose: TREAT, encoder: original, sink: {kind: mllp, host: 127.0.0.1, port: 2600}}
"""
LAUGHS = "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


def codes(directory: Path, content: str | bytes) -> list[str]:
    file = directory / "hie.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return [error.code for error in settings.problems(file)[1]]


def test_the_good_one_is_good(tmp_path: Path) -> None:
    assert codes(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"name: a\x00b\n", "not-yaml"),
        (bytes(range(256)), "unreadable"),
        (GOOD.encode("utf-16"), "unreadable"),
        ("a: &a [x, x]\n" + LAUGHS, "not-yaml"),
        ("feeds: &a [*a]\n", "not-yaml"),
        ("feeds: " + "[" * 5000 + "]" * 5000, "not-yaml"),
        ("include: [.]\n", "nothing-included"),
        ('include: [""]\n', "bad-include"),
        ("include: {a: b}\n", "bad-include"),
        ("include: [hie.yaml]\n", "include-in-include"),
        ("include: [/nowhere/at/all.yaml]\n", "nothing-included"),
        ("feeds: hello\ninclude: [list.yaml]\n", "not-a-mapping"),
        (GOOD.replace("8099", "99999"), "bad-value"),
        (GOOD.replace("2576", "2575"), "port-twice"),
        (GOOD.replace("2576", "8099"), "port-twice"),
        (GOOD.replace("encoder: original", "encoder: bundle"), "encoder-and-sink"),
        (GOOD.replace("name: clinic,", "name: clinic, part_of: clinic,"), "part-of-itself"),
        (GOOD.replace("Organization/hospital", "Organization/clinic"), "reference-of-two"),
        (GOOD.replace("name: one,", "name: one, charset: klingon,"), "unknown-charset"),
        (GOOD.replace("name: one,", "name: one, charset: rot13,"), "unknown-charset"),
        (GOOD.replace("TREAT,", "TREAT, subscriptions: [{events: [ADT_A01]}],"), "bad-event"),
        (GOOD.replace("TREAT,", "TREAT, subscriptions: [{codes: [A15]}],"), "bad-code"),
        ("database: oracle://x\n" + GOOD, "bad-value"),
        ("var: hie.yaml\n" + GOOD, "var-not-a-directory"),
    ],
)
def test_one_mistake_one_answer(tmp_path: Path, content: str | bytes, code: str) -> None:
    (tmp_path / "list.yaml").write_text("- a\n")
    assert codes(tmp_path, content) == [code]


def test_feeds_on_different_addresses_may_share_a_port(tmp_path: Path) -> None:
    assert codes(tmp_path, GOOD.replace("port: 2576", "host: 127.0.0.2, port: 2575")) == []
    assert codes(tmp_path, GOOD.replace("port: 2576", "host: 0.0.0.0, port: 2575")) == ["port-twice"]


def test_a_list_is_asked_for_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "hie.yaml").write_text("feeds: hello\n")
    assert "must be a list" in settings.problems(tmp_path / "hie.yaml")[1][0].text


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert codes(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("TREAT", "TRAET"), "unknown-purpose"),
        (("TREAT,", "TREAT, subscriptions: [],"), "no-subscription"),
        (("source: {kind: mllp, port: 2576}", "format: ccda, source: {kind: http}"), "not-forwardable"),
        (("TREAT,", "TREAT, subscriptions: [{categories: ['Observaton:laboratory']}],"), "unknown-category"),
    ],
)
def test_what_would_be_silence_is_a_warning(tmp_path: Path, change: tuple[str, str], code: str) -> None:
    (tmp_path / "hie.yaml").write_text(GOOD.replace(*change))
    assert code in [warning.code for warning in examine(tmp_path / "hie.yaml").warnings]


@pytest.mark.parametrize("roster", [b"\xff\xfe\x00", b"who,what\n", b"authority,type,value\nx\n"])
def test_a_roster_that_cannot_be_read_is_found_before_the_start(
    tmp_path: Path, roster: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "roster.csv").write_bytes(roster)
    (tmp_path / "hie.yaml").write_text(GOOD.replace("TREAT,", "TREAT, subscriptions: [{roster: roster.csv}],"))
    assert main(["check", "--config", str(tmp_path / "hie.yaml")]) == 2
    assert re.search(r"roster\.csv(:\d+)?: bad-roster", capsys.readouterr().out)


def test_a_file_that_is_not_there_has_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: unreadable: cannot be read: no such file or directory" in capsys.readouterr().out
