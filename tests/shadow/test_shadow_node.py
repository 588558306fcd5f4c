"""A node beside the present engine: everything is decided, nothing leaves, and the report tells the differences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hie.simulation.process import free_port
from tests.node import Site
from tests.shadow.test_comparison import adt


@pytest.fixture
def tap_port() -> int:
    return free_port()


@pytest.fixture
def site(tmp_path: Path, tap_port: int) -> Iterator[Site]:
    running = Site(tmp_path)
    text = running.config.read_text().replace(
        "    participant: emergency\n", "    participant: emergency\n    shadow: true\n"
    )
    assert "shadow: true" in text
    tap = f"  - {{name: tap, participant: north-clinic, tap: emergency, source: {{kind: mllp, port: {tap_port}}}}}\n"
    running.config.write_text(text.replace("subscribers:\n", tap + "subscribers:\n"))
    running.start()
    yield running
    running.close()


def reported(site: Site, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "hie", "shadow", "report", "--config", str(site.config), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, timeout=60)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return next(one for one in found if one["subscriber"] == "emergency")


def test_nothing_leaves_and_the_report_tells_the_differences(site: Site, tap_port: int) -> None:
    for number in range(4):
        assert site.send(adt(f"S{number}", mrn=f"90{number}")) == "AA"
    # the present engine sends two of them as they are, one with another number of a phone, one that never came here
    for raw in (adt("S0", "900"), adt("S1", "901", at="20260102030409"), adt("S2", "902", phone="1"), adt("X", "999")):
        assert site.send(raw, tap_port) == "AA"
    site.settled()
    assert site.mllp.seen == []
    ours = site.deliveries(subscriber="emergency")
    assert {(row["state"], row["reason"]) for row in ours} == {("withheld", "shadow")}
    assert site.rows("SELECT count(*) FROM disclosure WHERE recipient = 'emergency'")[0][0] == 0
    assert site.deliveries(subscriber="practice"), "who is not in shadow gets what is due"
    assert {row[0] for row in site.rows("SELECT reason FROM message WHERE feed = 'tap'")} == {"tapped"}
    found = reported(site)
    assert (found["ours"], found["theirs"], found["same"], found["differ"]) == (4, 4, 2, 1)
    assert [(p["place"], p["messages"]) for p in found["places"]] == [("PID-13 differs", 1)]
    assert [(o["event"], o["count"]) for o in found["only_ours"]] == [("ADT^A08", 1)]
    assert [(o["reason"], o["count"]) for o in found["only_theirs"]] == [("never-came", 1)]


def test_a_folder_serves_as_well_as_a_tap(site: Site, tmp_path: Path) -> None:
    assert site.send(adt("F1", "801")) == "AA"
    site.settled()
    sent = tmp_path / "sent"
    sent.mkdir()
    (sent / "okafor-ada.hl7").write_bytes(adt("F1", "801") + adt("F2", "802"))
    found = reported(site, "--subscriber", "emergency", "--sent", str(sent))
    assert (found["same"], found["differ"], found["only_theirs"][0]["reason"]) == (1, 0, "never-came")
    assert "okafor" not in json.dumps(found)


def test_the_report_refuses_what_it_cannot_mean(site: Site) -> None:
    for more, code in (
        (["--subscriber", "err"], "unknown-subscriber"),
        (["--sent", "/nowhere", "--subscriber", "emergency"], "no-folder"),
        (["--since", "soon"], "usage"),
    ):
        command = [sys.executable, "-m", "hie", "shadow", "report", "--config", str(site.config), *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, done.stderr
        assert code in done.stderr
        assert "Traceback" not in done.stderr
