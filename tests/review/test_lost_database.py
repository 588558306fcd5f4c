"""The database of a node is lost. Beginning anew would forget every refusal and send the whole journal again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hie import first_start, settings
from hie.audit.key import SealKey, key_path
from hie.errors import ConfigurationError
from tests.node import site

CONFIG = """\
var: var
participants: [{name: clinic}]
feeds: [{name: adt, participant: clinic, timezone: UTC, source: {kind: mllp}}]
"""


@pytest.fixture
def node(tmp_path: Path) -> settings.Settings:
    (tmp_path / "hie.yaml").write_text(CONFIG)
    for name in ("var", "var/keys", "var/secrets"):
        (tmp_path / name).mkdir(mode=0o700)
    return settings.load(tmp_path / "hie.yaml")


def test_a_first_start_and_a_second(node: settings.Settings) -> None:
    assert first_start.prepare(node)
    assert first_start.prepare(node) == []


@pytest.mark.invariant(3)
@pytest.mark.parametrize("left", [None, b""])
def test_a_start_without_the_database_it_had(node: settings.Settings, left: bytes | None) -> None:
    first_start.prepare(node)
    SealKey.open(key_path(node.var)).remember(3, "ab" * 32)
    file = node.var / "hie.db"
    for part in node.var.glob("hie.db*"):
        part.unlink()
    if left is not None:
        file.write_bytes(left)
    for _ in range(2):  # the refusal must not make what the next start takes for a node
        with pytest.raises(ConfigurationError) as refused:
            first_start.prepare(node)
        assert refused.value.code == "database-lost"


@pytest.mark.invariant(3)
def test_a_database_taken_away_from_a_running_node_stops_its_deliveries(tmp_path: Path) -> None:
    """What was committed into an unlinked file is gone: no disclosure may rest on it."""
    message = (
        b"MSH|^~\\&|A|NORTH|H|H|20260310||ADT^A04^ADT_A01|%s|P|2.5.1\rPID|1||7^^^NORTH^MR||A^B||19700101|F\rPV1|1|O\r"
    )
    with site(tmp_path) as running:
        assert running.send(message % b"one") == "AA"
        running.settled()
        for part in running.var.glob("hie.db*"):
            part.unlink()
        running.until(lambda: "database-gone" in running.log.read_text(), "the engine notices")
        sent = len(running.mllp.seen)
        assert running.send(message % b"two") == "AA", "arrivals are kept"
        time.sleep(3)
        assert len(running.mllp.seen) == sent
