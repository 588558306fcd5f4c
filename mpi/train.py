"""Estimates m and u from unlabelled registrations: EM over each field's levels, seeded by recordlinkage's ECM. The extra `train` has what it needs.

u comes from *random* pairs (u of blocked pairs is badly biased), m from the pairs that share a key, as two-component mixture with one
probability for each level. Only "same" and "stranger" are learned: twins, generations and namesakes are too rare to be estimated without
labels, and keep what the shipped model says of them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd  # type: ignore[import-untyped]
import recordlinkage  # type: ignore[import-untyped]

from mpi.compare import MISSING, Comparison
from mpi.features import Features, clean
from mpi.frequency import Frequencies
from mpi.keys import keys
from mpi.model import default, load
from mpi.person import Person

BLOCK_CAP = 50
PAIRS = 200_000
_FLOOR = 1e-7
Levels = tuple[str, ...]


def _levels(comparison: Comparison, a: Features, b: Features) -> dict[str, str]:
    given, family = comparison.names(a, b)
    found = comparison.all(a, b, given, family, comparison.birth(a, b))
    return {name: agreement.level for name, agreement in found.items()}


def _blocked(features: Sequence[Features], pick: random.Random) -> list[tuple[int, int]]:
    blocks: defaultdict[int, list[int]] = defaultdict(list)
    for position, one in enumerate(features):
        for key in keys(one):
            blocks[key].append(position)
    pairs = {
        (a, b) for there in blocks.values() if len(there) <= BLOCK_CAP for i, b in enumerate(there) for a in there[:i]
    }
    ordered = sorted(pairs)
    return pick.sample(ordered, PAIRS) if len(ordered) > PAIRS else ordered


def _seed(observed: Sequence[dict[str, str]], fields: Sequence[str]) -> Any:
    """First guess of who is one person: recordlinkage's unsupervised classifier over binary agreement."""
    table = pd.DataFrame(
        [
            [int(row[name] in ("exact", "agree", "nickname", "initial", "near", "swap")) for name in fields]
            for row in observed
        ],
        columns=list(fields),
        index=pd.MultiIndex.from_arrays([range(len(observed)), range(len(observed))]),
    )
    table = table.loc[:, table.nunique() > 1]
    classifier = recordlinkage.ECMClassifier(binarize=None, max_iter=50)
    classifier.fit_predict(table)
    return classifier.prob(table).to_numpy()


def _shares(observed: Sequence[dict[str, str]], weight: Any, name: str) -> dict[str, float]:
    """Share of each level among pairs where the field is known on both sides, with a little smoothing."""
    counts: defaultdict[str, float] = defaultdict(float)
    for row, w in zip(observed, weight, strict=True):
        if row[name] != MISSING:
            counts[row[name]] += float(w)
    total = sum(counts.values()) + 1.0
    return {level: max(_FLOOR, n / total) for level, n in counts.items()}


def train(people: Sequence[Person], *, seed: int = 1, rounds: int = 30) -> tuple[bytes, str]:
    """(model file, summary). Raises ValueError where there is too little to learn from."""
    pick = random.Random(seed)
    features = [clean(person) for person in people]
    if len(features) < 200:
        raise ValueError("training needs at least 200 registrations")
    comparison = Comparison(default(), Frequencies())
    blocked = _blocked(features, pick)
    random_pairs = [tuple(pick.sample(range(len(features)), 2)) for _ in range(min(PAIRS, 20 * len(features)))]
    observed = [_levels(comparison, features[a], features[b]) for a, b in blocked]
    unlike = [_levels(comparison, features[a], features[b]) for a, b in random_pairs]
    raw: dict[str, Any] = orjson.loads(default().source)
    fields = [name for name in raw["fields"] if name not in ("identifier", "order")]
    u = {name: _shares(unlike, np.ones(len(unlike)), name) for name in fields}
    weight = _seed(observed, fields)
    m: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        m = {name: _shares(observed, weight, name) for name in fields}
        among = {name: _shares(observed, 1 - weight, name) for name in fields}
        prior = min(0.99, max(0.01, float(weight.mean())))
        log_odds = np.full(len(observed), np.log(prior / (1 - prior)))
        for i, row in enumerate(observed):
            for name in fields:
                level = row[name]
                if level != MISSING:
                    log_odds[i] += np.log(m[name].get(level, _FLOOR) / among[name].get(level, _FLOOR))
        new = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
        moved = float(np.abs(new - weight).max())
        weight = new
        if moved < 1e-4:
            break
    learned = 0
    for name in fields:
        for level, p in raw["fields"][name].items():
            if level in m[name] and level != MISSING:
                same = m[name][level]
                scale = same / p[0]
                stranger = u[name].get(level, min(p[1], 1 / len(unlike)))
                # rivals that err as often as the same person does move along with it
                raw["fields"][name][level] = [
                    same,
                    stranger,
                    *(min(1.0, x * scale) if abs(x - p[0]) < 1e-9 else x for x in p[2:]),
                ]
                learned += 1
    raw["version"] = f"{raw['version']}+trained"
    content = orjson.dumps(raw, option=orjson.OPT_INDENT_2)
    load(content)
    matches = float(weight.sum())
    return (
        content,
        f"{len(blocked):,} pairs compared, about {matches:,.0f} of one person; {learned} probabilities estimated",
    )
