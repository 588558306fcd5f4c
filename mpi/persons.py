"""Reading persons: members, golden record, aliases, open questions. All of it computed, so an undo needs no repair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from mpi import enterprise, numbers
from mpi.keys import identifier_hash
from mpi.patient import PAST_USES
from mpi.person import Identifier, Person, load
from mpi.tables import ALIAS, KEY, LINK_EVENT, RECORD, REVIEW


class Member(NamedTuple):
    record_id: int
    source: str
    identifier: Identifier | None
    person: Person
    at: float
    reference: str


def _rows(connection: Connection, statement: Any) -> list[Member]:
    return [
        Member(
            row.id,
            row.source,
            Identifier(row.authority, row.type, row.value) if row.value is not None else None,
            load(row.person),
            row.at,
            row.reference,
        )
        for row in connection.execute(statement)
    ]


def eid_of(connection: Connection, record_ids: Iterable[int]) -> dict[int, str]:
    """Record id -> current EID; unknown ids are left out."""
    statement = select(RECORD.c.id, RECORD.c.eid).where(RECORD.c.id.in_(list(record_ids)))
    return {id_: enterprise.as_text(eid) for id_, eid in connection.execute(statement)}


def members(connection: Connection, eid: str) -> list[Member]:
    """The records of a person, oldest first. An EID that was merged away answers for its survivor."""
    number = enterprise.as_number(resolve_alias(connection, eid))
    return _rows(connection, select(RECORD).where(RECORD.c.eid == number).order_by(RECORD.c.id))


def record(connection: Connection, record_id: int) -> Member | None:
    found = _rows(connection, select(RECORD).where(RECORD.c.id == record_id))
    return found[0] if found else None


def resolve_alias(connection: Connection, eid: str) -> str:
    """The EID under which the person is known now: `eid` itself, or where its records went. Follows chains; unknown ids come back as they are."""
    number = enterprise.as_number(eid)
    seen = set()
    while number not in seen:
        seen.add(number)
        if connection.execute(select(RECORD.c.id).where(RECORD.c.eid == number).limit(1)).scalar() is not None:
            break
        c = LINK_EVENT.c
        onward = connection.execute(
            select(c.to_eid).where(c.from_eid == number).order_by(c.id.desc()).limit(1)
        ).scalar()
        if onward is None:
            return eid
        number = int(onward)
    return enterprise.as_text(number)


def find(connection: Connection, identifier: Identifier) -> int | None:
    """The record under a local identifier (authority, type and value), also under one that was merged or moved away."""
    r, a = RECORD.c, ALIAS.c
    statement = select(r.id).where(
        r.local_hash == identifier_hash(*identifier),
        r.authority == identifier.authority,
        r.type == identifier.type,
        r.value == identifier.value,
    )
    found = connection.execute(statement).scalar()
    if found is None:
        found = connection.execute(
            select(a.record_id).where(
                a.authority == identifier.authority, a.type == identifier.type, a.value == identifier.value
            )
        ).scalar()
    return None if found is None else int(found)


def said(connection: Connection, source: str, identifier: Identifier) -> list[int]:
    """Records of a source that say an identifier among others, local or not."""
    r = RECORD.c
    authority, type_, value = identifier
    statement = (
        select(r.id, r.person)
        .join(KEY, KEY.c.record_id == r.id)
        .where(KEY.c.key == identifier_hash(authority, type_, value.strip().upper()), r.source == source)
    )
    return [id_ for id_, person in connection.execute(statement) if identifier in load(person).identifiers]


def identifiers(connection: Connection, eids: Iterable[str]) -> dict[str, set[Identifier]]:
    """EID -> every identifier its records say or have had merged into them."""
    numbers_ = {enterprise.as_number(eid): eid for eid in eids}
    result: dict[str, set[Identifier]] = {eid: set() for eid in numbers_.values()}
    r, a = RECORD.c, ALIAS.c
    said = select(r.eid, r.authority, r.type, r.value, r.person).where(r.eid.in_(list(numbers_)))
    for eid, authority, type_, value, person in connection.execute(said):
        result[numbers_[eid]].update(load(person).identifiers)
        if value is not None:
            result[numbers_[eid]].add(Identifier(authority, type_, value))
    merged = select(r.eid, a.authority, a.type, a.value).join_from(ALIAS, RECORD, r.id == a.record_id)
    for eid, *alias in connection.execute(merged.where(r.eid.in_(list(numbers_)))):
        result[numbers_[eid]].add(Identifier(*alias))
    return result


def open_possibles(connection: Connection, eids: Iterable[str]) -> dict[str, set[str]]:
    """EID -> EIDs of persons it may be, while the question is open: all their denies apply, none of their permits."""
    numbers_ = {enterprise.as_number(eid): eid for eid in eids}
    ours, theirs = RECORD.alias("ours"), RECORD.alias("theirs")
    result: dict[str, set[str]] = {eid: set() for eid in numbers_.values()}
    for mine, other in ((REVIEW.c.low, REVIEW.c.high), (REVIEW.c.high, REVIEW.c.low)):
        statement = (
            select(ours.c.eid, theirs.c.eid)
            .select_from(ours)
            .join(REVIEW, mine == ours.c.id)
            .join(theirs, theirs.c.id == other)
            .where(REVIEW.c.state.in_(("open", "first")), ours.c.eid.in_(list(numbers_)), ours.c.eid != theirs.c.eid)
        )
        for one, another in connection.execute(statement):
            result[numbers_[one]].add(enterprise.as_text(another))
    return result


def golden(connection: Connection, eid: str) -> dict[str, Any]:
    """One FHIR R4 Patient computed from the members, with the record each value came from under "provenance".

    Survivorship: the latest registration that says a value wins, a full date beats a partial one, junk never wins, other values stay as
    old names, addresses and telecoms. Empty dict for an unknown EID.
    """
    found = sorted(members(connection, eid), key=lambda m: (m.at, m.record_id), reverse=True)
    if not found:
        return {}
    patient: dict[str, Any] = {"resourceType": "Patient", "id": resolve_alias(connection, eid)}
    source: dict[str, int] = {}
    names: dict[tuple[str, ...], dict[str, Any]] = {}
    identifiers: dict[Identifier, dict[str, Any]] = {}
    telecoms: dict[tuple[str, str], dict[str, Any]] = {}
    addresses: dict[tuple[str, ...], dict[str, Any]] = {}
    for member in found:
        said = member.person
        for name in said.names:
            key = (name.family.upper(), *(g.upper() for g in name.given[:1]))
            if key not in names:
                use = name.use if name.use in PAST_USES else "official" if not names else "old"
                entry = {
                    "use": use,
                    "family": name.family,
                    "given": [g for g in name.given if g],
                    "suffix": [name.suffix],
                }
                names[key] = {k: v for k, v in entry.items() if v and v != [""]}
                source.setdefault("name", member.record_id)
        for identifier in (*((member.identifier,) if member.identifier else ()), *said.identifiers):
            identifiers.setdefault(identifier, {"system": identifier.authority, "value": identifier.value})
        for phone in said.phones:
            telecoms.setdefault(("phone", numbers.phone(phone) or phone), {"system": "phone", "value": phone})
        for email in said.emails:
            telecoms.setdefault(("email", email.lower()), {"system": "email", "value": email})
        for place in said.addresses:
            entry = {
                "use": "old" if addresses or place.use == "old" else "home",
                "line": [line for line in (place.street, place.unit) if line],
                "city": place.city,
                "state": place.state,
                "postalCode": place.zip,
            }
            addresses.setdefault(tuple(part.upper() for part in place[:5]), {k: v for k, v in entry.items() if v})
            source.setdefault("address", member.record_id)
    for name_, value, record_id in _single(found):
        patient.setdefault(name_, value)
        source.setdefault(name_, record_id)
    patient |= {
        "identifier": list(identifiers.values()),
        "name": list(names.values()),
        "telecom": list(telecoms.values()),
        "address": list(addresses.values()),
        "provenance": source,
    }
    return {key: value for key, value in patient.items() if value != []}


def _single(found: Sequence[Member]) -> Iterable[tuple[str, Any, int]]:
    """Values of which a person has one, best first."""
    genders = {"M": "male", "F": "female", "O": "other", "U": "unknown"}
    for member in found:
        if len(member.person.birth_date) >= 10 and any(numbers.birth(member.person.birth_date)):
            yield "birthDate", member.person.birth_date, member.record_id
    for member in found:
        said = member.person
        if any(numbers.birth(said.birth_date)):
            yield "birthDate", said.birth_date, member.record_id
        if said.sex:
            yield "gender", genders.get(said.sex.upper(), said.sex), member.record_id
        if said.deceased is not None:
            yield "deceasedBoolean", said.deceased, member.record_id
        if said.birth_order:
            yield "multipleBirthInteger", said.birth_order, member.record_id
