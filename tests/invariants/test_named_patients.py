"""A message that names its patient by a number alone is about the one its sender registered under it, and changes nothing
of what is known of them (invariant 4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from hie.identify import Attribution, Identity, identifiers_of, person_of
from hie.model import Envelope, Keys
from hie.store.database import open_writer
from mpi.persons import record
from tests.api.region import settings
from tests.databases import Database

NUMBER = {"type": {"coding": [{"code": "RI"}]}, "system": "urn:hie:fhir:app/Patient", "value": "Pat-77"}
FULL: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:1.2.3.4", "type": {"coding": [{"code": "MR"}]}, "value": "M1"}, NUMBER],
    "name": [{"family": "Zyxwolfe", "given": ["Quintessa"]}],
    "birthDate": "1977-07-07",
}
NAMED: dict[str, Any] = {"resourceType": "Patient", "identifier": [NUMBER]}


@pytest.fixture
def connection(tmp_path: Path, database: Database) -> Iterator[Connection]:
    database.migrated(tmp_path)
    engine = open_writer(settings(tmp_path, database=database.setting).database_url)
    with engine.begin() as made:
        yield made
    engine.dispose()


def told(connection: Connection, *patients: dict[str, Any], source: str = "north") -> list[Attribution]:
    arrivals: Any = [
        (
            source,
            person_of(patient),
            identifiers_of(patient),
            (),
            Envelope(f"m{n}", "app", "fhir", b"", b"", time.time(), Keys("fhir", b"", "Bundle", ())),
        )
        for n, patient in enumerate(patients)
    ]
    return Identity().attribute(connection, arrivals)


@pytest.mark.invariant(4)
def test_a_number_alone_is_whoever_the_sender_registered(connection: Connection) -> None:
    full, named, by_record_number, again = told(
        connection, FULL, NAMED, {**NAMED, "identifier": FULL["identifier"][:1]}, FULL
    )
    assert full.decision == "new"
    assert {named.decision, by_record_number.decision, again.decision} == {"known"}
    assert {a.mpi_record for a in (full, named, by_record_number, again)} == {full.mpi_record}
    assert full.mpi_record is not None
    member = record(connection, full.mpi_record)
    assert member is not None
    assert member.person.names[0].family == "Zyxwolfe"


@pytest.mark.invariant(4)
def test_the_number_of_another_sender_says_nothing(connection: Connection) -> None:
    [full] = told(connection, FULL)
    [other] = told(connection, NAMED, source="harbor")
    assert other.mpi_record != full.mpi_record
