"""A file of registrations through the live index, one after another, in a database of its own in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import StaticPool

from mpi import persons
from mpi.index import Index
from mpi.model import Model
from mpi.registration import Registration
from mpi.resolution import Resolution
from mpi.tables import METADATA, REVIEW

BATCH = 128


class Step(NamedTuple):
    registration: Registration
    resolution: Resolution


class Question(NamedTuple):
    """A pair of registrations a steward should look at."""

    one: str
    other: str
    """Their references (rid)."""
    bits: float
    kind: str
    reason: str


class Linkage:
    """`run` the registrations, then ask for `clusters` and `questions`."""

    def __init__(self, model: Model | None = None) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        self.connection: Connection = engine.connect()
        METADATA.create_all(self.connection)
        self.index = Index(model)
        self._record_of: dict[str, int] = {}
        self._first: dict[int, str] = {}

    def run(self, registrations: Iterable[Registration]) -> Iterator[list[Step]]:
        """Yields after each batch, so that the caller can show progress."""
        stream = iter(registrations)
        while chunk := list(islice(stream, BATCH)):
            resolutions = self.index.register(self.connection, chunk)
            for registration, resolution in zip(chunk, resolutions, strict=True):
                self._record_of[registration.reference] = resolution.record_id
                self._first.setdefault(resolution.record_id, registration.reference)
            yield [Step(*pair) for pair in zip(chunk, resolutions, strict=True)]
        self.connection.commit()

    def reference(self, record_id: int) -> str:
        """Reference of the first registration of a record."""
        return self._first[record_id]

    def clusters(self) -> dict[str, str]:
        """Reference -> EID, as it stands after the last registration."""
        eids: dict[int, str] = {}
        ids = list(self._first)
        for start in range(0, len(ids), 500):
            eids |= persons.eid_of(self.connection, ids[start : start + 500])
        return {reference: eids[record] for reference, record in self._record_of.items()}

    def questions(self) -> Sequence[Question]:
        """Open questions between different persons, likeliest first."""
        rows = self.connection.execute(
            select(REVIEW.c.low, REVIEW.c.high, REVIEW.c.bits, REVIEW.c.kind, REVIEW.c.reason)
            .where(REVIEW.c.state == "open", REVIEW.c.low != REVIEW.c.high)
            .order_by(REVIEW.c.bits.desc(), REVIEW.c.id)
        )
        return [Question(self._first[r.low], self._first[r.high], r.bits, r.kind, r.reason) for r in rows]
