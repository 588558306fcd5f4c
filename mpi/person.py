"""What one registration says about a human being, as it was said: raw values, nothing cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson


class Identifier(NamedTuple):
    """An identifier as its issuer knows it. Two are the same only where all three parts are.

    `authority` is a URI, `type` the code of HL7 table 0203 (MR, SS ...) or "".
    """

    authority: str
    type: str
    value: str


class Name(NamedTuple):
    """`given` holds the first name and, after it, middle names. `use` is FHIR's name-use: official, usual, old, maiden, nickname ..."""

    given: tuple[str, ...] = ()
    family: str = ""
    suffix: str = ""
    use: str = ""


class Address(NamedTuple):
    street: str = ""
    unit: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    use: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Everything empty is "not said", which is never held against anybody."""

    names: tuple[Name, ...] = ()
    """The current name first; the rest are previous names, maiden names, aliases."""
    birth_date: str = ""
    """YYYY, YYYY-MM or YYYY-MM-DD (or whatever was sent: cleaning copes)."""
    sex: str = ""
    """FHIR administrative gender, or M / F / O / U."""
    identifiers: tuple[Identifier, ...] = ()
    addresses: tuple[Address, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    mother_given: str = ""
    mother_family: str = ""
    """Mother's maiden name."""
    multiple_birth: bool | None = None
    birth_order: int = 0
    """1, 2 ...; 0 = not said."""
    deceased: bool | None = None


def dump(person: Person) -> bytes:
    """Compact JSON, the same bytes for the same person: the stored form, and what is hashed to see a change."""
    return orjson.dumps(
        (
            person.names,
            person.birth_date,
            person.sex,
            person.identifiers,
            person.addresses,
            person.phones,
            person.emails,
            person.mother_given,
            person.mother_family,
            person.multiple_birth,
            person.birth_order,
            person.deceased,
        ),
        default=tuple,
    )


def load(stored: bytes | str) -> Person:
    """The inverse of `dump`."""
    (
        names,
        birth_date,
        sex,
        identifiers,
        addresses,
        phones,
        emails,
        mother_given,
        mother_family,
        multiple_birth,
        birth_order,
        deceased,
    ) = orjson.loads(stored)
    return Person(
        names=tuple(Name(tuple(given), family, suffix, use) for given, family, suffix, use in names),
        birth_date=birth_date,
        sex=sex,
        identifiers=tuple(Identifier(*i) for i in identifiers),
        addresses=tuple(Address(*a) for a in addresses),
        phones=tuple(phones),
        emails=tuple(emails),
        mother_given=mother_given,
        mother_family=mother_family,
        multiple_birth=multiple_birth,
        birth_order=birth_order,
        deceased=deceased,
    )


def from_fhir(patient: dict[str, Any]) -> Person:
    """A FHIR R4 Patient as a Person (`mpi.patient` holds the reading)."""
    from mpi.patient import read

    return read(patient)
