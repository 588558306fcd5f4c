"""Names of people as printed: `FAMILY, GIVEN M`, `Given M. Family Jr`. Words that no person is called are refused."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.damage import letters

_TITLES = frozenset(("mr", "mrs", "ms", "miss", "dr", "mx", "sra", "srta", "prof"))
_SUFFIXES = {"jr": "Jr", "sr": "Sr", "ii": "II", "iii": "III", "iv": "IV", "2nd": "II", "3rd": "III"}
CREDENTIALS = re.compile(
    r"(?:,|\s)\s*(?:M\.?D\.?|D\.?O\.?|N\.?P\.?|P\.?A\.?(?:-C)?|R\.?N\.?|D\.?D\.?S\.?|Ph\.?D\.?|F\.?N\.?P\.?(?:-C|-BC)?|APRN|DPM|PharmD|LCSW|MPH|FACP|FACC|FACS|MBBS|CRNP|CNM|DNP|RPh)\b\.?"
)
_PARTICLES = frozenset(
    (
        "de",
        "la",
        "del",
        "los",
        "van",
        "von",
        "der",
        "den",
        "di",
        "da",
        "dos",
        "das",
        "le",
        "st",
        "st.",
        "san",
        "al",
        "el",
        "bin",
    )
)
_NEVER = frozenset(
    [
        "patient",
        "name",
        "information",
        "date",
        "birth",
        "address",
        "phone",
        "page",
        "clinic",
        "hospital",
        "medical",
        "health",
        "center",
        "centre",
        "report",
        "results",
        "department",
        "laboratory",
        "lab",
        "imaging",
        "radiology",
        "insurance",
        "provider",
        "physician",
        "doctor",
        "referring",
        "ordering",
        "record",
        "number",
        "account",
        "social",
        "security",
        "male",
        "female",
        "unknown",
        "self",
        "none",
        "yes",
        "no",
        "the",
        "and",
        "or",
        "for",
        "with",
        "from",
        "to",
        "fax",
        "attention",
        "please",
        "see",
        "summary",
        "history",
        "discharge",
        "consult",
        "consultation",
        "referral",
        "request",
        "prescription",
        "refill",
        "progress",
        "note",
        "notes",
        "visit",
        "service",
        "family",
        "practice",
        "associates",
        "group",
        "pharmacy",
        "admission",
        "admitted",
        "attached",
        "enclosed",
        "above",
        "below",
        "same",
        "status",
        "type",
        "location",
        "room",
        "unit",
        "id",
        "mrn",
        "dob",
        "sex",
        "gender",
        "age",
        "years",
        "test",
        "final",
        "preliminary",
        "copy",
        "reason",
        "diagnosis",
        "plan",
        "member",
        "subscriber",
        "guarantor",
        "specimen",
        "collected",
    ]
)
_TOKEN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ0156|!$8][A-Za-zÀ-ÖØ-öø-ÿ0156|!$8'’.-]*\Z")
_TAIL = re.compile(r"\s*(?:\(.*|\[.*|\b(?:age|dob|mrn|sex|id|acct|ssn)\b.*|\d{2,}.*|\s{3,}.*|[|/;].*)$", re.IGNORECASE)


class PersonName(NamedTuple):
    family: str
    given: str
    middle: str = ""
    suffix: str = ""
    sure: bool = True
    """False where a character was repaired."""


def person_name(text: str) -> PersonName | None:
    """A person's name at the beginning of `text`, None where there is none or it carries professional credentials."""
    text = text.strip(" :;.,-_=#*\t")
    if CREDENTIALS.search(text[:60]):
        return None
    text = _TAIL.sub("", text).strip(" :;.,-_")
    if not 3 <= len(text) <= 60:
        return None
    family, comma, rest = text.partition(",")
    if not comma and ". " in text:
        head, _, tail = text.partition(". ")  # a comma that was read as a full stop: "SMITH. JOHN"
        if head.isupper() and " " not in head and len(head) > 2 and tail.isupper():
            family, comma, rest = head, ",", tail
    suffix = ""
    words, sure = _words(rest if comma else text)
    if comma:
        named, family_sure = _words(family)
        sure = sure and family_sure
        if named and named[-1].lower().strip(".") in _SUFFIXES and len(named) > 1:
            suffix = _SUFFIXES[named.pop().lower().strip(".")]
        if words and words[0].lower().strip(".") in _SUFFIXES:  # "John Smith, Jr"
            return _checked(named[-1:], named[:-1], _SUFFIXES[words[0].lower().strip(".")], sure)
        given = words
    else:
        named, given = _western(words)
    for group in (given, named):
        if len(group) > 1 and group[-1].lower().strip(".") in _SUFFIXES:
            suffix = _SUFFIXES[group.pop().lower().strip(".")]
    if not comma and not named and len(given) > 1:
        named, given = _western(given)
    return _checked(named, given, suffix, sure)


def _words(text: str) -> tuple[list[str], bool]:
    """Words of a name; an empty list where one of them cannot be part of a name."""
    made, sure = [], True
    for token in text.replace(",", " ").split():
        if token.lower().strip(".") in _TITLES:
            continue
        if not _TOKEN.match(token) or token.lower().strip(".:") in _NEVER:
            return [], True
        word, repaired = letters(token)
        sure = sure and not repaired
        made.append(word)
    return (made, sure) if len(made) <= 5 else ([], True)


def _western(words: list[str]) -> tuple[list[str], list[str]]:
    """Given names first: the last word and its particles are the family name."""
    words = list(words)
    if len(words) > 2 and words[-1].lower().strip(".") in _SUFFIXES:
        return words[-2:], words[:-2]
    at = len(words) - 1
    while at > 1 and words[at - 1].lower() in _PARTICLES:
        at -= 1
    return words[at:], words[:at]


def _checked(named: list[str], given: list[str], suffix: str, sure: bool) -> PersonName | None:
    if not named or not given or sum(c.isalpha() for c in "".join(named)) < 2 or not given[0][:1].isalpha():
        return None
    first, *others = given
    return PersonName(
        _cased(" ".join(named)), _cased(first.strip(".")), _cased(" ".join(others).strip(".")), suffix, sure
    )


def _cased(text: str) -> str:
    """Upper-case print as a name; anything else stays as printed."""
    if not text.isupper() or len(text) < 2:
        return text
    return re.sub(r"[^\W\d_]+", lambda m: m.group().capitalize(), text.lower())
