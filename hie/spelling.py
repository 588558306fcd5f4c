"""What somebody probably meant who wrote a name that nobody has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.5
SHOWN = 12
"""Names listed where none is close: a longer list helps nobody."""


def meant(name: str, known: Iterable[str]) -> str:
    """The hint of an error: the nearest name, else those there are; "" where there are none."""
    names = list(known)
    if near := get_close_matches(name, names, 1, CLOSE):
        return f"did you mean {near[0]!r}?"
    return f"one of {', '.join(names)}" if 0 < len(names) <= SHOWN else ""
