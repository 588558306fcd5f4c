"""Who a record is about: FHIR Patient -> `mpi` registration -> enterprise person. The only door to patient matching.

A record keeps its registration (`mpi_record`) for good; the enterprise id is where that registration belongs today.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, bindparam, select

import mpi.enterprise
import mpi.explain
import mpi.history
import mpi.person
import mpi.persons
import mpi.tables
from hie.model import Envelope, Identifier, IdentityStatement, Resource, StatementKind
from hie.store import tables
from mpi.index import Index
from mpi.person import Person
from mpi.registration import Registration

SOCIAL_SECURITY = "http://hl7.org/fhir/sid/us-ssn"
Arrival = tuple[str, Person | None, Sequence[Identifier], Sequence[IdentityStatement], Envelope]


def person_of(patient: Resource) -> Person:
    """The demographics of a FHIR Patient as matching sees them."""
    return mpi.person.from_fhir(patient)


def identifiers_of(patient: Resource) -> tuple[Identifier, ...]:
    """The identifiers of a FHIR Patient as (authority, type, value), in the sender's order."""
    found = []
    for identifier in patient.get("identifier", ()):
        if value := identifier.get("value"):
            codings = identifier.get("type", {}).get("coding", ())
            kind = next((c["code"] for c in codings if c.get("code")), "")
            found.append(Identifier(identifier.get("system", ""), kind, value))
    return tuple(found)


def local_identifier(identifiers: Sequence[Identifier]) -> Identifier | None:
    """The one by which the sender knows the patient: its record number, else the first that is nobody's SSN."""
    for identifier in identifiers:
        if identifier.type == "MR":
            return identifier
    return next((i for i in identifiers if i.type != "SS" and i.authority != SOCIAL_SECURITY), None)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The answer for one record. `mpi_record` and `eid` are None where it is about nobody."""

    mpi_record: int | None = None
    eid: str | None = None
    decision: str = ""
    """known, certain, probable, possible, new; the kind of a sender's statement, or statement-unmatched."""
    moved: tuple[tuple[str, str], ...] = ()
    """(from, to) enterprise ids of registrations that changed person."""
    disturbed: frozenset[str] = frozenset()
    """Enterprise ids under which an earlier consent decision no longer holds."""


NOBODY = Attribution()


class Identity:
    """Registers arrivals in order. One per engine; the writer thread alone calls `attribute`."""

    def __init__(self) -> None:
        self.index = Index()

    def attribute(
        self, connection: Connection, arrivals: Sequence[Arrival], told: Sequence[float | None] = ()
    ) -> list[Attribution]:
        """In order of arrival, runs of plain registrations batched between the messages that state something of
        identifiers (a statement must see all that came before it).

        `told`: of messages that bring history, when it was so; None for others. What was told later stays as it is.
        """
        found: list[Attribution] = []
        run: list[Arrival] = []
        times: list[float | None] = []
        for arrival, at in zip(arrivals, told or repeat(None), strict=False):
            known = None
            named = _only_named(arrival[1])
            # it must see what the run before it says of the same patient, or of whom it names
            if named or (at is not None and any(_local(earlier[2]) == _local(arrival[2]) for earlier in run)):
                found += self._register(connection, run, times)
                run, times = [], []
            if named:
                known = _named(connection, arrival)
            elif at is not None:
                known = _standing(connection, arrival, None, at)
            if known is not None:
                found += [*self._register(connection, run, times), known]
                run, times = [], []
            else:
                run.append(arrival)
                times.append(at)
            if arrival[3]:
                found += self._register(connection, run, times)
                found[-1] = self._state(connection, found[-1], arrival)
                run, times = [], []
        return found + self._register(connection, run, times)

    def replay(
        self, connection: Connection, arrival: Arrival, registration: int | None = None, told: float | None = None
    ) -> Attribution:
        """As `attribute`, for a message that comes again out of its order: old demographics never overwrite newer ones.

        `registration`: the one it was attributed to before, None where it was to none. `told`: as of `attribute`.
        """
        known = _named(connection, arrival) if _only_named(arrival[1]) else None
        known = known or _standing(connection, arrival, registration, arrival[4].received_at if told is None else told)
        found = known or self._register(connection, [arrival], [told])[0]
        return self._state(connection, found, arrival) if arrival[3] else found

    def _register(
        self, connection: Connection, arrivals: Sequence[Arrival], told: Sequence[float | None]
    ) -> list[Attribution]:
        registrations = [
            Registration(
                source=source,
                identifier=_local(identifiers),
                person=person,
                at=envelope.received_at,
                reference=envelope.message_id,
                told=at,
            )
            for (source, person, identifiers, _, envelope), at in zip(arrivals, told, strict=True)
            if person is not None
        ]
        resolutions = iter(self.index.register(connection, registrations) if registrations else ())
        found = []
        for _, person, *_rest in arrivals:
            if person is None:
                found.append(NOBODY)
                continue
            resolution = next(resolutions)
            moved = (
                ((resolution.previous_eid, resolution.eid),)
                if resolution.previous_eid and resolution.previous_eid != resolution.eid
                else ()
            )
            # an open question lets the candidates' denies in, so what was decided without them no longer holds
            questioned = {resolution.eid, *(c.eid for c in resolution.candidates)} if resolution.reviews else set()
            found.append(
                Attribution(
                    resolution.record_id,
                    resolution.eid,
                    resolution.decision,
                    moved,
                    frozenset(questioned.union(*moved)),
                )
            )
        return found

    def _state(self, connection: Connection, attribution: Attribution, arrival: Arrival) -> Attribution:
        _, _, _, statements, envelope = arrival
        moved = list(attribution.moved)
        decision = attribution.decision
        for statement in statements:
            try:
                acts = _STATEMENTS[statement.kind](
                    connection,
                    mpi.person.Identifier(*statement.survivor),
                    mpi.person.Identifier(*statement.prior),
                    actor=f"feed:{envelope.feed}",
                    reason=f"{envelope.keys.event} {envelope.message_id}",
                    at=envelope.received_at,
                )
            except mpi.history.UnknownRecord:
                decision = "statement-unmatched"
                continue
            decision = str(statement.kind)
            moved += [(act.from_eid, act.to_eid) for act in acts]
        eid = attribution.eid
        if attribution.mpi_record is not None:
            eid = eid_of(connection, attribution.mpi_record)
        return Attribution(
            attribution.mpi_record,
            eid,
            decision,
            tuple(moved),
            attribution.disturbed.union(*moved),
        )


