"""Words of display texts, indexed so that a text costs one dictionary look-up a word.

A term is a phrase of words; a word that ends in `*` is a stem, a single word that begins with `*` an ending (drug
names of one class share theirs). Case, hyphens and punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_WORD = re.compile(r"[a-z0-9]+")
_KEY = 3


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


class Term(NamedTuple):
    stems: tuple[str, ...]
    open_ended: tuple[bool, ...]
    payload: int
    """Which list it belongs to."""


class Index:
    """Finds terms in texts. `payload` numbers are the caller's."""

    def __init__(self) -> None:
        self._terms: dict[str, list[Term]] = {}
        self._short: dict[str, list[Term]] = {}
        self._endings: dict[str, list[tuple[str, int]]] = {}

    def add(self, phrases: Iterable[str], payload: int) -> None:
        for phrase in phrases:
            if phrase.startswith("*"):
                ending = phrase[1:].lower()
                self._endings.setdefault(ending[-_KEY:], []).append((ending, payload))
                continue
            pieces = re.findall(r"[a-z0-9]+\*?", phrase.lower())
            if not pieces:
                continue
            term = Term(tuple(p.rstrip("*") for p in pieces), tuple(p.endswith("*") for p in pieces), payload)
            first = term.stems[0]
            if len(first) < _KEY:
                self._short.setdefault(first, []).append(term)
            else:
                self._terms.setdefault(first[:_KEY], []).append(term)

    def find(self, found: list[str]) -> list[tuple[int, int, int]]:
        """(position, length, payload) of every term in a list of words."""
        hits = []
        terms, short, endings = self._terms, self._short, self._endings
        for place, word in enumerate(found):
            candidates = terms.get(word[:_KEY]) if len(word) >= _KEY else short.get(word)
            if candidates:
                for term in candidates:
                    if _matches(term, found, place):
                        hits.append((place, len(term.stems), term.payload))
            if word[-_KEY:] in endings:
                for ending, payload in endings[word[-_KEY:]]:
                    if word.endswith(ending):
                        hits.append((place, 1, payload))
        return hits


def _matches(term: Term, found: list[str], place: int) -> bool:
    if place + len(term.stems) > len(found):
        return False
    for offset, stem in enumerate(term.stems):
        word = found[place + offset]
        if not (word.startswith(stem) if term.open_ended[offset] else word == stem):
            return False
    return True
