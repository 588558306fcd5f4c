"""The model is data: how probable each level of agreement is if two records are one person, and if they are two.

"Two persons" is not one case. A stranger shares nothing; another member of the household shares surname, address, telephone and
e-mail, so these prove nothing against it; a twin shares the birth date as well; parent and child of one name share the name; a namesake
shares name and birth date. Each is a hypothesis with probabilities of its own, and a link has to beat *all* of them: household evidence
cannot add up, however often it is counted. Weights are log2 of the ratio of probabilities (Fellegi and Sunter 1969), in bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from math import log2
from typing import Any

import orjson

Bits = tuple[float, float, float, float, float]
"""Weight against each rival hypothesis, in the order of RIVALS."""
RIVALS = ("stranger", "relative", "twin", "generation", "namesake")
NOTHING: Bits = (0.0, 0.0, 0.0, 0.0, 0.0)


def _ratio(same: float, rival: float) -> float:
    return log2(max(same, 1e-12) / max(rival, 1e-12))


@dataclass(frozen=True, slots=True)
class Spelling:
    """A way in which a name differs. `rate`: probability that this very variant is written for the name; `relative`, `twin`: for given
    names how much likelier than in the population a relative bears such a name, for family names the probability that a relative bears the same."""

    rate: float
    relative: float
    twin: float


@dataclass(frozen=True, slots=True)
class Model:
    version: str
    prior: Bits
    """log2 odds of "one person" against each rival before any field is looked at."""
    weights: Mapping[tuple[str, str], Bits]
    exact: Mapping[str, tuple[float, Bits]]
    """Name field -> (probability of exact agreement in one person, bits; the stranger's bit is computed from frequency)."""
    spellings: Mapping[tuple[str, str], Spelling]
    certain: float
    """Bits from which a link is made without asking."""
    probable: float
    possible: float
    """Bits from which a human is asked."""
    name_cap: float
    candidate_cap: int
    """A key that finds more records than this is skipped if others serve."""
    shared_ssn: int
    """A number borne by more persons than this is junk."""
    shared_phone: int
    unique: frozenset[str] = frozenset()
    """Authorities that give each person exactly one identifier: two different ones of them are two persons."""
    words: Mapping[str, str] = field(default_factory=dict)
    source: bytes = b""

    def rival_names(self) -> tuple[str, ...]:
        return RIVALS


def load(content: bytes) -> Model:
    """Reads and checks a model file. Raises ValueError naming the place where it is wrong."""
    try:
        raw: dict[str, Any] = orjson.loads(content)
        if raw["hypotheses"] != ["same", *RIVALS]:
            raise ValueError("model: hypotheses must be same, " + ", ".join(RIVALS))
        prior = raw["prior"]
        weights = {}
        for name, levels in raw["fields"].items():
            for level, p in levels.items():
                if len(p) != 6 or not all(0 < x <= 1 for x in p):
                    raise ValueError(f"model: fields.{name}.{level} must hold six probabilities")
                a, b, c, d, e = (_ratio(p[0], x) for x in p[1:])
                weights[name, level] = (a, b, c, d, e)
        exact: dict[str, tuple[float, Bits]] = {}
        spellings = {}
        for name, table in raw["names"].items():
            p = table["exact"]
            b, c, d, e = (_ratio(p[0], x) for x in p[2:])
            exact[name] = (p[0], (0.0, b, c, d, e))
            for level, (rate, relative, twin) in table["rates"].items():
                spellings[name, level] = Spelling(rate, relative, twin)
        limits, caps = raw["thresholds"], raw["caps"]
        p1, p2, p3, p4, p5 = (_ratio(prior[0], x) for x in prior[1:])
        return Model(
            raw["version"],
            (p1, p2, p3, p4, p5),
            weights,
            exact,
            spellings,
            limits["certain"],
            limits["probable"],
            limits["possible"],
            caps["name"],
            caps["candidates"],
            caps["shared_ssn"],
            caps["shared_phone"],
            frozenset(raw.get("unique", ())),
            raw.get("words", {}),
            content,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"model: incomplete ({type(error).__name__}: {error})") from None


@lru_cache(maxsize=1)
def default() -> Model:
    """The shipped model, `mpi/models/default.json`."""
    return load(files("mpi").joinpath("models/default.json").read_bytes())
