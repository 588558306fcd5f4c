"""The adapter contract over the adapters that come with hie, over one of another distribution, and over broken ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.conformance import CHECKS, NotConforming, check
from adapters.contract import RULES, Adapter
from hie.reference.adapters import ours

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [manifest.package for manifest in ours()]
ADAPTERS = {package: Adapter(package) for package in PACKAGES}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("package", PACKAGES)
def test_our_adapters_keep_the_contract(package: str, rule: str) -> None:
    check(rule, ADAPTERS[package])


def test_every_rule_has_its_check() -> None:
    assert list(CHECKS) == list(RULES)
    assert [rule for rule, tests in CHECKS.items() if not tests] == ["fuzzed"]


@pytest.mark.parametrize("package", [p for p in PACKAGES if ADAPTERS[p].quality["fuzzed"][0] == "done"])
def test_what_says_fuzzed_has_a_test_on_generated_input(package: str) -> None:
    folder = ROOT / "tests" / package.replace(".", "/")
    assert any("@given(" in file.read_text("utf-8") for file in folder.glob("test_*.py"))


DECODE = """
    from hie.errors import DecodeError, Rejected
    from hie.fhir.ids import resource_id
    from hie.model import Keys, Record, Source, Unmapped, Warning


    def peek(raw):
        if not raw.startswith(b"EDI*"):
            raise Rejected("does not begin with EDI*", code="acme-no-start")
        number = raw[4:64].split(b"*")[0]
        return Keys("acme", number, "EDI", (number.decode("ascii", "replace"),))


    def decode(raw, context):
        parts = raw.decode("utf-8", "replace").strip().split("*")
        if parts[0] != "EDI" or len(parts) < 3 or not parts[2].isalpha() or not parts[1].isalnum():
            raise DecodeError("a line has a number and a family name", code="acme-short")
        id = resource_id(context.feed, "Patient", parts[1])
        patient = {"resourceType": "Patient", "id": id, "name": [{"family": parts[2]}]}
        unmapped = (Unmapped("EDI-3", 1),) if len(parts) > 3 else ()
        yield Record(0, "EDI", f"Patient/{id}", (patient,), (Source(f"Patient/{id}", "EDI"),), (), unmapped)
"""
MANIFEST = """
    name = "acme"
    title = "Acme lines"

    [decoder]
    format = "acme"
    peek = "acme_edi.decode:peek"
    decode = "acme_edi.decode:decode"
"""
FEED = """\
participants: [{name: acme, types: [clinic]}]
feeds:
  - name: acme
    format: acme
    participant: acme
    source: {kind: http}
    timezone: America/Chicago
    expected_interval: 1h
"""
EXEMPT = ("settings", "encoder-deterministic", "encoder-obligations", "source", "sink")


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A distribution of another maker with one adapter, installed into a folder of its own."""
    package = tmp_path / "acme_edi"
    (package / "samples").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "decode.py").write_text(textwrap.dedent(DECODE))
    (package / "manifest.toml").write_text(textwrap.dedent(MANIFEST))
    lines = [
        f"  {rule}: " + ("{status: exempt, comment: this one only reads lines}" if rule in EXEMPT else "done")
        for rule in RULES
    ]
    (package / "quality.yaml").write_text("rules:\n" + "\n".join(lines) + "\n")
    (package / "samples" / "one.edi").write_text("EDI*448812*Okafor*unknown")
    info = tmp_path / "acme_edi-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-edi\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hie.adapters]\nacme = acme_edi\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def contract(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(
        folder, "-m", "pytest", "-q", "-p", "adapters.conformance", "-p", "no:cacheprovider", "--adapter", "acme_edi"
    )


