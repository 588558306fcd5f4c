"""Names, numbers, streets, FHIR patients: what senders write and what it means."""

from __future__ import annotations

import pytest

from mpi import names, numbers, streets
from mpi.enterprise import as_number, as_text, mint
from mpi.features import clean
from mpi.person import Address, from_fhir
from mpi.relation import family_relation, given_relation
from tests.mpi.people import person


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("O'Brien", ("OBRIEN",)),
        ("MarÃ­n", ("MARIN",)),
        ("Núñez", ("NUNEZ",)),
        ("SM1TH", ("SMITH",)),
        ("Mc Donald", ("MCDONALD",)),
        ("de la Cruz", ("CRUZ", "DELACRUZ")),
        ("Garcia-Lopez", ("GARCIA LOPEZ", "GARCIALOPEZ")),
        ("Weiß", ("WEISS",)),
        ("Smith Jr.", ("SMITH",)),
        ("Unknown", ()),
        ("", ()),
    ],
)
def test_family(raw: str, found: tuple[str, ...]) -> None:
    assert names.family(raw).names == found


@pytest.mark.parametrize(
    ("raw", "placeholder", "order", "mother"),
    [
        ("Baby Boy", True, 0, ""),
        ("BABYGIRL A", True, 1, ""),
        ("BB Maria", True, 0, "MARIA"),
        ("Newborn of Maria", True, 0, "MARIA"),
        ("Twin B", True, 2, ""),
        ("Girl 2", True, 2, ""),
        ("Barbara", False, 0, ""),
    ],
)
def test_newborns(raw: str, placeholder: bool, order: int, mother: str) -> None:
    found = names.given(raw)
    assert (found.placeholder, found.order, found.mother) == (placeholder, order, mother)


def test_given() -> None:
    assert names.given('William "Bill"').names == ("WILLIAM", "BILL")
    assert names.given("Mary Ann").names == ("MARY", "MARYANN")
    assert names.given("Mr. John").names == ("JOHN",)
    assert names.given("Unknown").junk
    assert names.given("John III").suffix == "III"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("1980-03-14", (1980, 3, 14)),
        ("19800314", (1980, 3, 14)),
        ("03141980", (1980, 3, 14)),
        ("3/14/1980", (1980, 3, 14)),
        ("1980-03", (1980, 3, 0)),
        ("1980", (1980, 0, 0)),
        ("1980-14-03", (1980, 3, 14)),
        ("1900-01-01", (0, 0, 0)),
        ("9999-99-99", (0, 0, 0)),
        ("1980-03-14T08:00:00Z", (1980, 3, 14)),
        ("soon", (0, 0, 0)),
        ("198O-O3-l4", (1980, 3, 14)),
    ],
)
def test_birth(raw: str, found: tuple[int, int, int]) -> None:
    assert numbers.birth(raw) == found


def test_numbers() -> None:
    assert numbers.ssn("433-54-6512") == "433546512"
    assert numbers.ssn("XXX-XX-6512") == "6512"
    assert [numbers.ssn(x) for x in ("999-99-9999", "000121234", "666121234", "123456789", "433006512")] == [""] * 5
    assert numbers.phone("+1 (503) 555-0117 x22") == "5035550117"
    assert numbers.phone("555-0117") == "5550117"
    assert [numbers.phone(x) for x in ("5555555555", "000-000-0000", "12", "1234567890")] == [""] * 4
    assert numbers.email(" Jane.Roe+clinic@GMail.com ") == "janeroe@gmail.com"
    assert [numbers.email(x) for x in ("none@none.com", "noemail@x.org", "nobody")] == [""] * 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Address("123 North Oak Street", "Apt 4", zip="97211"), Address("123 N. OAK ST #4", zip="97211-1234")),
        (Address("PO Box 77", zip="97211"), Address("P.O. Box 77", zip="97211")),
        (Address("12 First Avenue", zip="97211"), Address("12 1st Ave", zip="97211")),
        (Address("12 Saint Johns Rd Unit B", zip="02134"), Address("12 Saint Johns Road", "B", zip="2134")),
    ],
)
def test_streets(one: Address, other: Address) -> None:
    a, b = streets.place(one), streets.place(other)
    assert a is not None
    assert b is not None
    assert a[:4] == b[:4]


def test_junk_is_shown() -> None:
    said = person(
        "Unknown",
        "Ott",
        "1900-01-01",
        ssn="999999999",
        street="HOMELESS",
        zip="",
        phone="5555555555",
        email="none@none.com",
    )
    assert {name for name, _ in clean(said).junk} == {"given", "birth date", "ssn", "address", "phone", "email"}


def test_relations() -> None:
    assert given_relation("WILLIAM", "BILL") == "nickname"
    assert given_relation("GUADALUPE", "LUPE") == "nickname"
    assert given_relation("ALBERTO", "ROBERTO") != "nickname"
    assert given_relation("CATHERINE", "KATHRYN") == "sound"
    assert given_relation("J", "JOHN") == "initial"
    assert given_relation("MICHAEL", "MICHEAL") == "near"
    assert given_relation("ANN", "PETER") == "conflict"
    assert family_relation("GARCIA LOPEZ", "LOPEZ") == "overlap"
    assert family_relation("LOPEZ GARCIA", "GARCIA LOPEZ") == "exact"
    assert family_relation("BURNS", "BUMS") == "shape"


def test_fhir_patient() -> None:
    said = from_fhir(
        {
            "resourceType": "Patient",
            "identifier": [
                {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "433-54-6512"},
                {"system": "urn:x", "value": "7", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}},
                {"value": ""},
            ],
            "name": [
                {"use": "maiden", "family": "Abernathy", "given": ["Ruth"]},
                {"use": "official", "family": "Novak", "given": ["Ruth", "Ann"], "suffix": ["Jr"]},
            ],
            "telecom": [{"system": "phone", "value": "503-555-0117"}, {"system": "email", "value": "r@n.example"}, {"system": "url", "value": "x"}],
            "gender": "female",
            "birthDate": "1980-03-14",
            "address": [{"use": "old", "line": ["1 A St"], "postalCode": "97211"}, {"use": "home", "line": ["2 B St", "Apt 3"], "city": "Salem"}],
            "multipleBirthInteger": 2,
            "deceasedDateTime": "2020-01-01",
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "Quill"}],
            "contact": [{"relationship": [{"coding": [{"code": "MTH"}]}], "name": {"given": ["Ida"]}}],
        }
    )  # fmt: skip
    assert [n.family for n in said.names] == ["Novak", "Abernathy"]
    assert said.identifiers[0].type == "SS"
    assert said.identifiers[1] == ("urn:x", "MR", "7")
    assert [a.street for a in said.addresses] == ["2 B St", "1 A St"]
    assert (said.birth_order, said.multiple_birth, said.deceased) == (2, True, True)
    assert (said.mother_given, said.mother_family) == ("Ida", "Quill")
    features = clean(said)
    assert features.ssn == "433546512"
    assert features.family == ("NOVAK", "ABERNATHY")
    assert features.suffix == "JR"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"name": None},
        {"name": [None, {"given": "Ann"}]},
        {"telecom": "x", "address": [[]], "identifier": [{"value": 7}]},
    ],
)
def test_fhir_patient_of_odd_shape(odd: dict[str, object]) -> None:
    clean(from_fhir(odd))


def test_enterprise_ids() -> None:
    for _ in range(200):
        number = mint()
        assert as_number(as_text(number)) == number
        assert as_number(as_text(number).lower()) == number
    assert as_number("not an id") == 0
