"""The table of the ten invariants at the end of a run, and the rule that in CI nothing is skipped."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import databases
from tests.databases import Database

INVARIANTS = {
    1: "no acknowledgement before the durable commit",
    2: "exactly one final outcome for each delivery",
    3: "consent decided at delivery, failing closed",
    4: "careful identity: no doubtful link, candidates' denies apply",
    5: "order per ordering key; nobody else waits",
    6: "idempotent effects, the same key on a retry",
    7: "nothing vanishes in translation",
    8: "no patient data in logs, metrics, errors, names",
    9: "replay passes today's identity and consent",
    10: "closed by default",
}
NO_SKIPS = os.environ.get("HIE_NO_SKIPS") == "1"
settings.register_profile(
    # a gate says of the same code the same thing twice; `make test` at a desk looks elsewhere each time
    "any-machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=NO_SKIPS,
)
settings.load_profile("any-machine")


def pytest_configure(config: pytest.Config) -> None:
    # a run that is ended from outside takes its nodes and databases with it
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))
    _CONFIG[:] = [config]
    config.stash[_PROVEN] = Counter()
    config.stash[_BROKEN] = Counter()
    config.stash[_FAILED] = Counter()


_PROVEN = pytest.StashKey[Counter[int]]()
_BROKEN = pytest.StashKey[Counter[int]]()
_FAILED = pytest.StashKey[Counter[int]]()
_CONFIG: list[pytest.Config] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.skipped and NO_SKIPS:
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    # on the report, so that the process which prints the table gets it from those that run the tests
    report.invariants = [
        (kind, number) for kind in ("invariant", "broken") for mark in item.iter_markers(kind) for number in mark.args
    ]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and not report.failed:
        return
    (config,) = _CONFIG
    for kind, number in getattr(report, "invariants", ()):
        found = (_PROVEN if kind == "invariant" else _BROKEN) if report.passed else _FAILED
        config.stash[found][number] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    proven, broken, failed = (config.stash[key] for key in (_PROVEN, _BROKEN, _FAILED))
    if not proven and not broken:
        return
    terminalreporter.section("the ten invariants")
    for number, text in INVARIANTS.items():
        caught = f"broken on purpose {broken[number]}x: caught" if broken[number] else "broken on purpose: NOT TRIED"
        line = f"{number:2}  {text:62}  {proven[number]:4} tests  {caught}"
        terminalreporter.write_line(line + (f"  {failed[number]} FAILED" if failed[number] else ""))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The public corpus, where it lies beside the project (or HIE_CORPUS names it)."""
    found = Path(os.environ.get("HIE_CORPUS", Path(__file__).resolve().parents[2] / "shared" / "corpus"))
    if not found.is_dir():
        pytest.skip(f"no corpus at {found}: set HIE_CORPUS to a directory of real messages")
    return found


@pytest.fixture(params=databases.BOTH)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One with all tables: the test runs once on each kind."""
    with databases.database(request.param) as made:
        yield made
