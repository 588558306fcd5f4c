"""Acknowledgements slow down while the node is behind, never for ever, and never before the commit."""

from __future__ import annotations

import asyncio
import time

import pytest

from hie.intake import pressure as pressure_module
from hie.intake.position import Position
from hie.intake.pressure import BESIDE_LIVE, HISTORY, LIVE_SECONDS, Pressure, Progress
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


PAST = Arrival("past", "hl7v2", b"", "", None)


class Node:
    """Intake's side of a node that applies nothing until told."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.progress.write(Position("2026-01-01", 0), 0)
        self.taken: list[str] = []
        self.pressure = Pressure(self.accept, self.progress, limit=1000, history={"past"})

    async def accept(self, arrival: Arrival) -> Receipt:
        self.taken.append(arrival.feed)
        return Receipt(Position("2026-01-01", len(self.taken)).message_id)

    def apply(self, undelivered: int = 0) -> None:
        self.progress.write(Position("2026-01-01", len(self.taken)), undelivered)

    async def takes(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.taken) < number:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert len(self.taken) == number


def test_history_is_let_in_a_little_at_a_time_and_live_at_once() -> None:
    async def run() -> None:
        node = Node()
        history = [asyncio.create_task(node.pressure(PAST)) for _ in range(200)]
        await node.takes(HISTORY)
        await asyncio.wait_for(node.pressure(ARRIVAL), 1)  # nobody stands before it
        assert node.taken[-1] == "f"
        node.apply(undelivered=BESIDE_LIVE)  # deliveries count as well
        await node.takes(HISTORY + 1)
        node.apply(undelivered=0)
        await node.takes(HISTORY + 1 + BESIDE_LIVE)  # a live one came a moment ago
        await asyncio.sleep(LIVE_SECONDS)
        await node.takes(HISTORY + 1 + HISTORY)
        while not all(task.done() for task in history):
            node.apply()
            await asyncio.sleep(0.01)
        assert len(node.taken) == 201
        assert node.pressure._entering == 0

    asyncio.run(run())


def test_history_that_is_given_up_takes_nobodys_place() -> None:
    async def run() -> None:
        node = Node()
        given_up = [asyncio.create_task(node.pressure(PAST)) for _ in range(HISTORY + 50)]
        await node.takes(HISTORY)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        others = [asyncio.create_task(node.pressure(PAST)) for _ in range(3)]
        await node.takes(HISTORY)
        node.apply()
        await asyncio.wait_for(asyncio.gather(*others), 5)
        assert node.pressure._entering == 0

    asyncio.run(run())


def test_history_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure_module, "HISTORY_SECONDS", 0.1)

    async def run() -> None:
        node = Node()
        node.progress.write(Position("2026-01-01", 0), 10_000)
        await asyncio.wait_for(node.pressure(PAST), 5)

    asyncio.run(run())
