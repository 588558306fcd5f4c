"""How two names relate as strings: the nearest of a bounded list of relations."""

from __future__ import annotations

from functools import lru_cache

from mpi.nicknames import forms, related
from mpi.strings import distance, metaphone, similarity

EXACT, NICKNAME, INITIAL, PREFIX, SHAPE, SOUND, NEAR, FAR, OVERLAP, OTHER = (
    "exact", "nickname", "initial", "prefix", "shape", "sound", "near", "far", "overlap", "conflict",
)  # fmt: skip
_SHAPES = (
    ("RN", "M"),
    ("NN", "M"),
    ("VV", "W"),
    ("CL", "D"),
    ("LI", "U"),
    ("II", "U"),
    ("0", "O"),
    ("Q", "O"),
    ("L", "I"),
    ("J", "I"),
    ("1", "I"),
    ("5", "S"),
    ("8", "B"),
    ("6", "G"),
    ("E", "F"),
)


@lru_cache(maxsize=50_000)
def _shape(name: str) -> str:
    """What a scanner or a hurried reader sees."""
    for seen, meant in _SHAPES:
        name = name.replace(seen, meant)
    return name


@lru_cache(maxsize=200_000)
def given_relation(a: str, b: str) -> str:
    if a == b:
        return EXACT
    if len(a) == 1 or len(b) == 1:
        return INITIAL if a[0] == b[0] else OTHER
    if related(a, b):
        return NICKNAME
    found = _spelling(a, b)
    if found != OTHER:
        return found
    short, long = (a, b) if len(a) < len(b) else (b, a)
    if len(short) >= 3 and long.startswith(short):
        return PREFIX
    if len(short) > 3 and any(
        len(form) > 3 and distance(form, y) == 1 for x, y in ((a, b), (b, a)) for form in forms(x)
    ):
        return FAR  # a short form with a typing error
    return OTHER


def _spelling(a: str, b: str) -> str:
    shorter = min(len(a), len(b))
    edits = distance(a, b)
    if _shape(a) == _shape(b) and shorter > 2:
        return SHAPE
    if edits == 1:
        if shorter >= 4 or (shorter == 3 and a[0] == b[0]):
            return NEAR
        return FAR if max(len(a), len(b)) >= 3 else OTHER
    if shorter >= 3 and metaphone(a) == metaphone(b) and similarity(a, b) >= 0.75:
        return SOUND
    if edits == 2 and shorter >= 5:
        return FAR
    if shorter >= 6 and edits == 3 and similarity(a, b) >= 0.9:
        return FAR
    return OTHER


@lru_cache(maxsize=200_000)
def family_relation(a: str, b: str) -> str:
    """Names may have several parts: one part in common is overlap (GARCIA and GARCIA LOPEZ)."""
    if a == b:
        return EXACT
    if " " in a or " " in b:
        ours, theirs = a.split(), b.split()
        if a.replace(" ", "") == b.replace(" ", "") or sorted(ours) == sorted(theirs):
            return EXACT
        if not set(ours).isdisjoint(theirs):
            return OVERLAP
        if any(len(x) > 3 and len(y) > 3 and _spelling(x, y) in (NEAR, SHAPE, SOUND) for x in ours for y in theirs):
            return FAR
        return OTHER
    found = _spelling(a, b)
    if found == OTHER and min(len(a), len(b)) >= 5 and (a.startswith(b) or b.startswith(a)):
        return PREFIX  # cut off by a field's length, or a second surname glued on
    return found
