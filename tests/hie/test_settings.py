"""Configuration errors say file, line and the nearest valid name; what is right loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie import settings
from hie.errors import ConfigurationError

GOOD = """\
name: here
participants:
  - {name: clinic}
  - {name: hospital, part_of: clinic}
feeds:
  - name: adt
    participant: clinic
    timezone: America/Chicago
    expected_interval: 15m
    source: {kind: mllp, port: 2575}
subscribers:
  - name: emr
    participant: hospital
    purpose: TREAT
    encoder: original
    sink: {kind: mllp, host: 127.0.0.1, port: 2600}
"""


def write(directory: Path, text: str) -> Path:
    file = directory / "hie.yaml"
    file.write_text(text)
    return file


def only_problem(directory: Path, text: str) -> ConfigurationError:
    _, found = settings.problems(write(directory, text))
    assert len(found) == 1, [str(f) for f in found]
    return found[0]


def line_of(text: str, needle: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


def test_a_good_file_loads_typed(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, GOOD))
    assert loaded.feeds[0].expected_interval == 900
    assert loaded.var == tmp_path / "var"
    assert loaded.database_url == f"sqlite:///{tmp_path / 'var' / 'hie.db'}"


@pytest.mark.parametrize(
    ("right", "wrong", "code", "hint"),
    [
        ("    timezone: America", "    timezon: America", "unknown-key", "'timezone'"),
        ("    purpose: TREAT", "    porpose: TREAT", "unknown-key", "'purpose'"),
        ("port: 2575", "prot: 2575", "unknown-key", "'port'"),
        ("    participant: clinic", "    participant: clinik", "unknown-participant", "'clinic'"),
        ("encoder: original", "encoder: orginal", "unknown-encoders", "original"),
        ("kind: mllp, host", "kind: mlpp, host", "unknown-sinks", "mllp"),
        ("America/Chicago", "America/Chicgo", "bad-value", ""),
        ("15m", "a while", "bad-value", ""),
        ("name: adt", "name: A D T", "bad-value", ""),
    ],
)
def test_a_mistake_names_its_line_and_what_was_meant(
    tmp_path: Path, right: str, wrong: str, code: str, hint: str
) -> None:
    text = GOOD.replace(right, wrong)
    _, found = settings.problems(write(tmp_path, text))
    first = next(f for f in found if f.code == code)
    assert first.line == line_of(text, wrong.strip().split(",")[-1].strip()) or first.line == line_of(
        text, wrong.strip()
    )
    assert first.file.endswith("hie.yaml")
    assert hint in first.hint


def test_a_missing_purpose_is_an_error_because_a_purpose_is_a_promise(tmp_path: Path) -> None:
    assert only_problem(tmp_path, GOOD.replace("    purpose: TREAT\n", "")).code == "missing-key"


def test_keys_may_not_stand_twice(tmp_path: Path) -> None:
    found = only_problem(tmp_path, GOOD + "name: again\n")
    assert (found.code, found.line) == ("duplicate-key", len(GOOD.splitlines()) + 1)


def test_names_may_not_stand_twice(tmp_path: Path) -> None:
    text = GOOD.replace("  - {name: hospital", "  - {name: clinic}\n  - {name: hospital")
    found = only_problem(tmp_path, text)
    assert (found.code, found.line) == ("duplicate-name", 4)


def test_scalars_stay_text_until_typed(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, GOOD.replace("{name: clinic}", "{name: clinic, title: NO, role: 08}")))
    assert (loaded.participants[0].title, loaded.participants[0].role) == ("NO", "08")


def test_included_files_add_to_lists_and_keep_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("feeds:\n  - name: second\n    participant: nobody\n    source: {kind: http}\n")
    found = only_problem(tmp_path, GOOD + "include: more.yaml\n")
    assert (Path(found.file).name, found.line, found.code) == ("more.yaml", 3, "unknown-participant")


def test_what_is_no_yaml_says_where(tmp_path: Path) -> None:
    found = only_problem(tmp_path, "name: here\n  participants: [\n")
    assert found.code == "not-yaml"
    assert found.line >= 2


def test_the_hash_is_of_what_decides_not_of_where_it_lies(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert settings.load(write(one, GOOD)).hash == settings.load(write(two, GOOD)).hash
    assert settings.load(write(one, GOOD.replace("TREAT", "HPAYMT"))).hash != settings.load(write(two, GOOD)).hash
