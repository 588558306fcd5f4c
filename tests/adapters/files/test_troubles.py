"""Shares that go away, disks that fill, rights that are missing, nodes that die: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.files.lease import Lease
from hie.intake.budget import Budget
from hie.model import Arrival, Receipt
from tests.adapters.files.inbox import Inbox, Journal, adt, watching


def run(test: Any) -> None:
    asyncio.run(test)


def told(caplog: pytest.LogCaptureFixture, event: str = "folder-trouble") -> list[str]:
    return [f"{r.where}:{r.reason}" for r in caplog.records if r.getMessage() == event]  # type: ignore[attr-defined]


def fill(file: Path) -> None:
    """Takes every byte that is left."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        while opened.write(b"x" * 256):
            pass


def use_up(disk: Path) -> list[Path]:
    """Makes as many files as there is room for."""
    made: list[Path] = []
    with suppress(OSError):
        while True:
            file = disk / f".{len(made)}"
            file.touch()
            made.append(file)
    return made


def test_a_folder_that_is_not_there_is_waited_for_and_never_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    share = tmp_path / "share"
    caplog.set_level(logging.INFO)

    async def story() -> None:
        async with watching(share) as inbox:
            await asyncio.sleep(0.2)
            assert not share.exists()
            share.mkdir()
            inbox.put("a", adt(1))
            await inbox.ends(1)
            share.rename(tmp_path / "away")  # the share goes away
            await inbox.until(lambda: inbox.meter.counts[("hie_feed_connected", "north")] == 0)
            (tmp_path / "away").rename(share)
            inbox.put("b", adt(2))
            await inbox.ends(2)
            assert inbox.journal.ids == ["C-1", "C-2"]
            assert inbox.meter.counts[("hie_folder_failures_total", "north", "gone")] > 2

    run(story())
    assert told(caplog) == ["folder:gone", "folder:gone"]
    assert told(caplog, "folder-well-again") == ["folder:gone", "folder:gone"]
    assert str(tmp_path) not in caplog.text.replace(os.fspath(Path(__file__)), "")


def test_a_full_disk_moves_the_file_and_gives_up_the_note(small_disk: Path) -> None:
    """Accepted messages do not come again for ever."""

    async def story() -> None:
        async with watching(small_disk) as inbox:
            inbox.put("a", adt(1))
            await inbox.ends(1)
            inbox.put("b", b"".join([adt(2), adt(3).replace(b"A08", b"QQ"), adt(4)]))
            filler = small_disk / ".filler"
            fill(filler)
            await inbox.until(lambda: "b" in inbox.ended())
            await asyncio.sleep(0.3)
            assert inbox.journal.ids == ["C-1", "C-2", "-", "C-4"]
            assert [p.name for p in inbox.files("refused")] == []  # no half of a note, and no half of a message
            assert inbox.meter.counts[("hie_folder_failures_total", "north", "full")] > 0
            filler.unlink()

    run(story())


