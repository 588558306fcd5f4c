"""Invented people. The same seed gives the same people; another seed gives none of them again."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.resources import files

_NAMES = {
    kind: words.split()
    for kind, words in (
        line.split(": ") for line in files("hie.simulation").joinpath("names.txt").read_text("utf-8").splitlines()
    )
}
_GIVEN = {"F": _NAMES["female"], "M": _NAMES["male"]}
_KINDS = ("St", "Ave", "Rd", "Ln", "Ct")
_TOWNS = (("Northfield", "61010"), ("Riverton", "61020"), ("Harborview", "61030"), ("Millbrook", "61040"))


@dataclass(frozen=True, slots=True)
class Someone:
    """One invented person."""

    given: str
    middle: str
    family: str
    sex: str
    born: date
    street: str
    town: str
    zip: str
    phone: str
    ssn: str = ""
    former_family: str = ""

    def named(self, **changes: str) -> Someone:
        return replace(self, **changes)  # type: ignore[arg-type]


def _family(chance: random.Random) -> str:
    """A few names are common, most are rare: a third comes from the list, the rest is put together from syllables."""
    if chance.random() < 0.35:
        return chance.choice(_NAMES["family"])
    return (
        chance.choice(_NAMES["first syllable"])
        + chance.choice(_NAMES["middle syllable"])
        + chance.choice(_NAMES["last syllable"])
    ).capitalize()


def someone(chance: random.Random) -> Someone:
    sex = chance.choice("FM")
    town, postcode = chance.choice(_TOWNS)
    return Someone(
        given=chance.choice(_GIVEN[sex]),
        middle=chance.choice("ABCDEFGHJKLMNPRSTW"),
        family=_family(chance),
        sex=sex,
        born=date(1931, 1, 1) + timedelta(days=chance.randrange(31_000)),
        street=f"{chance.randrange(1, 2400)} {chance.choice(_NAMES['street'])} {chance.choice(_KINDS)}",
        town=town,
        zip=postcode,
        phone=f"({chance.choice((217, 309, 815))}){chance.randrange(200, 999)}-{chance.randrange(10_000):04d}",
        # 900-999 is never issued as a social security number
        ssn=f"9{chance.randrange(10, 99)}-{chance.randrange(10, 99)}-{chance.randrange(1000, 9999)}"
        if chance.random() < 0.6
        else "",
    )


def twin(of: Someone, chance: random.Random) -> Someone:
    """The other one: same family, home and birth date."""
    given = chance.choice([name for name in _GIVEN[of.sex] if name != of.given and name[0] != of.given[0]])
    return replace(of, given=given, middle=chance.choice("ABCDEFGHJKLM"), ssn="")


def married(person: Someone, chance: random.Random) -> Someone:
    """The same person under a new family name, who still says the former one."""
    family = chance.choice([name for name in _NAMES["family"] if name != person.family])
    return replace(person, family=family, former_family=person.family)
