"""Twin or slip of the pen? Decided by whose name the odd spelling is, and by evidence that names one of the two."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from mpi.index import Index
from mpi.resolution import Candidate
from tests.mpi.people import person

PHONE = "5035550142"


def asked(connection: Connection, given: str, other: str, **said: str) -> Candidate:
    ours = {"phone": PHONE, **said}
    return Index().explain(connection, person(given, **ours), person(other, **ours))


@pytest.mark.invariant(4)
@pytest.mark.parametrize(
    ("given", "other"),
    [("Tayylor", "Tyler"), ("Julia", "Julie"), ("Eric", "Erica"), ("Jayden", "Jaden"), ("Anna", "Hannah")],
)
def test_two_names_are_twins_until_somebody_looks(connection: Connection, given: str, other: str) -> None:
    assert "twins" in asked(connection, given, other).stops


@pytest.mark.invariant(4)
def test_a_twin_whose_names_were_swapped_is_still_a_twin(connection: Connection) -> None:
    swapped, other = person("Okonjo", "Anna", phone=PHONE), person("Hannah", "Okonjo", phone=PHONE)
    assert "twins" in Index().explain(connection, swapped, other).stops


@pytest.mark.parametrize(("given", "other"), [("Tom", "Tomas"), ("Tomm", "Tom"), ("Margaret", "Margraett")])
def test_one_name_and_a_slip_of_it_are_not(connection: Connection, given: str, other: str) -> None:
    assert "twins" not in asked(connection, given, other).stops


def test_an_address_that_names_the_given_name_tells_from_a_twin(connection: Connection) -> None:
    found = asked(connection, "Ricard", "Dick", email="richard.gordon83@mail.example")
    assert "twins" not in found.stops
    assert ("email", "own") in {(e.field, e.level) for e in found.evidence}
    shared = asked(connection, "Ricard", "Dick", email="gordon83@mail.example")
    assert ("email", "exact") in {(e.field, e.level) for e in shared.evidence}


def test_names_may_be_swapped_and_misspelt_at_once(connection: Connection) -> None:
    one, other = person("Mike", "Beard", phone=PHONE), person("Baerd", "Michael", phone=PHONE)
    assert Index().explain(connection, one, other).grade != "certainly-not"


def test_a_new_family_name_needs_more_than_a_zip_code(connection: Connection) -> None:
    one = person("Erika", "Walker", street="", phone="5035550142")
    other = person("Erika", "Davidson", street="", phone="5035550177")
    assert "person" in Index().explain(connection, one, other).stops


@pytest.mark.invariant(4)
def test_a_filler_for_the_birth_date_hides_no_twin(connection: Connection) -> None:
    one, other = person("Erik", born="2019-02-17", phone=PHONE), person("Eric", born="2019-01-01", phone=PHONE)
    assert "twins" in Index().explain(connection, one, other).stops