_STATEMENTS: dict[StatementKind, Any] = {
    StatementKind.MERGE: mpi.history.merge,
    StatementKind.LINK: mpi.history.link_statement,
    StatementKind.UNLINK: mpi.history.unlink_statement,
    StatementKind.MOVE: mpi.history.move,
}


def registration_of(connection: Connection, identifiers: Sequence[Identifier]) -> int | None:
    """The registration under the identifier by which the sender knows the patient."""
    local = _local(identifiers)
    return mpi.persons.find(connection, local) if local is not None else None


def _only_named(person: Person | None) -> bool:
    """Whether a record names its patient by numbers alone, as what an app posts by itself does."""
    return person is not None and bool(person.identifiers) and person == Person(identifiers=person.identifiers)


def _named(connection: Connection, arrival: Arrival) -> Attribution | None:
    """The sender's own registration that has the number; numbers alone say nothing new of it, and must not overwrite it."""
    source, _, identifiers, _, _ = arrival
    local = registration_of(connection, identifiers)
    found = {local} if local is not None else set()
    for identifier in () if found else identifiers:
        found.update(mpi.persons.said(connection, source, mpi.person.Identifier(*identifier)))
    return Attribution(number := found.pop(), eid_of(connection, number), "known") if len(found) == 1 else None


def _standing(connection: Connection, arrival: Arrival, registration: int | None, at: float) -> Attribution | None:
    """The registration that a later message than this one, which is of `at`, has written, or that has no identifier by
    which it could be written again: a replay changes nothing of it."""
    _, person, identifiers, _, envelope = arrival
    number = registration_of(connection, identifiers)
    unnamed = number is None and _local(identifiers) is None
    if unnamed:
        number = registration
    member = mpi.persons.record(connection, number) if number is not None else None
    if person is None or number is None or member is None:
        return None
    later = connection.execute(_LATER, {"number": number, "message_id": envelope.message_id}).first()
    if not unnamed and later is None and member.at <= at:
        return None
    return Attribution(number, eid_of(connection, number), "known")


_LATER = (
    select(tables.record.c.idx)
    .where(tables.record.c.mpi_record == bindparam("number"), tables.record.c.message_id > bindparam("message_id"))
    .limit(1)
)


def _local(identifiers: Sequence[Identifier]) -> mpi.person.Identifier | None:
    found = local_identifier(identifiers)
    return mpi.person.Identifier(*found) if found else None


def eid_of(connection: Connection, mpi_record: int) -> str | None:
    """The person a registration belongs to today."""
    return mpi.persons.eid_of(connection, [mpi_record]).get(mpi_record)


def eids_of(connection: Connection, mpi_records: Collection[int]) -> dict[int, str]:
    return mpi.persons.eid_of(connection, list(mpi_records)) if mpi_records else {}


def candidates_of(connection: Connection, eids: Collection[str]) -> dict[str, set[str]]:
    """Person -> persons it may be, while the question is open (invariant 4)."""
    return mpi.persons.open_possibles(connection, list(eids)) if eids else {}


def members_of(connection: Connection, eid: str) -> list[int]:
    """Registrations of a person."""
    return [member.record_id for member in mpi.persons.members(connection, eid)]


