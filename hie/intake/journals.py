"""Which journal a node has: SQLite day files under its state directory, or PostgreSQL where its database is one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from hie.intake.dedupe import Window
from hie.intake.journal import Journal
from hie.intake.payload import Seal
from hie.intake.position import START, Position
from hie.intake.postgres import is_postgres
from hie.intake.reader import Entry, Reader
from hie.intake.writer import JournalWriter
from hie.ports import Meter

JOURNAL = "journal"
"""Folder of the day files under the state directory."""


class JournalReader(Protocol):
    """What the other processes need of a journal, whatever keeps it."""

    def read(self, after: Position = START, limit: int = 500) -> list[Entry]: ...

    def get(self, message_id: str) -> Entry: ...

    def get_all(self, message_ids: Collection[str]) -> dict[str, Entry]: ...

    def latest(self) -> Position: ...

    def days(self) -> list[str]: ...

    def close(self) -> None: ...

    def __enter__(self) -> JournalReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None: ...


def open_writer(
    database_url: str,
    directory: Path,
    windows: Mapping[str, Window],
    *,
    history: Collection[str] = (),
    wake: int = -1,
    seal: Seal | None = None,
    meter: Meter | None = None,
) -> JournalWriter:
    """Not started yet. `windows` and `history` (feeds that wait until nothing live does) may grow later."""
    if is_postgres(database_url):
        from hie.intake.postgres_journal import PostgresJournal

        return PostgresJournal(database_url, windows, history=history, wake=wake, seal=seal, meter=meter)
    return Journal(directory, windows, wake=wake, seal=seal, meter=meter)


def open_reader(database_url: str, directory: Path, *, seal: Seal | None = None) -> JournalReader:
    """Opens nothing yet: the first question does. `directory` is that of the day files."""
    if is_postgres(database_url):
        from hie.intake.postgres_reader import PostgresReader

        return PostgresReader(database_url, seal=seal)
    return Reader(directory, seal=seal)
