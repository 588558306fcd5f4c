"""How many bytes a stopped node keeps for each byte that came in, by what they are for. SQLite only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

PARTS = {
    "delivery": "outbox",
    "disclosure": "outbox",
    "message": "outbox",
    "audit": "audit",
    "record": "record",
    "record_version": "record",
    "resource": "record",
}
"""Table -> part; identity and the rest are `other`. The journal is files of its own."""
_PAGES = "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1"


def stored(var: Path) -> dict[str, int]:
    """Bytes of the pages of the journal, and of each part of the database, indexes included. What a write-ahead log holds
    besides is bounded, and gone after a clean stop."""
    found = {"journal": sum(sum(_pages(day).values()) for day in (var / "journal").glob("*.db"))}
    for table, size in _pages(var / "hie.db").items():
        part = PARTS.get(table, "identity" if table.startswith("mpi") else "other")
        found[part] = found.get(part, 0) + size
    return found


def _pages(file: Path) -> dict[str, int]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return dict(connection.execute(_PAGES).fetchall())
    finally:
        connection.close()


def ratios(before: dict[str, int], after: dict[str, int], received: int) -> dict[str, float]:
    """Bytes kept for each byte received: by part, `edges` (journal, outbox and audit), and everything."""
    grown = {part: after[part] - before.get(part, 0) for part in after}
    edges = sum(grown.get(part, 0) for part in ("journal", "outbox", "audit"))
    totals = {"edges": edges, "with_record": edges + grown.get("record", 0), "everything": sum(grown.values())}
    return {part: round(size / max(1, received), 2) for part, size in {**grown, **totals}.items()}
