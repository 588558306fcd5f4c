"""A day in the region: who lives there, what each clinic sends about them, and who takes it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import httpx

from hie.simulation import documents, messages
from hie.simulation.people import Someone, married, someone, twin
from hie.simulation.wire import Sender

NORTH, RIVER = "NORTH", "RIVER"
NORTH_URI = "urn:oid:2.16.840.1.113883.3.9999.1"


@dataclass(slots=True)
class Clinic:
    """An HL7v2 sender with its own numbering, patients spread over a few connections."""

    name: str
    authority: str
    application: str
    facility: str
    port: int
    connections: int = 3
    sent: int = 0
    acknowledged: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    senders: list[Sender] = field(default_factory=list)
    numbers: dict[Someone, str] = field(default_factory=dict)
    serial: int = 0

    def number(self, person: Someone, chance: random.Random) -> str:
        """The clinic's record number of a person; a new one at the first visit."""
        if person not in self.numbers:
            self.numbers[person] = f"{chance.randrange(100_000, 999_999)}{len(self.numbers):02d}"
        return self.numbers[person]

    @property
    def sending(self) -> tuple[str, str, str]:
        return self.authority, self.application, self.facility

    def control_id(self, person: Someone) -> str:
        self.serial += 1
        return f"{self.name}-{self.lane(person)}-{self.serial}"

    def lane(self, person: Someone) -> int:
        return sum(map(ord, self.numbers[person])) % self.connections

    async def send(self, person: Someone, message: bytes) -> None:
        """Sends and waits for the acknowledgement; a broken connection is tried again with the same control id."""
        if not self.senders:
            self.senders = [Sender("127.0.0.1", self.port) for _ in range(self.connections)]
        self.sent += 1
        code = (await self.senders[self.lane(person)].send(message, patience=30)).decode("latin-1")
        control_id = messages_control_id(message)
        if code in ("AA", "CA"):
            self.acknowledged.append(control_id)
        else:
            self.refused[code] += 1

    async def close(self) -> None:
        for sender in self.senders:
            await sender.close()

    @property
    def resends(self) -> int:
        return sum(sender.resends for sender in self.senders)


def messages_control_id(message: bytes) -> str:
    return message.split(b"\r", 1)[0].split(b"|")[9].decode("latin-1")


class Programme:
    """The treatment programme: documents and faxes over HTTP."""

    def __init__(self, base: str, tokens: dict[str, str]) -> None:
        self.client = httpx.AsyncClient(base_url=base, timeout=30, trust_env=False)
        self.tokens = tokens
        self.sent = 0
        self.acknowledged: list[str] = []

    async def send(self, feed: str, body: bytes, kind: str) -> str:
        """Posts; answers the message id of the receipt."""
        self.sent += 1
        answer = await self.client.post(
            f"/intake/{feed}",
            content=body,
            headers={"Authorization": f"Bearer {self.tokens[feed]}", "Content-Type": kind},
        )
        answer.raise_for_status()
        message_id: str = answer.json()["message_id"]
        self.acknowledged.append(message_id)
        return message_id

    async def close(self) -> None:
        await self.client.aclose()


class Cast:
    """Who plays: the same seed gives the same people."""

    def __init__(self, seed: int, crowd: int = 36) -> None:
        self.chance = chance = random.Random(seed)
        self.crowd = [someone(chance) for _ in range(crowd)]
        self.twin_one = someone(chance)
        self.twin_two = twin(self.twin_one, chance)
        self.bride = next(p for p in iter(partial(someone, chance), None) if p.sex == "F")
        self.wife = married(self.bride, chance)
        self.client = someone(chance)
        self.client_number = f"HR-{chance.randrange(1000, 9999)}"
        # the same people as the other clinic writes them down
        self.elsewhere = {person: self._as_written(person) for person in self.crowd[: crowd // 2]}

    def _as_written(self, person: Someone) -> Someone:
        """What a second clinic may have in its books: moved, another telephone, a slip of the pen, an initial left out."""
        other = someone(self.chance)
        match self.chance.randrange(4):
            case 0:
                return person.named(street=other.street, town=other.town, zip=other.zip)
            case 1:
                return person.named(phone=other.phone, middle="")
            case 2:
                i = self.chance.randrange(1, len(person.family) - 1)
                slipped = person.family[: i - 1] + person.family[i] + person.family[i - 1] + person.family[i + 1 :]
                return person.named(family=slipped)
            case _:
                return person.named(ssn="", middle=person.middle.lower())


def visits(cast: Cast, north: Clinic, river: Clinic) -> list[tuple[Clinic, Someone, str]]:
    """The day's programme: (clinic, person, kind), each person's own visits in order."""
    chance = cast.chance
    day: list[tuple[Clinic, Someone, str]] = []
    for person in cast.crowd:
        day += [(north, person, kind) for kind in ("A04", "ORU", "A08")]
    for written in cast.elsewhere.values():
        day += [(river, written, kind) for kind in ("A01", "ORU", chance.choice(("A03", "VXU", "A08")))]
    day += [(river, cast.twin_one, "A01"), (north, cast.twin_two, "A04"), (north, cast.bride, "A04")]
    day += [(river, cast.wife, "A01"), (north, cast.client, "A04"), (north, cast.client, "ORU")]
    day += [(river, chance.choice(list(cast.elsewhere.values())), "REPORT")]
    return _shuffled_keeping_order(day, chance)


def _shuffled_keeping_order(
    day: list[tuple[Clinic, Someone, str]], chance: random.Random
) -> list[tuple[Clinic, Someone, str]]:
    slots = [(id(clinic), person) for clinic, person, _ in day]
    chance.shuffle(slots)
    waiting: dict[tuple[int, Someone], list[tuple[Clinic, Someone, str]]] = {}
    for visit in day:
        waiting.setdefault((id(visit[0]), visit[1]), []).append(visit)
    return [waiting[slot].pop(0) for slot in slots]


def message_for(clinic: Clinic, person: Someone, kind: str, chance: random.Random) -> bytes:
    mrn = clinic.number(person, chance)
    control_id = clinic.control_id(person)
    order = f"{clinic.serial:06d}"
    match kind:
        case "ORU":
            return messages.laboratory(person, mrn, *clinic.sending, control_id, order, chance)
        case "VXU":
            return messages.immunization(person, mrn, *clinic.sending, control_id, order)
        case "REPORT":
            return messages.reportable(person, mrn, *clinic.sending, control_id, order)
        case _:
            visit = f"V{mrn}"
            return messages.admission(person, mrn, *clinic.sending, kind, control_id, visit)


async def day_of(cast: Cast, day: list[tuple[Clinic, Someone, str]], lanes: asyncio.Queue[None] | None = None) -> None:
    """Sends the visits: parallel over connections, in order within each."""
    by_connection: dict[tuple[str, int], list[tuple[Clinic, Someone, bytes]]] = {}
    for clinic, person, kind in day:
        message = message_for(clinic, person, kind, cast.chance)
        by_connection.setdefault((clinic.name, clinic.lane(person)), []).append((clinic, person, message))

    async def connection(work: list[tuple[Clinic, Someone, bytes]]) -> None:
        for clinic, person, message in work:
            await clinic.send(person, message)

    await asyncio.gather(*(connection(work) for work in by_connection.values()))


__all__ = ["Cast", "Clinic", "Programme", "day_of", "documents", "visits"]
