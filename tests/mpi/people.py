"""Builders for the tests of the index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from mpi.features import SSN_SYSTEM
from mpi.person import Address, Identifier, Name, Person
from mpi.registration import Registration
from mpi.tables import METADATA


def person(given: str = "Maria", family: str = "Garcia", born: str = "1980-03-14", **said: Any) -> Person:
    """Keywords: middle, suffix, sex, ssn, street, unit, zip, phone, email, mother, order, maiden."""
    names = [Name(tuple(x for x in (given, said.get("middle", "")) if x), family, said.get("suffix", ""), "official")]
    if said.get("maiden"):
        names.append(Name((given,), said["maiden"], "", "maiden"))
    street = said.get("street", "8 Juniper Lane")
    return Person(
        names=tuple(names),
        birth_date=born,
        sex=said.get("sex", "female"),
        identifiers=(Identifier(SSN_SYSTEM, "SS", said["ssn"]),) if said.get("ssn") else (),
        addresses=(Address(street, said.get("unit", ""), "Portland", "OR", said.get("zip", "97211")),)
        if street
        else (),
        phones=(said["phone"],) if said.get("phone") else (),
        emails=(said["email"],) if said.get("email") else (),
        mother_given=said.get("mother", ""),
        birth_order=said.get("order", 0),
        multiple_birth=True if said.get("order") else None,
    )


def registration(said: Person, clinic: str = "north", local: str | None = "1", at: float = 0.0) -> Registration:
    identifier = Identifier(f"urn:clinic:{clinic}", "MR", local) if local is not None else None
    return Registration(clinic, identifier, said, at, f"{clinic}-{local}-{at}")


@contextmanager
def empty() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        METADATA.create_all(connection)
        yield connection
    engine.dispose()
