"""Acknowledgements slow down while the node is behind, never for ever, and never before the commit."""

from __future__ import annotations

import asyncio
import time

from hie.intake.position import Position
from hie.intake.pressure import Pressure, Progress
from hie.model import Arrival, Receipt

ARRIVAL = Arrival("f", "hl7v2", b"", "", None)


def receipts() -> object:
    count = 0

    async def accept(_: Arrival) -> Receipt:
        nonlocal count
        count += 1
        return Receipt(Position("2026-01-01", count).message_id)

    return accept


def test_nobody_waits_while_the_node_keeps_up() -> None:
    async def run() -> float:
        progress = Progress()
        pressure = Pressure(receipts(), progress, limit=10)  # type: ignore[arg-type]
        started = time.perf_counter()
        for n in range(200):
            progress.write(Position("2026-01-01", n), 0)
            await pressure(ARRIVAL)
        return time.perf_counter() - started

    assert asyncio.run(run()) < pressure_longest()


def pressure_longest() -> float:
    return 1.0


def test_a_receipt_waits_until_there_is_room() -> None:
    async def run() -> tuple[bool, bool]:
        progress = Progress()
        progress.write(Position("2026-01-01", 0), 50)
        pressure = Pressure(receipts(), progress, limit=10, longest=60)  # type: ignore[arg-type]
        task = asyncio.create_task(pressure(ARRIVAL))
        await asyncio.sleep(0.05)
        held = not task.done()
        progress.write(Position("2026-01-01", 1), 0)
        await asyncio.wait_for(task, 5)
        return held, task.done()

    assert asyncio.run(run()) == (True, True)


def test_an_engine_that_is_away_costs_a_delay_not_the_message() -> None:
    async def run() -> list[Receipt]:
        progress = Progress()
        progress.write(Position("2026-01-01", 0), 1000)
        pressure = Pressure(receipts(), progress, limit=10, longest=0.05)  # type: ignore[arg-type]
        return await asyncio.wait_for(asyncio.gather(*(pressure(ARRIVAL) for _ in range(20))), 5)

    assert len(asyncio.run(run())) == 20
