"""Blocking keys: 64-bit hashes under which a record is found again. Several kinds, so that no single error hides a record; never by sex."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from mpi.features import Features
from mpi.strings import soundex


def digest(text: str) -> int:
    """64 bits, signed, as both databases store them."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def identifier_hash(authority: str, type_: str, value: str) -> int:
    return digest(f"#{authority}\x1f{type_}\x1f{value}")


@lru_cache(maxsize=50_000)
def _surnames(family: tuple[str, ...]) -> tuple[str, ...]:
    """Each part of a two-part name is a key of its own."""
    return tuple(dict.fromkeys(part for name in family for part in name.split() if len(part) > 1))[:5]


def _texts(f: Features) -> Iterator[str]:
    year, month, day = f.birth
    low, high = (month, day) if month < day else (day, month)
    born = f"{year}.{low}.{high}" if year and month and day else ""
    around = f"{low}.{high}" if month and day else ""
    surnames = _surnames(tuple(f.family))
    givens = tuple(f.given)[:3]
    code = next((place[3] for place in f.places if place[3]), "")
    for surname in surnames:
        for given in givens:
            pair = f"{given}+{surname}" if given < surname else f"{surname}+{given}"
            if year:
                yield f"a{pair}{year}"
            if around:
                yield f"b{pair}{around}"
            if code:
                yield f"c{surname[:4]}{given[:3]}{code}"
            if not year:
                yield f"d{pair}"
        if born:
            yield f"e{surname[:4]}{born}"
            yield f"f{soundex(surname)}{born}"
        if around and givens:
            yield f"g{soundex(surname)}{givens[0]}{around}"
    if born:
        for given in dict.fromkeys((*(g[:3] for g in givens), *(m[:3] for m in f.middle if len(m) > 2))):
            yield f"h{given}{born}"
        if code:
            yield f"i{born}{code}"
    if f.ssn:
        if len(f.ssn) == 9:
            yield f"s{f.ssn}"
        if year:
            yield f"t{f.ssn[-4:]}{year}"
        if around:
            yield f"u{f.ssn[-4:]}{around}"
    for phone in f.phones:
        yield f"p{phone[-7:]}"
    for email in f.emails:
        yield f"m{email}"
    for number, street, _, zip_, city in f.places:
        if number and street:
            yield f"r{number}{street}{zip_ or city}"


def keys(f: Features) -> list[int]:
    """About 14 for a full record; every value it ever held emits its keys."""
    found = dict.fromkeys(map(digest, _texts(f)))
    for text in f.ids:
        found[digest("#" + text)] = None
    return list(found)


def strongest(f: Features) -> list[int]:
    """What two registrations of one new patient are sure to share: locked before the first candidate read (PostgreSQL)."""
    year, month, day = f.birth
    found = []
    if len(f.ssn) == 9:
        found.append(digest(f"Ls{f.ssn}"))
    if year:
        born = f"{year}.{month}.{day}"
        if f.family:
            found.append(digest(f"Lf{f.family[0]}{born}"))
        if f.given:
            found.append(digest(f"Lg{f.given[0]}{born}"))
        found += [digest(f"Lp{phone}{born}") for phone in f.phones[:1]]
    elif f.family:
        found.append(digest(f"Ln{f.family[0]}{f.given[0] if f.given else ''}"))
    found += [digest("#" + text) for text in f.ids]
    return found
