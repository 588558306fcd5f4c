"""Metric values, not only names; and every name in the code is in the table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from hie.metrics import DECLARED, TABLE, PrometheusMeter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_values(registry: CollectorRegistry) -> None:
    meter = PrometheusMeter(registry)
    meter.count("hie_messages_received_total", feed="a", format="hl7v2")
    meter.count("hie_messages_received_total", 2, format="hl7v2", feed="a")
    meter.count("hie_messages_received_total", feed="hl7v2", format="a")
    meter.count("hie_feed_connected", feed="a")
    meter.count("hie_feed_connected", -1, feed="a")
    meter.observe("hie_ack_duration_seconds", 0.004, feed="a")
    meter.observe("hie_ack_duration_seconds", 0.5, feed="a")
    value = registry.get_sample_value
    assert value("hie_messages_received_total", {"feed": "a", "format": "hl7v2"}) == 3
    assert value("hie_messages_received_total", {"feed": "hl7v2", "format": "a"}) == 1
    assert value("hie_feed_connected", {"feed": "a"}) == 0
    assert value("hie_ack_duration_seconds_count", {"feed": "a"}) == 2
    assert value("hie_ack_duration_seconds_sum", {"feed": "a"}) == pytest.approx(0.504)
    assert value("hie_ack_duration_seconds_bucket", {"feed": "a", "le": "0.005"}) == 1


def test_a_defect_is_counted_and_stops_nothing(registry: CollectorRegistry) -> None:
    meter = PrometheusMeter(registry)
    meter.count("hie_no_such_total")
    meter.count("hie_messages_received_total", feed="a", patient="x")
    meter.observe("hie_messages_received_total", 1.0, feed="a", format="b")
    assert registry.get_sample_value("hie_metrics_undeclared_total") == 3


def test_names_follow_the_conventions() -> None:
    assert len(DECLARED) == len(TABLE)
    for metric in TABLE:
        assert metric.name.startswith("hie_")
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert (metric.kind == "histogram") == bool(metric.buckets), metric.name
        assert metric.help.endswith("."), metric.name
        assert not {"patient", "message", "file", "text", "error"} & set(metric.labels)


def test_every_metric_in_the_code_is_declared() -> None:
    used = {
        (path.name, name)
        for folder in ("hie", "adapters", "mpi")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'\.(?:count|observe)\(\s*"(hie_[a-z_]+)"', path.read_text("utf-8"))
    }
    assert {name for _, name in used} <= set(DECLARED), {pair for pair in used if pair[1] not in DECLARED}


def test_counts_of_several_processes_are_added(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from hie import metrics
metrics.prepare(Path(sys.argv[1]))
meter = metrics.meter()
for _ in range(3):
    if os.fork() == 0:
        metrics.meter().count("hie_journal_commits_total", 2)
        os._exit(0)
for _ in range(3):
    os.wait()
meter.count("hie_journal_commits_total")
(Path(sys.argv[1]) / "counter_99.db").touch()  # of a process that was killed as it made it
from prometheus_client import CollectorRegistry
from hie.counted import Counted
registry = CollectorRegistry()
Counted(registry, Path(sys.argv[1]))
print(registry.get_sample_value("hie_journal_commits_total"))
"""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "counter_1.db").write_bytes(b"stale")
    environment = {key: value for key, value in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
    out = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "old")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "7.0"
