"""The disk full, read-only or failed under a node that runs, on a real file system: senders are told at once, readiness goes
off with the reason, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.clinic import LONG, Clinic
from tests.node import Site
from tests.smalldisk import SmallDisk, small_disk

pytestmark = pytest.mark.slow


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
        ready, why = clinic.ready()
        assert not ready
        assert "disk" in why, why

        def stands() -> bool:
            """More and more is accepted; room that the write-ahead log has already is used up first."""
            assert clinic.mllp()[0] == "CA"
            return (
                "commit" in clinic.ready()[1].get("engine", "") or len(clinic.acknowledged) > len(here.mllp.seen) + 20
            )

        here.until(stands, "the engine cannot commit", LONG)
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
        _, disk, clinic = scene.begin(tmp_path, "var/journal")
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
        disk.repair()
        here.start()
        clinic.recovered()
