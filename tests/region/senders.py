"""Six clinics that insist: each keeps what it was told is safe."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from hie.simulation import documents, messages
from hie.simulation.people import Someone, someone
from hie.simulation.wire import Sender, field
from tests.region.broker import Publisher
from tests.region.configuration import ARCHIVE, LAB, NORTH, RIVER, Places

PEOPLE = 12
AGAIN = ("AE", "CE")
"""The journal is away for a moment."""


class Senders:
    """`pace`: seconds between two messages of one connection."""

    def __init__(self, places: Places, seed: int, pace: float) -> None:
        self.places = places
        self.pace = pace
        self.chance = random.Random(seed)
        self.people = [someone(self.chance) for _ in range(PEOPLE)]
        self.accepted: dict[str, list[str]] = {}
        """Feed -> control ids (a document: its message id) that were answered for."""
        self.refused: list[tuple[str, str]] = []
        self.resends = 0
        self.enough = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(
            *(self._mllp("north", NORTH, self.places.north, n) for n in range(4)),
            *(self._mllp("river", RIVER, self.places.river, n) for n in range(4)),
            self._queue(),
            self._archive(),
            self._documents(),
            self._posts(),
        )

    def _message(self, authority: str, connection: int, number: int) -> tuple[str, bytes]:
        person: Someone = self.people[(connection + number) % 3 + 3 * (connection % 4)]
        control_id = f"{authority}-{connection}-{number}"
        mrn = f"{connection}{self.people.index(person):03d}"
        sending = (authority, f"{authority}EHR", authority)
        if number % 3 == 2:
            return control_id, messages.laboratory(person, mrn, *sending, control_id, f"{number:06d}", self.chance)
        return control_id, messages.admission(
            person, mrn, *sending, "A04" if number < 3 else "A08", control_id, f"V{mrn}"
        )

    async def _paced(self) -> AsyncIterator[int]:
        number = 0
        while not self.enough.is_set():
            yield number
            number += 1
            await asyncio.sleep(self.pace * self.chance.uniform(0.5, 1.5))

    def _took(self, feed: str, control_id: str, code: str) -> None:
        if code in ("AA", "CA", "202"):
            self.accepted.setdefault(feed, []).append(control_id)
        else:
            self.refused.append((control_id, code))

    async def _mllp(self, feed: str, authority: str, port: int, connection: int) -> None:
        sender = Sender("127.0.0.1", port)
        async for number in self._paced():
            control_id, message = self._message(authority, connection, number)
            while (code := (await sender.send(message, 120)).decode()) in AGAIN:
                self.resends += 1
                await asyncio.sleep(0.2)
            self._took(feed, control_id, code)
        self.resends += sender.resends
        await sender.close()

    async def _queue(self) -> None:
        """Publishes with confirms: what the broker confirmed is the region's to lose."""
        publisher = Publisher(self.places.queue("in"))
        async for number in self._paced():
            control_id, message = self._message(LAB, 0, number)
            await asyncio.to_thread(publisher.insist, message)
            self._took("labco", control_id, "AA")
        self.resends += publisher.resends
        publisher.close()

    async def _archive(self) -> None:
        """Ten messages a file, written under another name first, as a careful sender does."""
        async for number in self._paced():
            if number % 20:
                continue
            batch = [self._message(ARCHIVE, 0, number // 2 + n) for n in range(10)]
            file = self.places.archive / f"batch-{number:06d}.hl7"
            part = file.with_suffix(".tmp")
            part.write_bytes(b"".join(raw for _, raw in batch))
            part.rename(file)
            for control_id, _ in batch:
                self._took("archive", control_id, "AA")

    async def _documents(self) -> None:
        async for number in self._paced():
            if number % 5 == 0:
                body = documents.care_document(self.people[number % PEOPLE], f"H{number % PEOPLE}", number)
                await self._post("harbor", body, "")

    async def _posts(self) -> None:
        async for number in self._paced():
            control_id, message = self._message(NORTH, 9, number)
            await self._post("apps", message, control_id)

    async def _post(self, feed: str, body: bytes, control_id: str) -> None:
        token = (self.places.directory / "var" / "secrets" / f"{feed}.token").read_text().strip()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                    answer = await client.post(
                        f"http://127.0.0.1:{self.places.http}/intake/{feed}",
                        content=body,
                        headers={"authorization": f"Bearer {token}"},
                    )
                if answer.status_code < 500:
                    name = control_id or answer.json().get("message_id", "")
                    self._took(feed, name, str(answer.status_code))
                    return
            self.resends += 1
            await asyncio.sleep(0.2)
        self.refused.append((control_id or feed, "no answer"))


def control_id_of(message: bytes) -> str:
    return field(message, b"MSH", 10).decode("latin-1")
