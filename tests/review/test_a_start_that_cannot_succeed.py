"""`hie run` where it cannot run ends at once with a sentence: nothing is acknowledged that could never be delivered."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hie.intake.listeners import Listeners
from hie.intake.process import IntakeFeed

CONFIG = """\
var: {var}
http: {{port: 0}}
participants: [{{name: clinic}}]
feeds: [{{name: adt, participant: clinic, timezone: UTC, source: {{kind: mllp, port: 0}}}}]
{more}
"""


def run(directory: Path, var: str = "var", more: str = "") -> subprocess.CompletedProcess[str]:
    (directory / "hie.yaml").write_text(CONFIG.format(var=var, more=more))
    command = [sys.executable, "-m", "hie", "run", "--config", str(directory / "hie.yaml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("more", "code"), [("jurisdiction: nowhere", "unknown-policy"), ("jurisdiction: none.yaml", "unreadable")]
)
def test_a_policy_that_cannot_be_read(tmp_path: Path, more: str, code: str) -> None:
    ended = run(tmp_path, more=more)
    assert ended.returncode == 2
    assert code in ended.stderr
    assert not (tmp_path / "var").exists(), "nothing was begun"


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run(tmp_path, var="file/var")
    assert ended.returncode == 2
    assert "var-unusable" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_node_that_runs_there_already(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "var" / "run").mkdir(parents=True)
    handle = os.open(tmp_path / "var" / "run" / "node.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        ended = run(tmp_path)
    finally:
        os.close(handle)
    assert ended.returncode == 2
    assert "already-running" in ended.stderr


def test_the_feed_that_cannot_listen_is_named(caplog: pytest.LogCaptureFixture) -> None:
    from hie.errors import ConfigurationError

    class Free:
        async def start(self) -> None:
            return None

        async def drain(self, seconds: float) -> None:
            return None

    class Taken(Free):
        async def start(self) -> None:
            raise ConfigurationError("taken", code="address-in-use")

    async def bind() -> None:
        listeners = Listeners(lambda feed: Taken() if feed.name == "north" else Free())
        await listeners.start([IntakeFeed("north", "hl7v2", "mllp"), IntakeFeed("south", "hl7v2", "mllp")])
        await listeners.drain(1)

    with caplog.at_level(logging.ERROR):
        asyncio.run(bind())
    assert [record.__dict__["feed"] for record in caplog.records] == ["north"]
