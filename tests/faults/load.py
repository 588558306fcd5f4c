"""Clinics that insist: each connection sends its messages one after the other and resends until it is answered.

What they hold an acknowledgement for is the senders' half of the ledger.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import httpx

from hie.simulation import messages
from hie.simulation.people import Someone, someone
from hie.simulation.wire import Sender
from tests.node import Site

POSITIVE = ("AA", "CA")


class Load:
    """`connections` MLLP senders and one that posts the same kind of message over HTTP."""

    def __init__(self, site: Site, seed: int, connections: int = 4, people: int = 3, pace: float = 0.0) -> None:
        self.site = site
        self.run_name = f"R{seed}"
        self.pace = pace
        """Seconds of rest after each answer, so that a long run does not end in a long backlog."""
        self.acknowledged: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.resends = 0
        self.enough = asyncio.Event()
        self._chance = random.Random(seed)
        self._people = [[someone(self._chance) for _ in range(people)] for _ in range(connections + 1)]

    def message(self, connection: int, number: int) -> tuple[str, bytes]:
        """The `number`th of a connection: every patient of a connection belongs to it alone."""
        people = self._people[connection]
        index = number % len(people)
        person: Someone = people[index]
        control_id = f"{self.run_name}-{connection}-{number}"
        mrn = f"{self.run_name}{connection:02d}{index:02d}"
        sending = ("NORTH", "NORTHEHR", "NORTHCLINIC")
        if number % 3 == 2:
            return control_id, messages.laboratory(person, mrn, *sending, control_id, f"{number:06d}", self._chance)
        kind = "A04" if number < len(people) else "A08"
        return control_id, messages.admission(person, mrn, *sending, kind, control_id, f"V{mrn}")

    async def run(self, count: int = 1_000_000) -> None:
        """Until each connection has sent `count`, or `enough` is set and what is in hand has been answered."""
        wires = range(len(self._people) - 1)
        await asyncio.gather(*(self._mllp(n, count) for n in wires), self._posts(len(self._people) - 1, count))

    async def _mllp(self, connection: int, count: int) -> None:
        sender = Sender("127.0.0.1", self.site.north)
        for number in range(count):
            if self.enough.is_set():
                break
            control_id, message = self.message(connection, number)
            self._answered(control_id, (await sender.send(message, 60)).decode())
            await asyncio.sleep(self.pace)
        self.resends += sender.resends
        await sender.close()

    async def _posts(self, connection: int, count: int) -> None:
        headers = {"authorization": f"Bearer {self.site.token('reports')}"}
        async with httpx.AsyncClient(base_url=self.site.base, headers=headers, timeout=5, trust_env=False) as client:
            for number in range(count):
                if self.enough.is_set():
                    break
                control_id, message = self.message(connection, number)
                while True:
                    with suppress(httpx.TransportError):
                        answer = await client.post("/intake/reports", content=message)
                        if answer.status_code < 500:
                            break
                    self.resends += 1
                    await asyncio.sleep(0.05)
                await asyncio.sleep(self.pace)
                self._answered(control_id, "AA" if answer.status_code == 202 else str(answer.status_code))

    def _answered(self, control_id: str, code: str) -> None:
        if code in POSITIVE:
            self.acknowledged.append(control_id)
        else:
            self.refused.append((control_id, code))
