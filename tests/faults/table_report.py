"""`make faults`: the fault table and the neighbours, run against a node, as a report in Markdown.

`python -m tests.faults.table_report [--rows-only]` prints it and writes `var/faults.md`. Exit 1 where a row differs.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.faults.table import ROWS
from tests.faults.table_numbers import NEIGHBOURS, measure
from tests.faults.table_site import TableSite

REPORT = Path("var/faults.md")
SECONDS = 12.0


def rows(site: TableSite) -> Iterable[tuple[bool, str]]:
    """Each row: whether what came is what was expected, and its line."""
    for row in ROWS:
        came = asyncio.run(site.play(row.script))
        good = came == list(row.expected)
        cells = [row.name, row.sent, "; ".join(row.expected), "; ".join(came), "as expected" if good else "**differs**"]
        yield good, "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    lines = ["# Faults", "", "| fault | sent | expected | came | |", "|---|---|---|---|---|"]
    all_good = True
    with tempfile.TemporaryDirectory(prefix="hie-faults-") as folder:
        site = TableSite(Path(folder))
        try:
            site.start()
            for good, line in rows(site):
                all_good &= good
                lines.append(line)
                print(line, file=sys.stderr)
            if "--rows-only" not in arguments:
                lines += ["", *numbers(site)]
        finally:
            site.close()
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0 if all_good else 1


def numbers(site: TableSite) -> Iterable[str]:
    yield "Acknowledgement times of good senders in milliseconds, alone and beside a neighbour on another feed:"
    yield ""
    yield "| neighbour | messages | p50 alone | p99 alone | p50 | p99 | p99 by |"
    yield "|---|---|---|---|---|---|---|"
    for neighbour, words in NEIGHBOURS.items():
        m = measure(site, neighbour, SECONDS)
        times = f"{m.alone_p50:.1f} | {m.alone_p99:.1f} | {m.p50:.1f} | {m.p99:.1f}"
        yield f"| {words} | {m.messages} | {times} | {m.factor:.2f} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
