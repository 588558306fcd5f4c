"""How many people bear a name: a shipped table, corrected by what this population says."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from string import ascii_uppercase

from mpi.strings import distance

BASE_PERSONS = 30_000
"""The shipped table weighs as much as this many persons of the population."""
UNSEEN = 4e-6
"""Share of the population that bears a name nobody has heard of."""
ESTABLISHED = 2.5e-5


@lru_cache(maxsize=1)
def _base() -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {"g": {}, "f": {}}
    for line in files("mpi").joinpath("models/names.tsv").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            kind, name, per_100k = line.split("\t")
            table[kind][name] = float(per_100k) / 100_000
    return table


@lru_cache(maxsize=20_000)
def _edits(a: str, b: str) -> int:
    return distance(a, b)


@lru_cache(maxsize=20_000)
def _one_slip_away(odd: str) -> frozenset[str]:
    """Names of the shipped table that become `odd` by one letter more, less, other, or in its neighbour's place."""
    table = _base()["g"]
    near: set[str] = set()
    for at in range(len(odd) + 1):
        head, tail = odd[:at], odd[at:]
        near.update(head + letter + rest for letter in ascii_uppercase for rest in (tail, tail[1:]))
        near.add(head + tail[1:])
        near.add(head + tail[1:2] + tail[:1] + tail[2:])
    near.discard(odd)
    return frozenset(name for name in near if name in table)


class Frequencies:
    """Counts persons (not registrations), so that a busy patient does not make a name common. kind: g given, f family."""

    def __init__(self) -> None:
        base = _base()
        self._given, self._family = base["g"], base["f"]
        self.counts: dict[tuple[str, str], int] = {}
        self.persons = 0
        self.fresh: dict[tuple[str, str], int] = {}
        """Counted since the last `take`: to be written."""

    @staticmethod
    def table(kind: str) -> dict[str, float]:
        """The shipped shares."""
        return _base()[kind]

    def share(self, kind: str, name: str, *, others: bool = False) -> float:
        """Share of persons who bear the name; with `others`, leaving out one, who may be the very one that is looked at."""
        base = (self._given if kind == "g" else self._family).get(name, UNSEEN)
        seen = self.counts.get((kind, name), 0)
        if others and seen:
            seen -= 1
        return (base * BASE_PERSONS + seen) / (BASE_PERSONS + self.persons)

    def base(self, kind: str, name: str) -> float:
        """By the shipped table alone; 0 for a name that is not in it."""
        return (self._given if kind == "g" else self._family).get(name, 0.0)

    def established(self, name: str) -> bool:
        """A given name that parents choose; a typing error is not (unless it is as common as a name)."""
        return self._given.get(name, 0.0) >= 3e-5 or self.share("g", name) >= max(
            ESTABLISHED, 6 / (BASE_PERSONS + self.persons)
        )

    def slip_of_another(self, odd: str, name: str) -> bool:
        """`odd` is one slip away from a name that parents choose, and further away from `name`: TAYYLOR was TAYLOR, not TYLER."""
        return _edits(odd, name) > 1 and any(self.established(meant) for meant in _one_slip_away(odd))

    def count(self, given: str, family: str) -> None:
        self.persons += 1
        for key in (("g", given), ("f", family)):
            if 0 < len(key[1]) <= 40:
                self.counts[key] = self.counts.get(key, 0) + 1
                self.fresh[key] = self.fresh.get(key, 0) + 1

    def take(self) -> dict[tuple[str, str], int]:
        fresh, self.fresh = self.fresh, {}
        return fresh
