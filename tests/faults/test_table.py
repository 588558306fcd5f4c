"""Every row of the fault table against one running node, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.table import ROWS, Row
from tests.faults.table_site import TableSite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableSite]:
    running = TableSite(tmp_path_factory.mktemp("table"))
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.mark.slow
@pytest.mark.invariant(1)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(site: TableSite, row: Row) -> None:
    assert asyncio.run(site.play(row.script)) == list(row.expected), row.sent


def test_names_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
