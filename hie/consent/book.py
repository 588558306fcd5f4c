"""Consents as stored: every version kept; the newest version of each counts. They belong to registrations (`mpi_record`),
so that they follow a record through links and back out of an undone one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, bindparam, func, insert, select

from hie.compression import compress, decompress
from hie.fhir import digits
from hie.fhir.dates import instant
from hie.model import Resource
from hie.store.tables import consent


class Stored(NamedTuple):
    id: str
    version: str
    mpi_record: int
    body: Resource


def put(connection: Connection, id: str, mpi_record: int, body: Resource, source: str, at: float) -> int:
    """Stores a new version of consent `id`; answers its number, from 1."""
    last = connection.execute(select(func.max(consent.c.version)).where(consent.c.id == id)).scalar()
    version = (last or 0) + 1
    # an undated consent ranks by when it was recorded
    meta = {"lastUpdated": instant(at), **body.get("meta", {}), "versionId": str(version)}
    connection.execute(
        insert(consent).values(
            id=id,
            version=version,
            mpi_record=mpi_record,
            received_at=at,
            source=source,
            body=compress(digits.dumps({**body, "id": id, "meta": meta})),
            codec=1,
        )
    )
    return version


def _stored(row: Row[Any]) -> Stored:
    resource: Resource = orjson.loads(decompress(row.body))
    return Stored(row.id, str(row.version), row.mpi_record, resource)


_OF_RECORDS = (
    select(consent)
    .where(consent.c.mpi_record.in_(bindparam("records", expanding=True)))
    .order_by(consent.c.id, consent.c.version.desc())
)


def of_records(connection: Connection, mpi_records: Collection[int]) -> list[Stored]:
    """The newest version of every consent given for any of the registrations."""
    found: dict[str, Stored] = {}
    for row in connection.execute(_OF_RECORDS, {"records": list(mpi_records)}):
        if row.id not in found:
            found[row.id] = _stored(row)
    return list(found.values())


def get(connection: Connection, id: str) -> Stored | None:
    row = connection.execute(
        select(consent).where(consent.c.id == id).order_by(consent.c.version.desc()).limit(1)
    ).first()
    return _stored(row) if row else None


def outdated(connection: Connection, id: str, body: Resource, at: float) -> bool:
    """Whether consent `id`, as it came at `at`, has been replaced since, or says what is stored already."""
    newest = select(consent).where(consent.c.id == id).order_by(consent.c.version.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return False
    return row.received_at > at or _words(_stored(row).body) == _words({**body, "id": id})


def _words(body: Resource) -> Resource:
    return {name: value for name, value in body.items() if name != "meta"}
