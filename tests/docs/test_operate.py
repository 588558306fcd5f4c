"""What an operator copies out of the pages works: configurations, policies, command lines, names."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from hie.cli import COMMANDS
from hie.consent import jurisdiction
from hie.metrics import TABLE
from hie.reference import commands
from hie.settings import problems

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "operate").glob("*.md"))


def blocks(page: str, language: str = "yaml") -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", (DOCS / "operate" / page).read_text("utf-8"), re.DOTALL)
    return [textwrap.dedent(block) for block in found]


def check(folder: Path, document: dict[str, Any]) -> None:
    (folder / "hie.yaml").write_text(yaml.safe_dump(document))
    settings, found = problems(folder / "hie.yaml")
    assert [str(error) for error in found] == []
    assert settings is not None


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_feeds_of_the_first_page_are_configurations(tmp_path: Path, number: int) -> None:
    whole, *parts = [yaml.safe_load(block) for block in blocks("first-feed.md")]
    assert len(parts) == 2
    if number == 1:
        whole["feeds"][0] |= parts[0]
    elif number == 2:
        whole["feeds"] += parts[1]
    check(tmp_path, whole)


def test_the_subscriber_is_a_configuration(tmp_path: Path) -> None:
    (document,) = [yaml.safe_load(block) for block in blocks("subscribers.md")]
    text = (DOCS / "operate" / "subscribers.md").read_text("utf-8")
    roster = re.search(r"^    (authority,type,value\n    .*)$", text, re.MULTILINE)
    assert roster
    (tmp_path / "valley-patients.csv").write_text(roster[1].replace("    ", "") + "\n")
    names = {"valley-primary-care", "river-hospital"}
    check(tmp_path, {"participants": [{"name": name} for name in sorted(names)], **document})


def test_folders_are_configurations(tmp_path: Path) -> None:
    clinic, history, registry = [yaml.safe_load(block) for block in blocks("folders.md")]
    check(tmp_path, clinic)
    check(tmp_path, {**clinic, "feeds": clinic["feeds"] + history["feeds"]})
    check(tmp_path, registry)


def test_what_is_said_of_codes_is_a_configuration(tmp_path: Path) -> None:
    site, overrides, senders = [yaml.safe_load(block) for block in blocks("codes.md")]
    for file in ("site.tsv", "lab.tsv", "poc.json"):
        shutil.copy(DOCS.parent / "config" / "codes" / file, tmp_path)
    site["feeds"][0] |= {**overrides, **senders}
    check(tmp_path, site)


def test_the_policy_is_a_policy(tmp_path: Path) -> None:
    (block,) = blocks("consent.md")
    (tmp_path / "policy.yaml").write_text(block)
    policy = jurisdiction.load(tmp_path / "policy.yaml")
    assert policy.permits("TREAT")
    assert not policy.permits("HOPERAT")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_command_lines_are_taken_by_their_parsers(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in re.findall(r"^    (hie .*)$", page.read_text("utf-8"), re.MULTILINE):
        words = shlex.split(re.split(r"\s{3,}|\s\[", line)[0])
        assert words[1] in COMMANDS, line
        try:
            commands.parser(words[1]).parse_args(words[2:])
        except SystemExit:
            pytest.fail(f"{line}: {capsys.readouterr().err}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_metrics_are_called_what_they_are_called(page: Path) -> None:
    assert set(re.findall(r"\bhie_\w+", page.read_text("utf-8"))) <= {metric.name for metric in TABLE}
