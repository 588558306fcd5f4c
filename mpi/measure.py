"""How good a clustering is against the truth: pairs, clusters, B-cubed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Figures(NamedTuple):
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


class Quality(NamedTuple):
    pairs: Figures
    """Over all pairs of records in one cluster: what a clinician sees, closure included."""
    clusters: Figures
    """Clusters that are exactly one whole person."""
    b_cubed: Figures
    mixed: int
    """Clusters that hold two or more persons."""
    split: int
    """Persons that lie in two or more clusters."""


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _ratio(a: float, b: float) -> float:
    return a / b if b else 1.0


def quality(clusters: Mapping[str, str], truth: Mapping[str, str]) -> Quality:
    """`clusters` and `truth` give a label to each record; only records with a true label count."""
    cells: Counter[tuple[str, str]] = Counter()
    for record, person in truth.items():
        cells[clusters[record], person] += 1
    by_cluster: Counter[str] = Counter()
    by_person: Counter[str] = Counter()
    in_cluster: defaultdict[str, int] = defaultdict(int)
    in_person: defaultdict[str, int] = defaultdict(int)
    for (cluster, person), n in cells.items():
        by_cluster[cluster] += n
        by_person[person] += n
        in_cluster[cluster] += 1
        in_person[person] += 1
    good = sum(_pairs(n) for n in cells.values())
    exact = sum(1 for (c, p), n in cells.items() if n == by_cluster[c] == by_person[p])
    total = sum(cells.values())
    return Quality(
        Figures(
            _ratio(good, sum(map(_pairs, by_cluster.values()))), _ratio(good, sum(map(_pairs, by_person.values())))
        ),
        Figures(_ratio(exact, len(by_cluster)), _ratio(exact, len(by_person))),
        Figures(
            _ratio(sum(n * n / by_cluster[c] for (c, _), n in cells.items()), total),
            _ratio(sum(n * n / by_person[p] for (_, p), n in cells.items()), total),
        ),
        sum(n > 1 for n in in_cluster.values()),
        sum(n > 1 for n in in_person.values()),
    )


def joined(clusters: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The clustering after the clusters of each pair have been made one: what a steward's "yes" to each pair gives."""
    parent: dict[str, str] = {}

    def root(label: str) -> str:
        while parent.get(label, label) != label:
            parent[label] = parent.get(parent[label], parent[label])
            label = parent[label]
        return label

    for one, other in pairs:
        parent[root(clusters[one])] = root(clusters[other])
    return {record: root(label) for record, label in clusters.items()}


def with_review(
    clusters: Mapping[str, str], truth: Mapping[str, str], pairs: Iterable[tuple[str, str]]
) -> tuple[float, float]:
    """(pair recall if stewards answer every question rightly, share of the questions that are true matches)."""
    asked = list(pairs)
    true = [(a, b) for a, b in asked if a in truth and truth.get(b) == truth[a]]
    return quality(joined(clusters, true), truth).pairs.recall, _ratio(len(true), len(asked))