def test_another_distributions_adapter_passes_and_runs(acme: Path) -> None:
    done = contract(acme)
    assert done.returncode == 0, done.stdout
    assert f"{len(RULES)} passed" in done.stdout
    decoded = run(acme, "-m", "hie", "decode", "--format", "acme", "acme_edi/samples/one.edi")
    assert decoded.returncode == 0, decoded.stderr
    assert '"family":"Okafor"' in decoded.stdout
    assert '"where":"EDI-3"' in decoded.stdout
    (acme / "hie.yaml").write_text(FEED)
    checked = run(acme, "-m", "hie", "check", "--config", "hie.yaml")
    assert checked.returncode == 0, checked.stdout
    (acme / "hie.yaml").write_text(FEED.replace("format: acme", "format: acne"))
    refused = run(acme, "-m", "hie", "check", "--config", "hie.yaml")
    assert refused.returncode == 2
    assert "hie.yaml:4: unknown-format: no adapter decodes 'acne'" in refused.stdout


def swap(old: str, new: str, file: str = "decode.py") -> Callable[[Path], None]:
    def break_it(package: Path) -> None:
        text = (package / file).read_text()
        assert old in text
        (package / file).write_text(text.replace(old, new))

    return break_it


BROKEN: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a reference that leads nowhere": ("manifest", swap("decode:peek", "decode:look", "manifest.toml")),
    "an unknown key": ("manifest", swap("[decoder]", "colour = 1\n\n[decoder]", "manifest.toml")),
    "reads a file": ("decoder-pure", swap("parts = raw", "open(__file__).close()\n    parts = raw")),
    "asks the clock": ("decoder-deterministic", swap("(context.feed,", "(str(__import__('time').time_ns()),")),
    "hash order": ("decoder-deterministic", swap("(context.feed,", "(str(hash('a')),")),
    "another exception": ("decoder-refusals-coded", swap("raise DecodeError(", "raise ValueError(")),
    "a source of nothing": ("decoder-sources", swap('Source(f"Patient/{id}"', 'Source("Patient/0"')),
    "a value among the unmapped": ("decoder-unmapped", swap('Unmapped("EDI-3"', "Unmapped(parts[2]")),
    "a value in a warning": (
        "decoder-warnings-coded",
        swap('"EDI"),), (), unmapped)', '"EDI"),), (Warning("odd", "EDI-2", f"odd name {parts[2]}"),), unmapped)'),
    ),
    "no FHIR": ("decoder-valid-r4", swap('{"family": parts[2]}', '{"surname": parts[2]}')),
    "a reference to nobody": (
        "decoder-valid-r4",
        swap('"id": id, "name"', '"id": id, "link": [{"other": {"reference": "Patient/0"}, "type": "refer"}], "name"'),
    ),
    "a peek that parses": ("peek-bounded", swap("number = raw", "[raw[i:] for i in range(400)]\n    number = raw")),
    "no samples": ("golden-samples", lambda package: shutil.rmtree(package / "samples")),
    "a value in an error": (
        "no-patient-data-in-errors",
        swap('DecodeError("a line', 'DecodeError(f"{parts[2:3]} a line'),
    ),
    "exempt from what it offers": (
        "decoder-pure",
        swap("decoder-pure: done", "decoder-pure: {status: exempt, comment: we did not feel like it}", "quality.yaml"),
    ),
    "a rule without an answer": ("fuzzed", swap("  fuzzed: done\n", "", "quality.yaml")),
    "exempt without a reason": (
        "sink",
        swap(
            "  sink: {status: exempt, comment: this one only reads lines}", "  sink: {status: exempt}", "quality.yaml"
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_adapter_is_told_which_rule_it_breaks(acme: Path, name: str) -> None:
    rule, break_it = BROKEN[name]
    break_it(acme / "acme_edi")
    program = (
        "import sys\nfrom adapters.conformance import NotConforming, check\nfrom adapters.contract import Adapter\n"
        f"try:\n    check({rule!r}, Adapter('acme_edi'))\nexcept NotConforming as error:\n    print('caught', error)\n"
    )
    done = run(acme, "-c", program)
    assert done.stdout.startswith("caught"), done.stdout + done.stderr


def test_the_plugin_names_the_rule(acme: Path) -> None:
    BROKEN["reads a file"][1](acme / "acme_edi")
    done = contract(acme)
    assert done.returncode == 1
    assert "acme_edi breaks the rule decoder-pure: " in done.stdout
    assert "1 failed" in done.stdout


def test_not_conforming_is_an_assertion() -> None:
    assert issubclass(NotConforming, AssertionError)
