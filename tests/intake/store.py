"""A journal of a test's own on either database, and arrivals for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hie.intake import dayfile, partition
from hie.intake.journal import Journal
from hie.intake.journals import JournalReader, open_reader
from hie.intake.postgres import connect
from hie.intake.postgres_journal import PostgresJournal
from hie.intake.writer import JournalWriter
from hie.model import Arrival, Keys, Receipt
from tests.databases import SQLITE, Database

T = TypeVar("T")
DAY_ONE = 1_767_312_000.0  # 2026-01-02 00:00 UTC


class Clock:
    def __init__(self, now: float = DAY_ONE + 3600) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def arrival(
    control: str = "C1", body: str = "x", *, feed: str = "north", stamp: str = "20260102", **more: object
) -> Arrival:
    raw = f"MSH|^~\\&|A|B|C|D|{stamp}||ADT^A08|{control}|P|2.5\rPID|||7\rZ|{body}\r".encode()
    keys = Keys("hl7v2", control.encode(), "ADT^A08", ("X|MR|7", "X|MR|8"), "A|B", "P")
    return Arrival(feed, "hl7v2", raw, "127.0.0.1", **{"keys": keys, **more})  # type: ignore[arg-type]


class Store:
    """`opens` makes a writer of it, as many as are wanted."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.directory = directory

    @property
    def url(self) -> str:
        return self.database.url(self.directory)

    def opens(self, **options: object) -> JournalWriter:
        if self.database.kind == SQLITE:
            return Journal(self.directory, **{"reserve_bytes": 0, **options})  # type: ignore[arg-type]
        return PostgresJournal(self.url, **options)  # type: ignore[arg-type]

    def reader(self, **options: object) -> JournalReader:
        return open_reader(self.url, self.directory, **options)  # type: ignore[arg-type]

    def session(self, body: Callable[[JournalWriter], Awaitable[T]], **options: object) -> T:
        async def inside() -> T:
            journal = self.opens(**options)
            journal.start()
            try:
                return await body(journal)
            finally:
                await journal.close()

        return asyncio.run(inside())

    def submit(self, *arrivals: Arrival, **options: object) -> list[Receipt]:
        async def body(journal: JournalWriter) -> list[Receipt]:
            return list(await asyncio.gather(*(journal.submit(one) for one in arrivals)))

        return self.session(body, **options)

    def stored(self) -> bytes:
        """Whatever the journal holds of raw bytes, as it lies there."""
        if self.database.kind == SQLITE:
            return b"".join(path.read_bytes() for path in self.directory.iterdir())
        with connect(self.url) as connection:
            return b"".join(raw for (raw,) in connection.execute("SELECT raw FROM arrival"))

    def remove(self, before: str) -> list[str]:
        if self.database.kind == SQLITE:
            return dayfile.remove(self.directory, before)
        with connect(self.url) as connection:
            connection.execute("DELETE FROM pending")
            return partition.remove(connection, before)
