"""What only the journal in files has: durability pragmas, a full disk, space left for others."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from hie.errors import StoreUnavailable
from hie.intake import dayfile
from hie.intake.writer import JournalWriter
from tests.databases import EMBEDDED
from tests.intake.store import Store, arrival


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(EMBEDDED, tmp_path)


@pytest.mark.invariant(1)
def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    db = dayfile.open_writer(tmp_path, "2026-01-02")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


@pytest.mark.invariant(1)
def test_a_full_disk_is_told_and_recovered_from(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(journal: JournalWriter) -> None:
        await journal.submit(arrival("A"))
        full = True
        real = dayfile.insert

        def insert(db: sqlite3.Connection, rows: object) -> None:
            real(db, rows)  # type: ignore[arg-type]
            if full:
                raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(dayfile, "insert", insert)
        results = await asyncio.gather(*(journal.submit(arrival(f"B{n}")) for n in range(3)), return_exceptions=True)
        assert all(isinstance(result, StoreUnavailable) for result in results)
        assert not journal.healthy
        full = False
        receipt = await journal.submit(arrival("B0"))
        assert receipt.duplicate_of == ""
        assert journal.healthy

    store.session(body)
    assert [e.envelope.keys.control_id for e in store.reader().read()] == [b"A", b"B0"]


def test_the_last_of_the_disk_is_left_to_the_others(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        store.submit(arrival(), reserve_bytes=1 << 60)
    assert store.reader().read() == []
