"""Fills a node that does not run yet with persons, through the same door that registrations take."""

from __future__ import annotations

import random
from pathlib import Path

from hie import settings
from hie.identify import Identity, person_of
from hie.model import Envelope, Identifier, Keys, Resource
from hie.simulation.people import Someone, someone
from hie.store.database import migrate, open_writer

KEYS = Keys("hl7v2", b"", "ADT^A04", ())


def as_patient(person: Someone, mrn: str, authority: str) -> Resource:
    patient: Resource = {
        "resourceType": "Patient",
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": authority, "value": mrn}],
        "name": [{"use": "official", "family": person.family, "given": [person.given, person.middle]}],
        "gender": {"F": "female", "M": "male"}[person.sex],
        "birthDate": person.born.isoformat(),
        "address": [{"line": [person.street], "city": person.town, "state": "IL", "postalCode": person.zip}],
        "telecom": [{"system": "phone", "value": person.phone}],
    }
    if person.ssn:
        patient["identifier"].append({"system": "http://hl7.org/fhir/sid/us-ssn", "value": person.ssn})
    return patient


def populate(config: Path, number: int, seed: int = 7) -> int:
    """Registers `number` persons at an elsewhere clinic; answers how many registrations there are."""
    loaded = settings.load(config)
    loaded.var.mkdir(parents=True, exist_ok=True)
    migrate(loaded.database_url)
    engine = open_writer(loaded.database_url)
    identity = Identity()
    chance = random.Random(seed)
    authority = "urn:hie:authority:ELSEWHERE"
    for numbers in _batches(number, 500):
        arrivals = []
        for n in numbers:
            mrn = f"E{n:08d}"
            patient = as_patient(someone(chance), mrn, authority)
            envelope = Envelope(f"population-{n}", "elsewhere", "hl7v2", b"", b"", 1.7e9 + n, KEYS)
            arrivals.append(("elsewhere", person_of(patient), (Identifier(authority, "MR", mrn),), (), envelope))
        with engine.begin() as connection:
            identity.attribute(connection, arrivals)
    engine.dispose()
    return number


def _batches(number: int, size: int) -> list[range]:
    return [range(start, min(start + size, number)) for start in range(0, number, size)]