def test_a_disk_without_room_for_a_folder(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No inode is left for `done`: the file stays in hand, its messages are stored once, and it ends when there is room."""

    async def story() -> None:
        async with watching(small_disk) as inbox:
            await inbox.until(lambda: inbox.meter.counts[("hie_feed_connected", "north")])
            (small_disk / "a.tmp").write_bytes(adt(1))
            fillers = use_up(small_disk)
            (small_disk / "a.tmp").rename(small_disk / "a")
            await inbox.until(lambda: inbox.meter.counts[("hie_folder_failures_total", "north", "full")] > 3)
            assert inbox.journal.ids == ["C-1"]
            for filler in fillers:
                filler.unlink()
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1"]

    run(story())
    assert told(caplog) == ["move:full"]


def test_a_file_that_may_not_be_read_is_told_once_and_stops_nobody(
    unprivileged: Callable[[], Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        folder = unprivileged()
        async with watching(folder) as inbox:
            sealed = inbox.put("a", adt(1))
            sealed.chmod(0)
            os.utime(sealed, (1, 1))
            inbox.put("b", adt(2))
            await inbox.ends(1)
            await inbox.until(lambda: inbox.meter.counts[("hie_folder_failures_total", "north", "permission")] > 3)
            assert inbox.journal.ids == ["C-2"]
            sealed.chmod(0o600)
            await inbox.ends(2)
            assert inbox.journal.ids == ["C-2", "C-1"]

    run(story())
    assert told(caplog) == ["file:permission"]
    assert told(caplog, "folder-well-again") == ["file:permission"]


def test_a_folder_that_may_not_be_written_is_told_once(
    unprivileged: Callable[[], Path], caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        folder = unprivileged()
        (folder / "a").write_bytes(adt(1))
        folder.chmod(0o500)
        async with watching(folder) as inbox:
            await inbox.until(lambda: inbox.meter.counts[("hie_folder_failures_total", "north", "permission")] > 3)
            assert inbox.journal.ids == []
            folder.chmod(0o700)
            await inbox.ends(1)

    run(story())
    assert told(caplog) == ["folder:permission"]


def test_a_journal_that_is_away_keeps_the_file_and_the_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()

    async def story() -> None:
        journal.broken = True
        async with watching(tmp_path, journal) as inbox:
            inbox.put("a", b"".join(adt(n, "same") for n in range(5)))
            inbox.put("b", adt(9))
            await asyncio.sleep(0.3)
            assert inbox.ended() == {}
            journal.broken = False
            await inbox.ends(2)
            assert journal.ids == ["C-0", "C-1", "C-2", "C-3", "C-4", "C-9"]

    run(story())
    assert told(caplog) == ["journal:away"]


@pytest.mark.invariant(1)
def test_a_node_that_dies_with_a_file_in_hand(tmp_path: Path) -> None:
    """Between the commit and the move: taken again, known as repeats, ended once."""
    journal = Journal()

    async def story() -> None:
        died = Inbox(tmp_path, journal)
        died.watcher.endings.end = lambda *_: (_ for _ in ()).throw(OSError(28, ""))  # type: ignore[method-assign]
        await died.watcher.start()
        died.put("a", adt(1) + adt(2))
        died.put("a2", adt(3))
        await died.until(lambda: len(journal.ids) == 2)
        for task in died.watcher._tasks:  # as a kill would leave it: nothing is released
            task.cancel()
        async with watching(tmp_path, journal) as inbox:
            assert inbox.ended() == {}
            await inbox.ends(2)
            assert journal.ids == ["C-1", "C-2", "C-1", "C-2", "C-3"]
            assert sorted(inbox.ended()) == ["a", "a2"]
            assert inbox.meter.counts[("hie_files_total", "north", "repeated")] == 1

    run(story())


def test_a_large_file_is_given_back_when_the_node_stops(tmp_path: Path) -> None:
    journal = Journal()
    journal.delay = 0.05

    async def story() -> None:
        async with watching(tmp_path, journal, in_flight=1) as inbox:
            inbox.put("a", b"".join(adt(n) for n in range(200)))
            await inbox.until(lambda: len(journal.ids) > 3)
        assert (tmp_path / "a").exists()
        assert os.listdir(tmp_path / ".taking") == []
        journal.delay = 0
        async with watching(tmp_path, journal) as inbox:
            await inbox.ends(1)
        assert set(journal.ids) == {f"C-{n}" for n in range(200)}

    run(story())


def test_two_nodes_on_one_folder_never_take_the_same_file(tmp_path: Path) -> None:
    one, other = Journal(), Journal()
    for number in range(30):
        (tmp_path / f"{number:02d}").write_bytes(adt(number))

    async def story() -> None:
        async with watching(tmp_path, one) as first, watching(tmp_path, other) as second:
            await first.lie(20)
            # whichever of them came first holds the folder; once it stops, the other has the rest
            await (first if one.ids else second).watcher.drain(5)
            for number in range(30, 60):
                first.put(f"{number:02d}", adt(number))
            await first.lie(60)
        assert sorted([*one.ids, *other.ids]) == sorted(f"C-{n}" for n in range(60))
        assert one.ids
        assert other.ids

    run(story())


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_has_one_holder_and_one_successor(tmp_path: Path) -> None:
    clock = Clock()
    leases = [Lease(tmp_path, 10, clock) for _ in range(4)]
    dead, *others = leases
    assert dead.hold()
    (dead.hand / "file").write_bytes(b"x")
    for step in range(30):
        clock.now += 1
        if step < 5:
            dead.renew()
        holders = [lease for lease in others if lease.hold()]
        assert len(holders) <= 1
        assert step > 5 or not holders
    assert len(holders) == 1
    assert [p.name for p in holders[0].in_hand()] == ["file"]
    assert not dead.hold()


def test_two_that_took_over_at_once_settle_on_one(tmp_path: Path) -> None:
    clock = Clock()
    dead, gone, one, other = (Lease(tmp_path, 10, clock) for _ in range(4))
    (tmp_path / ".taking" / f"{dead.token}.1").mkdir(parents=True)
    (tmp_path / ".taking" / f"{gone.token}.1").mkdir()
    (tmp_path / ".taking" / f"{dead.token}.1").rename(tmp_path / ".taking" / f"{one.token}.1")
    (tmp_path / ".taking" / f"{gone.token}.1").rename(tmp_path / ".taking" / f"{other.token}.1")
    one._last = other._last = 1
    for _ in range(60):
        clock.now += 1
        holding = [lease.hold() for lease in (one, other)]
        assert sum(holding) <= 1
    assert sum(holding) == 1


def test_a_file_waits_for_memory_and_counts_while_it_is_held(tmp_path: Path) -> None:
    class Shared(Journal):
        budget = Budget(1000)

        async def __call__(self, arrival: Arrival) -> Receipt:
            held.append(self.budget.used)
            return await super().__call__(arrival)

    held: list[int] = []

    async def story() -> None:
        journal = Shared()
        journal.budget.change("other", 5000)
        async with watching(tmp_path, journal) as inbox:
            inbox.put("a", adt(1))
            await asyncio.sleep(0.3)
            assert journal.ids == []
            journal.budget.change("other", -5000)
            await inbox.ends(1)
        assert held == [len(adt(1))]
        assert journal.budget.used == 0

    run(story())


def test_a_node_stops_though_its_messages_are_held_back(tmp_path: Path) -> None:
    journal = Journal()
    journal.delay = 3600

    async def story() -> None:
        async with watching(tmp_path, journal) as inbox:
            inbox.put("a", adt(1))
            await inbox.until(lambda: journal.flying)
        assert (tmp_path / "a").exists()
        assert os.listdir(tmp_path / ".taking") == []

    run(story())
