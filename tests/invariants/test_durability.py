"""Invariant 1: who is acknowledged can be read back by somebody else, at that very moment, from the disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from hie.errors import StoreUnavailable
from hie.intake.journal import Journal
from hie.intake.reader import Reader
from hie.intake.writer import Submitted
from hie.model import Arrival, Keys, Receipt
from hie.ports import Accept
from hie.store.database import open_writer
from tests.databases import SQLITE, Database
from tests.faults import ledger
from tests.node import Site


def arrival(number: int) -> Arrival:
    control_id = f"D-{number}".encode()
    raw = b"MSH|^~\\&|E|N|H|R|20260101||ADT^A08|" + control_id + b"|P|2.5.1\rPID|||1^^^N^MR\r"
    return Arrival("north", "hl7v2", raw, "test", Keys("hl7v2", control_id, "ADT^A08", ("N|MR|1",)))


async def acknowledged_before_stored(accept: Accept, journal: Path, numbers: Sequence[int]) -> list[str]:
    """Control ids whose receipt came while an independent reader of the files could not see the row."""
    found: list[str] = []

    async def one(number: int) -> None:
        sent = arrival(number)
        receipt = await accept(sent)
        try:
            there = Reader(journal).get(receipt.message_id).envelope.raw == sent.raw
        except Exception:
            there = False
        if not there:
            found.append(f"D-{number}")

    await asyncio.gather(*(one(n) for n in numbers))
    return sorted(found)


class Late(Journal):
    """Broken: tells the senders first and commits afterwards."""

    def _commit(self, group: list[Submitted]) -> Sequence[Receipt | StoreUnavailable]:
        self._open()
        early: list[Receipt | StoreUnavailable] = [
            Receipt(f"{self._day.replace('-', '')}-{self._next + n:08d}") for n in range(len(group))
        ]
        self._settle(group, early)
        time.sleep(0.1)
        return super()._commit(group)


class Never(Journal):
    """Broken: skips the commit; the row is in the open transaction alone."""

    def _commit(self, group: list[Submitted]) -> Sequence[Receipt | StoreUnavailable]:
        results = super()._commit(group)
        assert self._db is not None
        self._db.execute("DELETE FROM message")
        return results


async def play(journal: Journal, directory: Path) -> list[str]:
    journal.start()
    try:
        return await acknowledged_before_stored(journal.submit, directory, range(40))
    finally:
        await journal.close()


@pytest.mark.invariant(1)
def test_a_receipt_means_that_others_can_read_it(tmp_path: Path) -> None:
    assert asyncio.run(play(Journal(tmp_path / "journal", reserve_bytes=0), tmp_path / "journal")) == []


@pytest.mark.broken(1)
@pytest.mark.parametrize("broken", [Late, Never])
def test_a_journal_that_tells_first_or_never_commits_is_caught(tmp_path: Path, broken: type[Journal]) -> None:
    found = asyncio.run(play(broken(tmp_path / "journal", reserve_bytes=0), tmp_path / "journal"))
    assert len(found) == 40


@pytest.mark.broken(1)
def test_a_source_that_acknowledges_before_the_journal_is_caught(tmp_path: Path) -> None:
    async def eager(journal: Journal) -> list[str]:
        journal.start()

        async def accept(sent: Arrival) -> Receipt:
            asyncio.get_running_loop().call_later(0.05, journal.submit, sent)
            return Receipt("20260101-00000001")

        found = await acknowledged_before_stored(accept, tmp_path / "journal", range(3))
        await asyncio.sleep(0.2)
        await journal.close()
        return found

    assert asyncio.run(eager(Journal(tmp_path / "journal", reserve_bytes=0))) == ["D-0", "D-1", "D-2"]


@pytest.mark.invariant(1)
def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """WAL with synchronous=FULL: a commit that returned survives a power cut."""
    journal = Journal(tmp_path / "journal", reserve_bytes=0)
    asyncio.run(play(journal, tmp_path / "journal"))
    from hie.intake import dayfile

    day = dayfile.open_writer(tmp_path / "journal", "2026-01-01")
    assert day.execute("PRAGMA synchronous").fetchone() == (2,)
    assert day.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    day.close()


@pytest.mark.invariant(1)
def test_an_effect_waits_for_the_disk(tmp_path: Path, database: Database) -> None:
    engine = open_writer(database.migrated(tmp_path))
    with engine.connect() as connection:
        if database.kind == SQLITE:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    engine.dispose()


@pytest.mark.invariant(1)
def test_an_intake_that_dies_before_the_commit_acknowledges_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        site.start("intake-before-commit")
        with pytest.raises(TimeoutError):
            site.send(arrival(1).raw, patience=1.5)
        assert site.journal() == []
        site.node.kill()
        site.start("intake-after-commit")
        with pytest.raises(TimeoutError):
            site.send(arrival(2).raw, patience=1.5)
        site.node.kill()
        site.start()
        assert site.send(arrival(2).raw) == "AA"
        site.settled()
        # stored but never answered: the sender's repeat is a duplicate, its effect is there once
        assert [row[0] for row in site.rows("SELECT outcome FROM message WHERE control_id = 'D-2'")].count(
            "routed"
        ) == 1
    finally:
        site.close()


@pytest.mark.broken(1, 6)
def test_the_ledger_sees_what_is_lost_and_what_comes_under_another_content() -> None:
    assert ledger.lost(["A", "B"], ["A"]) == ["lost: B"]
    assert ledger.repeats([("k", b"1"), ("k", b"1"), ("k", b"2")]) == ["other content under the key k"]
    assert ledger.keys(["A"], [("A", "k1"), ("A", "k2")]) == ["A: 2 keys"]
