"""The disk full, read-only or failed under a node that runs, on a real file system: senders are told at once, readiness goes
off with the reason, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hie.simulation import messages
from hie.simulation.people import someone
from hie.simulation.wire import field, framed
from tests.node import Site
from tests.smalldisk import SmallDisk, small_disk

LONG = 90
"""Seconds to wait for what takes one or two on a machine that is not busy."""
CHANCE = random.Random(3)
pytestmark = pytest.mark.slow


class Clinic:
    """Sends over MLLP, in original and in enhanced mode, and by HTTP; remembers what was acknowledged."""

    def __init__(self, here: Site) -> None:
        self.here = here
        self.acknowledged: set[str] = set()
        self.number = 0

    def message(self, enhanced: bool = True) -> tuple[str, bytes]:
        self.number += 1
        control_id, mrn = f"D{self.number}", f"{CHANCE.randrange(10**8)}"
        raw = messages.admission(someone(CHANCE), mrn, "NORTH", "NORTHEHR", "NORTH", "A04", control_id, f"V{mrn}")
        head, _, rest = raw.partition(b"\r")
        fields = [*head.split(b"|"), *[b""] * 16][:18]
        fields[14:16] = [b"AL", b"NE"] if enhanced else [b"", b""]
        return control_id, b"|".join(fields) + b"\r" + rest

    def mllp(self, enhanced: bool = True) -> tuple[str, str]:
        """The acknowledgement code and the condition of its ERR segment."""
        control_id, raw = self.message(enhanced)
        with socket.create_connection(("127.0.0.1", self.here.north), 30) as line:
            line.sendall(framed(raw))
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = line.recv(65536)
                assert part, "every complete frame has an answer"
                answer += part
        code = field(answer[1:], b"MSA", 1).decode()
        if code in ("AA", "CA"):
            self.acknowledged.add(control_id)
        return code, field(answer, b"ERR", 3).decode().partition("^")[0]

    def http(self) -> int:
        control_id, raw = self.message()
        answer = self.here.post("reports", raw, "application/hl7-v2")
        if answer.status_code == 202:
            self.acknowledged.add(control_id)
        return answer.status_code

    def ready(self) -> tuple[bool, dict[str, str]]:
        try:
            with self.here.web("admin") as client:
                answer = client.get("/health/ready")
        except httpx.HTTPError:
            return False, {}
        body: dict[str, Any] = answer.json()
        assert answer.status_code == (200 if body.get("ready") else 503)
        return bool(body.get("ready")), body.get("reasons", {})

    def refused(self, reason: str) -> None:
        """Both modes, HTTP, and readiness with its reason."""
        assert self.mllp(enhanced=False) == ("AE", "207")
        assert self.mllp(enhanced=True) == ("CE", "207")
        assert self.http() in (503, 507)
        ready, why = self.ready()
        assert not ready
        assert reason in why, why

    def recovered(self) -> None:
        """Taken again, ready again, and everything that ever was acknowledged is stored, decided and delivered."""
        here = self.here
        here.until(lambda: self.mllp()[0] == "CA", "messages are taken again", LONG)
        here.until(lambda: self.http() == 202, "by HTTP too", LONG)
        here.until(lambda: self.ready()[0], f"ready again: {self.ready()}", LONG)
        here.settled(LONG)
        assert self.acknowledged <= {control_id for _, control_id, _, _ in here.journal()}
        outcomes = dict(here.rows("SELECT control_id, outcome FROM message"))
        assert {outcomes[control_id] for control_id in self.acknowledged} == {"routed"}
        here.until(lambda: self.acknowledged <= {m for m, _ in here.mllp.seen}, "delivered", LONG)


class Scene(ExitStack):
    """A site whose state, or a part of it, lies on a small disk."""

    def begin(self, directory: Path, place: str, database: str = "") -> tuple[Site, SmallDisk, Clinic]:
        disk = self.enter_context(small_disk(directory / "disk.img", directory / place))
        here = Site(directory)
        self.callback(here.close)
        if database:
            here.config.write_text(f"database: sqlite:///{directory / database}\n" + _without_database(here))
        here.start()
        return here, disk, Clinic(here)


def _without_database(here: Site) -> str:
    return "".join(line for line in here.config.read_text().splitlines(True) if not line.startswith("database:"))


def processes(here: Site) -> Callable[[], tuple[int, ...]]:
    return lambda: tuple(here.pid(name) for name in ("parent", "intake", "web"))


@pytest.mark.invariant(1)
def test_full_and_free_again(tmp_path: Path) -> None:
    with Scene() as scene:
        here, disk, clinic = scene.begin(tmp_path, "var")
        assert clinic.ready() == (True, {})
        assert clinic.mllp()[0] == "CA"
        assert clinic.http() == 202
        here.settled(LONG)
        living = processes(here)
        before = living()
        disk.fill()
        here.until(lambda: clinic.mllp()[0] == "CE", "full", LONG)
        clinic.refused("disk")
        disk.clear()
        clinic.recovered()
        assert living() == before


@pytest.mark.invariant(1)
def test_the_journal_has_no_room_while_the_database_has(tmp_path: Path) -> None:
    with Scene() as scene:
        here, disk, clinic = scene.begin(tmp_path, "var/journal")
        assert clinic.mllp()[0] == "CA"
        here.settled(LONG)
        disk.fill()
        here.until(lambda: clinic.mllp()[0] == "CE", "full", LONG)
        clinic.refused("journal")
        # what is not about new messages goes on
        assert here.asked("subscriber.pause", name="practice")["paused"] is True
        assert here.asked("subscriber.resume", name="practice")["paused"] is False
        disk.clear()
        clinic.recovered()


@pytest.mark.invariant(1)
@pytest.mark.invariant(3)
def test_the_database_has_no_room_while_the_journal_has(tmp_path: Path) -> None:
    with Scene() as scene:
        here, disk, clinic = scene.begin(tmp_path, "other", "other/hie.db")
        here.rows = rows_of(tmp_path / "other" / "hie.db")  # type: ignore[method-assign]
        assert clinic.mllp()[0] == "CA"
        here.settled(LONG)
        here.until(lambda: len(here.mllp.seen) == 1, "delivered", LONG)
        disk.fill()
        # room that the write-ahead log has already is used up first
        here.until(lambda: clinic.mllp()[0] == "CA" and not clinic.ready()[0], "the engine cannot commit", LONG)
        assert "engine" in clinic.ready()[1]
        assert clinic.mllp()[0] == "CA"
        told = len(here.mllp.seen)
        last = max(clinic.acknowledged, key=lambda control_id: int(control_id[1:]))
        assert last not in [control_id for control_id, _ in here.mllp.seen]
        assert len(here.mllp.seen) == told
        disk.clear()
        clinic.recovered()


def rows_of(file: Path) -> Callable[..., list[tuple[Any, ...]]]:
    import sqlite3

    def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    return rows


@pytest.mark.invariant(1)
def test_read_only_and_writable_again(tmp_path: Path) -> None:
    with Scene() as scene:
        here, disk, clinic = scene.begin(tmp_path, "var/journal")
        # before its first arrival the journal has no file open there: later the kernel would refuse
        disk.remount("ro")
        clinic.refused("journal")
        assert "read-only" in clinic.ready()[1]["journal"] or "take" in clinic.ready()[1]["journal"]
        disk.remount("rw")
        clinic.recovered()


@pytest.mark.invariant(1)
def test_a_disk_that_fails_under_load_and_is_repaired(tmp_path: Path) -> None:
    with Scene() as scene:
        here, disk, clinic = scene.begin(tmp_path, "var")
        for _ in range(5):
            assert clinic.mllp()[0] == "CA"
        disk.fail()
        assert clinic.mllp(enhanced=False) == ("AE", "207")
        assert not clinic.ready()[0]
        here.node.kill()
        here.until(lambda: disk.repair() is None, "repaired", LONG)
        here.start()
        clinic.recovered()
