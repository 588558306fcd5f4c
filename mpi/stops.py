"""Hard stops: what no sum of evidence may override. A stop never says "two people"; it says "a human decides"."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from collections.abc import Mapping

from mpi.compare import MISSING, Agreement
from mpi.features import Features
from mpi.frequency import Frequencies
from mpi.nicknames import both_formal
from mpi.relation import EXACT, FAR, INITIAL, NEAR, NICKNAME, SHAPE, SOUND
from mpi.strings import distance

STOPS: dict[str, str] = {
    "ssn": "the social security numbers differ, and each person has one",
    "identifier": "two identifiers of an authority that gives each person exactly one",
    "suffix": "one is Jr, the other Sr (or II, III): two generations",
    "generations": "same name, birth years a generation apart: parent and child until somebody looks",
    "twins": "same birth date and household, and the given names are two real names: twins until somebody looks",
    "sibling": "the social security numbers are neighbours, as brothers and sisters get them, and the given names differ",
    "newborn": "a newborn without a name of its own, and nothing that tells it from a twin",
    "multiple": "children of one multiple birth with different birth order",
    "sex": "different sex and not the same given name",
    "namesake": "same name and birth date, but nothing else agrees and something differs",
    "bare": "name and birth date are all that is known of both: two people may share them",
    "person": "only household evidence: nothing says which member of the household it is",
    "apart": "a steward decided that these are two people",
}
"""Code -> what it means."""

_BORN = frozenset({"exact", "swap", "near", "near-generation", "default"})
_CORROBORATES: dict[str, frozenset[str]] = {
    "ssn": frozenset({"exact", "near", "adjacent", "last4"}),
    "identifier": frozenset({"exact"}),
    "phone": frozenset({"exact", "near"}),
    "email": frozenset({"exact", "near", "of-name", "own"}),
    "address": frozenset({"exact", "near", "other-unit", "zip-only"}),
    "mother": frozenset({"exact", "near"}),
    "middle": frozenset({"exact", "initial", "near"}),
    "suffix": frozenset({"agree"}),
}
_SAME_NAME = frozenset({EXACT, NICKNAME, "swapped"})
BEYOND_DOUBT = 9.0
"""Bits that make up for a family name that differs: a thousand times likelier one person than any rival."""
_FIRST_OF_TWO = frozenset("MARIA JOSE JUAN ANA LUIS MARY ANNA JEAN MOHAMMED MUHAMMAD MOHAMED MARIE".split())
"""Given names that siblings share and the second name tells apart."""


def _twins(a: Features, b: Features, found: Mapping[str, Agreement], frequencies: Frequencies) -> bool:
    birth, given = found["birth"].level, found["given"].level
    if birth not in _BORN and birth not in ("year-month", "year", "two-parts", "default-conflict"):
        return False
    household = (
        found["family"].level not in ("conflict", MISSING)
        or found["address"].level in ("exact", "near", "other-unit")
        or found["phone"].level == "exact"
        or found["email"].level in ("exact", "own")
        or found["mother"].level == "exact"
    )
    if given == "swapped" and household and _two_names(found["given"].detail, frequencies):
        return found["ssn"].level != "exact"
    if not household or given in (EXACT, MISSING, "swapped"):
        return (
            given == EXACT
            and found["middle"].level == "conflict"
            and bool(a.given)
            and bool(a.middle)
            and bool(b.middle)
            and a.given[0] in _FIRST_OF_TWO
            and len(a.middle[0]) > 1
            and len(b.middle[0]) > 1
        )
    if given in (NICKNAME, INITIAL):
        if given == NICKNAME and _two_names(found["given"].detail, frequencies):
            return found["ssn"].level != "exact"
        return (
            found["middle"].level == "conflict" or found["sex"].level == "conflict" or found["ssn"].level == "adjacent"
        )
    if given == "middle":
        return found["ssn"].level in ("adjacent", "conflict", "conflict2")
    if given == "conflict":
        return True
    if found["ssn"].level == "exact":
        return False  # twins do not share it
    ours, _, theirs = found["given"].detail.partition("/")
    known, other = frequencies.established(ours), frequencies.established(theirs)
    if known and other:
        return True
    if found["email"].level == "own" or found["middle"].level == "exact":
        return False  # a twin's address would name the twin, and twins have middle names of their own
    if known == other:
        return given == FAR
    odd, name = (theirs, ours) if known else (ours, theirs)
    if given == FAR and not (distance(odd, name) == 1 or (min(len(odd), len(name)) >= 6 and odd[0] == name[0])):
        return True
    return given in (FAR, SOUND) and frequencies.slip_of_another(odd, name)


def _two_names(detail: str, frequencies: Frequencies) -> bool:
    """JULIA and JULIE, ANNA and HANNAH: related, but parents give both; BILL is never the twin of WILLIAM."""
    ours, _, theirs = detail.partition("/")
    return (
        ours != theirs
        and both_formal(ours, theirs)
        and distance(ours, theirs) <= 2
        and not _cut_short(ours, theirs)
        and frequencies.established(ours)
        and frequencies.established(theirs)
    )


def _cut_short(a: str, b: str) -> bool:
    """TOM and TOMAS are one name; ERIC and ERICA, JULI and JULIE are two."""
    short, long = sorted((a, b), key=len)
    return long.startswith(short) and len(long) - len(short) == 2


def _generations(found: Mapping[str, Agreement]) -> bool:
    given, birth = found["given"].level, found["birth"].level
    if given in ("conflict", MISSING) or found["family"].level in ("conflict", MISSING):
        return False
    proven = found["ssn"].level == "exact"
    if birth == "near-generation":
        return not proven or found["suffix"].level == "one-sided"
    if birth == "conflict-generation":
        return True
    return found["suffix"].level == "one-sided" and birth not in _BORN and not proven


def stops(a: Features, b: Features, found: Mapping[str, Agreement], frequencies: Frequencies) -> list[str]:
    """Codes of STOPS that hold between two records."""
    codes = []
    given, birth, ssn = found["given"].level, found["birth"].level, found["ssn"].level
    if ssn == "conflict" or (ssn == "conflict2" and (given not in _SAME_NAME or birth not in ("exact", "swap"))):
        codes.append("ssn")
    if (ssn == "adjacent" and given not in (EXACT, NICKNAME, INITIAL, "swapped")) or (
        ssn == "near" and given in ("conflict", FAR, SOUND)
    ):
        codes.append("sibling")
    if found["identifier"].level == "conflict":
        codes.append("identifier")
    if found["suffix"].level == "conflict":
        codes.append("suffix")
    if _generations(found):
        codes.append("generations")
    if found["order"].level == "conflict":
        codes.append("multiple")
    if a.placeholder or b.placeholder:
        if found["ssn"].level != "exact" and found["identifier"].level != "exact":
            codes.append("newborn")
    elif _twins(a, b, found, frequencies):
        codes.append("twins")
    if found["sex"].level == "conflict" and given not in (EXACT, MISSING):
        codes.append("sex")
    differing = sum(found[name].level == "conflict" for name in ("address", "phone", "email", "middle", "mother"))
    if given != "conflict" and birth in _BORN and not _corroborated(found, differing):
        if differing:
            codes.append("namesake")
        elif found["address"].level != "zip":
            codes.append("bare")
    return codes


def _corroborated(found: Mapping[str, Agreement], differing: int) -> bool:
    """An initial is shared by one in twelve: against two fields that differ it proves nothing."""
    return any(
        found[name].level in levels and not (found[name].level == "initial" and differing > 1)
        for name, levels in _CORROBORATES.items()
    )


def is_slip(found: Mapping[str, Agreement], frequencies: Frequencies) -> bool:
    """The given names differ, and at least one is no name that parents choose."""
    ours, _, theirs = found["given"].detail.partition("/")
    return not (frequencies.established(ours) and frequencies.established(theirs))


def lacks_person(found: Mapping[str, Agreement], bits: float, frequencies: Frequencies) -> bool:
    """`bits`: the sum of all evidence. True where no field that tells members of a household apart agrees well enough to link without asking."""
    given, birth = found["given"].level, found["birth"].level
    proven = found["ssn"].level == "exact" or found["identifier"].level == "exact"
    named = given not in ("conflict", MISSING)
    born = birth in _BORN or birth in ("year", "year-month", "two-parts", "default-conflict")
    if found["family"].level in ("conflict", MISSING) and not proven:
        # without the family name the rest has to be beyond doubt
        elsewhere = any(
            found[name].level in ("exact", "last4", "of-name", "own")
            for name in ("ssn", "phone", "email", "address", "mother")
        )
        same = given in _SAME_NAME or (elsewhere and given in (NEAR, SHAPE) and is_slip(found, frequencies))
        if birth not in ("exact", "swap") or not same or not (elsewhere or bits >= BEYOND_DOUBT):
            return True
    return not ((named and born) or (proven and (named or (birth in _BORN and given == MISSING))))
