"""Invariant 5, the hardest case: a defect of our own in one delivery. It ends where an operator sees it; the others go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hie.delivery.schedule import Entry
from hie.engine.dispatch import Dispatcher
from hie.gate import Gate, Prepared
from hie.metrics import NoMeter
from hie.model import DeliveryState
from tests.databases import Database
from tests.invariants.bench import Bench


class Memory:
    """A sink that takes everything."""

    idempotent = True

    def __init__(self, taken: list[str]) -> None:
        self.taken = taken

    async def send(self, payload: bytes, key: str) -> str:
        self.taken.append(key)
        return "200"

    async def close(self) -> None:
        pass


class Poisoned(Gate):
    """A gate that meets a defect in one delivery: in the decision, or in T1."""

    poison = 0
    where = "prepare"

    def prepare(self, connection: Any, subscriber: Any, ids: Sequence[int]) -> list[Prepared]:
        if self.where == "prepare" and self.poison in ids:
            raise KeyError("PID|1||12345||DOE")
        return super().prepare(connection, subscriber, ids)

    def begin(self, connection: Any, subscriber: Any, prepared: Sequence[Prepared]) -> Any:
        if self.where == "begin" and self.poison in [p.delivery_id for p in prepared]:
            raise TypeError("a defect")
        return super().begin(connection, subscriber, prepared)


class Brittle(Dispatcher):
    """Broken: a defect ends the dispatcher, and with it the engine, which meets it again when it comes back."""

    async def _begin(self, entries: Sequence[Entry]) -> None:
        await self._first_transaction({entry.id: entry for entry in entries})


async def dispatched(bench: Bench, ids: Sequence[int], kind: type[Dispatcher] = Dispatcher) -> list[str]:
    taken: list[str] = []
    with ThreadPoolExecutor(1) as preparing:
        dispatcher = kind(
            bench.subscriber, bench.gate, bench.reader, bench.writer, lambda: Memory(taken), NoMeter(), preparing, random.Random(1)
        )  # fmt: skip
        dispatcher.add([Entry(id, (f"key-{id}",), 0.0, 0.0) for id in ids])
        running = asyncio.create_task(dispatcher.run())
        for _ in range(200):
            await asyncio.sleep(0.02)
            if running.done() or not len(dispatcher.schedule):
                break
        dispatcher.stop()
        await asyncio.gather(running, return_exceptions=True)
    return taken


def held_up(bench: Bench, ids: Sequence[int]) -> list[str]:
    """Deliveries of others that did not go because one was poisoned."""
    return [f"{id}: {state}" for id in ids if (state := bench.row(id).state) != DeliveryState.DELIVERED]


@pytest.mark.invariant(2, 5, 8)
@pytest.mark.parametrize("where", ["prepare", "begin"])
def test_a_defect_costs_the_one_delivery(tmp_path: Path, database: Database, where: str) -> None:
    bench = Bench(tmp_path, Poisoned, database=database)
    ids = [bench.admit()[0] for _ in range(7)]
    bench.gate.poison, bench.gate.where = ids[3], where  # type: ignore[attr-defined]
    taken = asyncio.run(dispatched(bench, ids))
    others = [id for id in ids if id != ids[3]]
    assert held_up(bench, others) == []
    assert len(taken) == len(set(taken)) == 6
    row = bench.row(ids[3])
    assert (row.state, row.reason) == (DeliveryState.DEAD_LETTERED, "internal-error")
    assert "12345" not in row.text
    bench.close()


@pytest.mark.broken(5)
def test_a_dispatcher_that_dies_of_one_delivery_is_caught(tmp_path: Path, database: Database) -> None:
    bench = Bench(tmp_path, Poisoned, database=database)
    ids = [bench.admit()[0] for _ in range(7)]
    bench.gate.poison = ids[3]  # type: ignore[attr-defined]
    asyncio.run(dispatched(bench, ids, Brittle))
    assert len(held_up(bench, [id for id in ids if id != ids[3]])) == 6
    bench.close()


@pytest.mark.invariant(2)
def test_a_purge_between_the_decision_and_t1_ends_it_there(tmp_path: Path, database: Database) -> None:
    class Purging(Gate):
        def begin(self, connection: Any, subscriber: Any, prepared: Sequence[Prepared]) -> Any:
            from hie.store import subscribers

            subscribers.purge(connection, [ids[0]], "meanwhile", 0.0)
            return super().begin(connection, subscriber, prepared)

    bench = Bench(tmp_path, Purging, database=database)
    ids = [bench.admit()[0] for _ in range(3)]
    taken = asyncio.run(dispatched(bench, ids))
    assert len(taken) == 2
    assert bench.row(ids[0]).state == DeliveryState.PURGED
    assert held_up(bench, ids[1:]) == []
    bench.close()
