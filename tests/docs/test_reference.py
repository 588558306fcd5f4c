"""The reference pages say what the code says, and everything an operator can meet is described in them."""

from __future__ import annotations

import re
import shlex
from enum import Enum
from pathlib import Path

import pytest
from pydantic import BaseModel

from adapters.conformance import RULES
from hie import errors
from hie.access.roles import Capability, Role
from hie.cli import COMMANDS
from hie.errors import HieError
from hie.metrics import TABLE
from hie.model import DeliveryState, MessageOutcome
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from hie.reference import adapters, commands, fields, pages
from hie.reference.errors import classes
from hie.reference.markdown import described
from hie.registry import Manifest
from hie.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = DOCS / "reference"
MODELS = fields.models(Settings)
OURS = adapters.ours()


def headings(page: str) -> set[str]:
    return {line.lstrip("# ") for line in (REFERENCE / page).read_text("utf-8").splitlines() if line.startswith("#")}


def test_the_committed_pages_are_those_of_the_code(tmp_path: Path) -> None:
    made = pages.write(tmp_path)
    assert {f.name for f in REFERENCE.iterdir()} == {f.name for f in made}
    for file in made:
        assert (REFERENCE / file.name).read_bytes() == file.read_bytes(), f"{file.name} is old: run `make docs`"


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_setting_has_a_description(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert [name for name, field in model.model_fields.items() if len(field.description or "") < 8] == []
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert [name for name in model.model_fields if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("metric", TABLE, ids=lambda m: m.name)
def test_every_metric_has_a_help_and_a_heading(metric: object) -> None:
    assert metric.help.endswith(".")  # type: ignore[attr-defined]
    assert f"`{metric.name}`" in headings("metrics.md")  # type: ignore[attr-defined]


def test_no_source_counts_a_metric_that_is_not_in_the_table() -> None:
    used = set()
    for package in ("hie", "adapters"):
        for file in (DOCS.parent / package).rglob("*.py"):
            used |= set(re.findall(r"\.(?:count|observe)\(\s*\"(hie_\w+)\"", file.read_text("utf-8")))
    assert len(used) > 10
    assert used <= {metric.name for metric in TABLE}


@pytest.mark.parametrize("enum", [MessageOutcome, DeliveryState, Role, Capability], ids=lambda e: e.__name__)
def test_every_member_is_described(enum: type[Enum]) -> None:
    said = described(enum)
    assert list(said) == list(enum.__members__)
    assert [name for name, text in said.items() if len(text) < 8] == []


@pytest.mark.parametrize("reasons", [MESSAGE_REASONS, DELIVERY_REASONS], ids=["messages", "deliveries"])
def test_every_outcome_code_has_its_sentence(reasons: dict[str, tuple[Enum, str]]) -> None:
    page = (REFERENCE / "outcomes.md").read_text("utf-8")
    for code, (state, sentence) in reasons.items():
        assert len(sentence.split()) > 3, code
        assert f"| `{code}` | {state.value} | {sentence} |" in page


def _tree(kind: type[HieError]) -> set[type[HieError]]:
    return {kind}.union(*(_tree(below) for below in kind.__subclasses__()))


def test_every_error_class_has_a_code_of_its_own_and_a_line() -> None:
    kinds = [kind for kind in _tree(HieError) if kind.__module__ == errors.__name__]
    assert len({kind.code for kind in kinds}) == len(kinds) > 10
    assert [name for name, (code, about) in classes().items() if not code or len(about) < 8] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_its_parser_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS[name]) > 8
    assert commands.examples(name), "the module's docstring is the help: it has to show a call"
    for example in commands.examples(name):
        try:
            commands.parser(name).parse_args(shlex.split(example)[2:])
        except SystemExit:
            pytest.fail(f"{example}: {capsys.readouterr().err}")


@pytest.mark.parametrize("manifest", OURS, ids=lambda m: m.name)
def test_every_adapter_answers_every_rule_of_its_contract(manifest: Manifest) -> None:
    answers = adapters.quality(manifest.package)
    assert list(answers) == list(RULES)
    for rule, (status, why) in answers.items():
        assert status in ("done", "exempt"), rule
        assert status == "done" or len(why.split()) >= 4, f"{rule}: exempt needs its reason"
    assert manifest.name in headings("adapters.md")


def test_every_folder_under_adapters_is_an_installed_adapter() -> None:
    folders = {file.parent.name for file in (DOCS.parent / "adapters").glob("*/__init__.py")}
    assert folders == {manifest.package.removeprefix("adapters.") for manifest in OURS}


@pytest.mark.parametrize("file", sorted(DOCS.rglob("*.md")), ids=lambda f: str(f.relative_to(DOCS)))
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text("utf-8")):
        assert (file.parent / target).exists(), target