def registrations_of(connection: Connection, eids: Collection[str]) -> dict[str, list[int]]:
    """Registrations of each person known today under exactly these ids, in one statement."""
    numbers = {mpi.enterprise.as_number(eid): eid for eid in eids}
    found: dict[str, list[int]] = {eid: [] for eid in eids}
    for id, number in connection.execute(_OF_PERSONS, {"eids": list(numbers)}):
        found[numbers[number]].append(id)
    return found


_OF_PERSONS = select(mpi.tables.RECORD.c.id, mpi.tables.RECORD.c.eid).where(
    mpi.tables.RECORD.c.eid.in_(bindparam("eids", expanding=True))
)


def records_of(connection: Connection, statements: Iterable[IdentityStatement]) -> set[int | None]:
    """Registrations that statements speak of; None among them where an identifier is not that of a registration of its own."""
    found: set[int | None] = set()
    for statement in statements:
        survivor = mpi.persons.find(connection, mpi.person.Identifier(*statement.survivor))
        prior = mpi.persons.find(connection, mpi.person.Identifier(*statement.prior))
        found |= {survivor, prior if prior != survivor else None}
    return found


def identifiers_of_persons(connection: Connection, eids: Collection[str]) -> dict[str, set[Identifier]]:
    """Everything that each person is known by today: what its registrations say, and numbers merged into theirs."""
    found: dict[str, set[Identifier]] = {eid: set() for eid in eids}
    for eid, identifiers in mpi.persons.identifiers(connection, eids).items():
        found[eid].update(Identifier(*identifier) for identifier in identifiers)
    return found


def persons_of(connection: Connection, identifiers: Iterable[Identifier]) -> set[str]:
    """Enterprise ids that identifiers are known under."""
    records = (mpi.persons.find(connection, mpi.person.Identifier(*identifier)) for identifier in identifiers)
    return set(eids_of(connection, [r for r in records if r is not None]).values())


def resolve(connection: Connection, eid: str) -> str:
    """The enterprise id a person is known under today."""
    return mpi.persons.resolve_alias(connection, eid)


def create_tables(connection: Connection) -> None:
    """An empty index, for a dry run where there is no node."""
    mpi.tables.METADATA.create_all(connection)


@dataclass(frozen=True, slots=True)
class Rival:
    """A person a record may be about."""

    eid: str
    grade: str
    bits: float
    probability: float
    words: str
    evidence: tuple[tuple[str, str, float, str], ...]
    """(field, level, bits, words)."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What registering a person would say, without registering."""

    decision: str
    eid: str | None
    sentence: str
    candidates: tuple[Rival, ...]
    possible: frozenset[str]
    """Persons whose denies would apply while the question is open."""


def likeness(connection: Connection, person: Person, identifiers: Sequence[Identifier]) -> Likeness:
    """The dry run of a registration: writes nothing."""
    local = _local(identifiers)
    record = mpi.persons.find(connection, local) if local else None
    candidates = Index().match(connection, person)
    rivals = tuple(
        Rival(
            c.eid,
            c.grade,
            c.bits,
            c.probability,
            mpi.explain.sentence(c),
            tuple((e.field, e.level, e.bits, e.words) for e in c.evidence),
        )
        for c in candidates
    )
    if record is not None and (eid := eid_of(connection, record)) is not None:
        return Likeness("known", eid, f"person {eid}: the sender's own identifier is known.", rivals, frozenset())
    certain = [c for c in candidates if c.grade == "certain"]
    if certain:
        eid = certain[0].eid
        return Likeness("certain", eid, f"person {eid}, for certain: {rivals[0].words}", rivals, frozenset())
    possible = frozenset(c.eid for c in candidates if c.grade in ("probable", "possible"))
    if possible:
        sentence = f"a person of its own; a steward would be asked whether it is one of {len(possible)} already known."
        return Likeness("possible", None, sentence, rivals, possible)
    return Likeness("new", None, "a person not seen before.", rivals, frozenset())


@dataclass(frozen=True, slots=True)
class Known:
    """One registration as it stands: for pages and reports about the index as a whole."""

    mpi_record: int
    eid: str
    source: str
    person: Person


def everybody(connection: Connection) -> list[Known]:
    """All registrations, in order of arrival. For small populations: it reads everything."""
    records = list(connection.execute(select(mpi.tables.RECORD.c.id).order_by(mpi.tables.RECORD.c.id)).scalars())
    eids = eids_of(connection, records)
    found = []
    for record in records:
        member = mpi.persons.record(connection, record)
        if member is not None:
            found.append(Known(record, eids[record], member.source, member.person))
    return found


def compared(connection: Connection, one: int, other: int) -> Rival:
    """Two registrations field by field, in bits."""
    c = Index().explain(connection, one, other)
    evidence = tuple((e.field, e.level, e.bits, e.words) for e in c.evidence)
    return Rival(c.eid, c.grade, c.bits, c.probability, mpi.explain.sentence(c), evidence)
