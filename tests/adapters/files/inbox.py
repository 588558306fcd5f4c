"""A folder source over a real folder, with a journal in memory that a test can break."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.files.settings import FolderSource
from adapters.files.source import Watcher
from hie.errors import StoreUnavailable
from hie.intake.opening import Opening
from hie.model import Arrival, Receipt


def adt(number: int, patient: str = "", end: str = "\r") -> bytes:
    patient = patient or str(number)
    lines = (f"MSH|^~\\&|EHR|N|HIE|R|20260102||ADT^A08|C-{number}|P|2.5.1", f"PID|||{patient}^^^N^MR||CANARY^JANE", "")
    return end.join(lines).encode()


class Meter:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[(name, *labels.values())] += int(amount)

    def observe(self, name: str, value: float, **labels: str) -> None: ...


class Journal:
    """Takes everything; `broken` refuses. Repeats are known by their bytes."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.broken = False
        self.flying = self.most = 0
        self.delay = 0.0

    async def __call__(self, arrival: Arrival) -> Receipt:
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            await asyncio.sleep(self.delay)
            if self.broken:
                raise StoreUnavailable("full")
            known = [n for n, a in enumerate(self.arrivals, 1) if a.raw == arrival.raw]
            self.arrivals.append(arrival)
            number = f"20260101-{len(self.arrivals):08d}"
            return Receipt(number, f"20260101-{known[0]:08d}" if known and arrival.refusal is None else "")
        finally:
            self.flying -= 1

    @property
    def ids(self) -> list[str]:
        """Control ids in order of arrival, repeats included; `-` for what has none."""
        return [a.keys.control_id.decode() if a.keys else "-" for a in self.arrivals]


class Inbox:
    def __init__(self, folder: Path, journal: Journal | None = None, format: str = "hl7v2", **settings: Any) -> None:
        self.folder = folder
        self.journal = journal or Journal()
        self.meter = Meter()
        quick: dict[str, Any] = {"settle_seconds": 0.05, "poll_seconds": 0.02, "lease_seconds": 0.6}
        self.settings = FolderSource(folder=str(folder), **{**quick, **settings})
        self.watcher = Watcher("north", self.settings, self.journal, self.meter, Opening("north", format))

    def put(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def ended(self, end: str = "done") -> dict[str, bytes]:
        """Names and bytes of what lies in an end folder, whatever the day, notes left out."""
        return {p.name: p.read_bytes() for p in self.files(end) if not p.name.endswith(".reason.json")}

    def files(self, end: str) -> list[Path]:
        return sorted(p for p in (self.folder / end).rglob("*") if p.is_file())

    def note(self, name: str, end: str = "refused") -> dict[str, Any]:
        (path,) = [p for p in self.files(end) if p.name == f"{name}.reason.json"]
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    async def until(self, holds: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, (self.journal.ids, self.watcher.troubles.now)
            await asyncio.sleep(0.01)

    async def ends(self, number: int) -> None:
        """Until this node has ended so many files."""
        await self.until(lambda: sum(n for k, n in self.meter.counts.items() if k[0] == "hie_files_total") >= number)

    async def lie(self, number: int) -> None:
        """Until so many files lie in `done`, whoever took them."""
        await self.until(lambda: len(self.ended()) >= number)


@asynccontextmanager
async def watching(folder: Path, journal: Journal | None = None, **settings: Any) -> AsyncIterator[Inbox]:
    inbox = Inbox(folder, journal, **settings)
    await inbox.watcher.start()
    try:
        yield inbox
    finally:
        await inbox.watcher.drain(10)
