"""A Person cleaned for comparison: what is compared, keyed and stored. Changing the cleaning raises VERSION, and records are cleaned anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from mpi import names, numbers, streets
from mpi.person import Person

VERSION = 1
SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
SSN_SYSTEMS = frozenset({SSN_SYSTEM, "urn:oid:2.16.840.1.113883.4.1", "2.16.840.1.113883.4.1"})
SHARED_TYPES = frozenset({"AN", "VN", "MB", "SN", "GI", "FI"})
"""Table 0203: accounts, visits, insurance members and subscribers. Families share them, visits end: they say nothing of one person."""
PAST = frozenset({"old", "maiden"})


class Features(NamedTuple):
    """Everything empty is missing. Alternatives stand in order: what holds now first, then what held before."""

    given: Sequence[str] = ()
    middle: Sequence[str] = ()
    family: Sequence[str] = ()
    suffix: str = ""
    sex: str = ""
    birth: Sequence[int] = (0, 0, 0)
    ssn: str = ""
    ids: Sequence[str] = ()
    """authority, type, value parted by U+001F."""
    places: Sequence[Sequence[str]] = ()
    """(number, street, unit, ZIP, city)"""
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()
    mother: str = ""
    mother_family: str = ""
    placeholder: bool = False
    """A newborn without a name of its own."""
    order: int = 0
    multiple: bool = False
    junk: Sequence[Sequence[str]] = ()
    """(field, why): values that were sent and count as missing."""


def encode(features: Features) -> str:
    return orjson.dumps(tuple(features), default=tuple).decode()


def decode(stored: str | bytes) -> Features:
    return Features._make(orjson.loads(stored))


def clean(person: Person) -> Features:
    given: list[str] = []
    middle: list[str] = []
    family: list[str] = []
    junk: list[tuple[str, str]] = []
    suffix = mother = ""
    order = person.birth_order
    placeholder = False
    for position, name in enumerate(person.names):
        last = names.family(name.family)
        first = names.given(name.given[0]) if name.given else names.Given()
        if last.junk or (last.names and first.names and names.is_doe(first.names[0], last.names[0])):
            junk.append(("family", "stands for nobody"))
            last = names.Family(suffix=last.suffix)
            if first.names and first.names[0] in ("JOHN", "JANE"):
                first = names.Given(junk=True)
        if first.junk:
            junk.append(("given", "stands for nobody"))
        if first.placeholder and name.use not in PAST and position == 0:
            placeholder = True
            order = order or first.order
            mother = first.mother
            junk.append(("given", "newborn without a name"))
        family += last.names
        given += first.names
        if position == 0 or not middle:
            for more in (*first.middle, *(w for raw in name.given[1:] for w in names.middle(raw))):
                if more in names.GENERATIONS and len(more) > 1:
                    suffix = suffix or names.GENERATIONS[more]
                elif more not in middle:
                    middle.append(more)
        suffix = suffix or names.suffix(name.suffix) or last.suffix or first.suffix
    if placeholder:
        given, middle = [], []
    born = numbers.birth(person.birth_date)
    if person.birth_date and born == (0, 0, 0):
        junk.append(("birth date", "no date, or a filler"))
    ssn = ""
    ids: list[str] = []
    for identifier in person.identifiers:
        if identifier.authority in SSN_SYSTEMS or identifier.type == "SS":
            number = numbers.ssn(identifier.value)
            if not number and identifier.value.strip():
                junk.append(("ssn", "filler or never issued"))
            if len(number) > len(ssn):
                ssn = number
        elif identifier.value.strip() and identifier.authority and identifier.type not in SHARED_TYPES:
            ids.append("\x1f".join((identifier.authority, identifier.type, identifier.value.strip().upper())))
    places = []
    for address in person.addresses:
        place = streets.place(address)
        if streets.is_junk(address.street) and address.street:
            junk.append(("address", "no place to live at"))
        if place and place not in places:
            places.append(place)
    phones = [p for raw in person.phones if (p := numbers.phone(raw))]
    if len(phones) < sum(1 for raw in person.phones if raw.strip()):
        junk.append(("phone", "filler or incomplete"))
    emails = [e for raw in person.emails if (e := numbers.email(raw))]
    if len(emails) < sum(1 for raw in person.emails if raw.strip()):
        junk.append(("email", "filler"))
    if person.mother_given:
        said = names.given(person.mother_given)
        mother = said.names[0] if said.names else mother
    mother_family = names.family(person.mother_family).names
    return Features(
        tuple(dict.fromkeys(given)),
        tuple(middle),
        tuple(dict.fromkeys(family)),
        suffix,
        names.sex(person.sex),
        born,
        ssn,
        tuple(ids),
        tuple(places),
        tuple(dict.fromkeys(phones)),
        tuple(dict.fromkeys(emails)),
        mother,
        mother_family[0] if mother_family else "",
        placeholder,
        order,
        bool(person.multiple_birth) or order > 1,
        tuple(junk),
    )


def with_past(now: Features, before: Features) -> Features:
    """What a record says now, remembering what it said: former names, addresses and numbers still find and still agree."""

    def both(new: Sequence[str], old: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*new, *old)))[:8]

    places = [tuple(p) for p in (*now.places, *before.places)]
    return now._replace(
        given=both(now.given, before.given),
        middle=now.middle or before.middle,
        family=both(now.family, before.family),
        suffix=now.suffix or before.suffix,
        sex=now.sex or before.sex,
        birth=now.birth if any(now.birth) else before.birth,
        ssn=now.ssn if len(now.ssn) >= len(before.ssn) else before.ssn,
        ids=both(now.ids, before.ids),
        places=tuple(dict.fromkeys(places))[:6],
        phones=both(now.phones, before.phones),
        emails=both(now.emails, before.emails),
        mother=now.mother or before.mother,
        mother_family=now.mother_family or before.mother_family,
        order=now.order or before.order,
        multiple=now.multiple or before.multiple,
    )
