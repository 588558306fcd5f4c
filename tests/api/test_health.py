"""Readiness says what would happen to a message now; metrics say values that are true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, text

from hie.metrics import DECLARED
from hie.store import tables
from tests.api.region import Region, sample


def scrape(region: Region) -> dict[tuple[str, tuple[str, ...]], float]:
    with region.client("prometheus") as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    undeclared = (
        {f.name for f in families} - {n.removesuffix("_total").removesuffix("_info") for n in DECLARED} - set(DECLARED)
    )
    assert not undeclared
    return {(s.name, tuple(s.labels.values())): s.value for f in families for s in f.samples}


def test_live_and_ready(region: Region) -> None:
    with region.client() as client:
        assert client.get("/health/live").json() == {"live": True}
    with region.client(user="olga") as client:
        answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"journal": True, "engine": True, "database": True, "disk": True}


@pytest.mark.invariant(1)
@pytest.mark.parametrize(("part", "gone"), [("journal", "run/intake.sock"), ("engine", "run/engine.sock")])
def test_not_ready_without_a_part(region: Region, part: str, gone: str) -> None:
    with region.client(user="olga") as client:
        assert client.get("/health/ready").status_code == 200
        (region.var / gone).unlink()
        answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert [name for name, good in answer.json()["checks"].items() if not good] == [part]


def test_the_values_of_states(region: Region) -> None:
    now = time.time()
    region.message("20260101-00000001", "north", now - 500)
    region.message("20260101-00000002", "north", now - 100)
    for n in range(3):
        region.delivery("20260101-00000001", "county-ed", "queued", key=f"q{n}", at=now - 200 + n)
    region.delivery("20260101-00000002", "payer", "dead-lettered", reason="refused", key="d")
    region.write(insert(tables.subscriber_state).values(name="payer", paused_at=now, reason="maintenance"))
    with region.client("harbor") as client:
        for n in range(4):
            client.post("/intake/harbor", content=sample(f"H{n}"))
    found = scrape(region)
    assert found["hie_feed_last_message_timestamp_seconds", ("north",)] == pytest.approx(now - 100, abs=0.01)
    assert found["hie_feed_last_message_timestamp_seconds", ("harbor",)] == pytest.approx(now, abs=20)
    assert found["hie_feed_expected_interval_seconds", ("north",)] == 900
    assert found["hie_queue_messages", ("process",)] == 4
    assert found["hie_feed_waiting_messages", ("harbor",)] == 4
    assert found["hie_queue_messages", ("deliver",)] == 3
    assert found["hie_delivery_queue_messages", ("county-ed",)] == 3
    assert found["hie_delivery_oldest_timestamp_seconds", ("county-ed",)] == pytest.approx(now - 200, abs=0.01)
    assert 199 < found["hie_delivery_oldest_age_seconds", ("county-ed",)] < 260
    assert found["hie_delivery_oldest_age_seconds", ("payer",)] == 0
    assert found["hie_dead_letters", ("payer",)] == 1
    assert found["hie_subscriber_paused", ("payer",)] == 1
    assert found["hie_subscriber_paused", ("county-ed",)] == 0
    assert found["hie_mpi_review_open", ()] == 0
    assert found["hie_config_info", (region.settings.hash,)] == 1
    assert found["hie_store_readable", ()] == 1
    assert found["hie_journal_bytes", ()] > 4 * len(sample())
    assert found["hie_disk_free_bytes", ()] > 0


def test_a_state_that_cannot_be_read_is_absent_not_old(region: Region) -> None:
    with region.answers.engine.begin() as connection:
        connection.execute(text("ALTER TABLE subscriber_state RENAME TO away"))
    found = scrape(region)
    assert found["hie_store_readable", ()] == 0
    assert not [name for name, _ in found if name.startswith(("hie_dead", "hie_delivery", "hie_feed_last"))]


def test_queries_use_indexes(region: Region) -> None:
    """No page may scan a table that grows with traffic, and on PostgreSQL none needs to."""
    from hie.console.deadletters import _GROUPS
    from hie.web.states import _DEAD, _DEPTH, _LAST, _REFUSED

    parameters = {"feed": "north", "since": 0.0}
    with region.answers.engine.connect() as connection:
        for query in (_LAST, _REFUSED, _DEPTH, _DEAD, _GROUPS):
            compiled = query.compile(connection.engine)
            values: Any = {name: parameters.get(name, 0) for name in compiled.params}
            if connection.dialect.name == "sqlite":
                values = tuple(values[name] for name in compiled.positiontup or ())
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).all()
                assert "INDEX" in " / ".join(str(line[3]) for line in plan), plan
            else:
                connection.exec_driver_sql("SET enable_seqscan = off")
                plan = connection.exec_driver_sql(f"EXPLAIN {compiled}", values).all()
                assert "Seq Scan" not in str(plan), plan


@pytest.mark.slow
def test_the_process_drains_on_sigterm(region: Region, tmp_path: Path) -> None:
    """The real entry point: binds, writes its port, answers, and ends in order with code 0."""
    code = (
        "import sys; from pathlib import Path; from hie.api.server import run; from tests.api.region import settings; "
        "run(settings(Path(sys.argv[1])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(region.var)], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE
    )
    try:
        port = region.var / "run" / "http.port"
        deadline = time.monotonic() + 20
        while not port.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port.read_text().strip()}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
            assert client.get(f"{url}/health/live").json() == {"live": True}
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
