"""The region running: node, ten subscribers' ends, and the hand that kills."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress

import psycopg

from hie.simulation.ledger import CountingSink
from hie.simulation.process import NodeProcess
from hie.simulation.subscribers import FhirSubscriber
from tests.region.broker import Consumer
from tests.region.configuration import Places

HURTS = (
    *("engine", "engine-1") * 4,
    *("intake",) * 3,
    *("pool-0", "pool-1", "web", "node"),
    *("sleeping-subscriber", "database-sessions", "frozen-engine") * 2,
    "broker-connections",
)


class World:
    def __init__(self, places: Places, seed: int) -> None:
        self.places = places
        self.chance = random.Random(f"hurt {seed}")
        self.wards = [CountingSink() for _ in places.mllp]
        self.practices = [FhirSubscriber(port) for port in places.fhir]
        self.consumers: dict[str, Consumer] = {}
        self.node = NodeProcess(places.directory / "hie.yaml", places.directory / "node.log")
        self.hurt: Counter[str] = Counter()

    async def start(self) -> None:
        for ward, port in zip(self.wards, self.places.mllp, strict=True):
            await ward.start("127.0.0.1", port)
        for practice in self.practices:
            await practice.start()
        await self._start_node()
        # the node declares the queues it writes to; a consumer that comes first waits
        self.consumers = {name: Consumer(self.places.queue(name)) for name in ("bus", "registry")}

    async def _start_node(self) -> None:
        ports = [self.places.north, self.places.river, self.places.http]
        await asyncio.to_thread(self.node.start, ports, 90)

    async def stop(self) -> int:
        code = await asyncio.to_thread(self.node.stop, 90)
        for consumer in self.consumers.values():
            await asyncio.to_thread(consumer.stop)
        for ward in self.wards:
            await ward.stop()
        for practice in self.practices:
            await practice.stop()
        return code

    async def hurt_until(self, stop: asyncio.Event, least: float, most: float) -> None:
        """One of HURTS every `least` to `most` seconds."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.chance.uniform(least, most))
                return
            what = self.chance.choice(HURTS)
            print(f"  {time.strftime('%H:%M:%S')}  {what}", flush=True)
            await self._hurt(what)
            self.hurt[what] += 1

    async def _hurt(self, what: str) -> None:
        if what == "node":
            self.node.kill()
            await asyncio.sleep(self.chance.uniform(0, 2))
            await self._start_node()
        elif what == "sleeping-subscriber":
            ward = self.chance.choice(self.wards)
            ward.refuse = True
            await asyncio.sleep(self.chance.uniform(2, 8))
            ward.refuse = False
        elif what == "database-sessions":
            await asyncio.to_thread(self._end_sessions)
        elif what == "broker-connections":
            await asyncio.to_thread(
                subprocess.run, ["rabbitmqctl", "close_all_connections", "drill"], capture_output=True, timeout=60
            )
        elif what == "frozen-engine":
            # longer than a claim lasts: it must find on waking that others have taken over
            pid = self._pid(self.chance.choice(("engine", "engine-1")))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(self.chance.uniform(10, 14))
                os.kill(pid, signal.SIGCONT)
        else:
            with suppress(ProcessLookupError):
                os.kill(self._pid(what), signal.SIGKILL)

    def _pid(self, name: str) -> int:
        while True:
            with suppress(ValueError):
                return self.node.child(self.places.directory / "var", name)
            time.sleep(0.01)

    def _end_sessions(self) -> None:
        with psycopg.connect(self.places.database.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
