"""Accuracy and safety on hard registrations with the shipped model: nothing is tuned on what is measured here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest

from mpi.linkage import Linkage
from mpi.measure import quality, with_review
from mpi.recordfile import registration
from tests.mpi.hard import Region

Rows = list[dict[str, str]]


@pytest.fixture(scope="module", params=[11, 12])
def linked(request: pytest.FixtureRequest) -> tuple[Rows, Linkage]:
    rows = Region(request.param).rows(2500)
    linkage = Linkage()
    for _ in linkage.run(registration(row) for row in rows):
        pass
    return rows, linkage


def by_kind(rows: Rows, clusters: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Kind -> (true pairs, of them linked)."""
    people: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        people[row["person"]].append(row)
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for theirs in people.values():
        for i, a in enumerate(theirs):
            for b in theirs[:i]:
                for kind in {*a["kinds"].split(), *b["kinds"].split()}:
                    counts[kind][0] += 1
                    counts[kind][1] += clusters[a["rid"]] == clusters[b["rid"]]
    return {kind: (n, linked) for kind, (n, linked) in counts.items()}


def wrong(rows: Rows, clusters: dict[str, str], kind: str) -> float:
    """Share of siblings or namesakes of a kind that ended in one cluster."""
    groups: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    where: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if kind in row["kinds"].split():
            groups[(row["family"].upper()[:4], row["zip"][:3])].add(row["person"])
            where[row["person"]].add(clusters[row["rid"]])
    pairs = [(a, b) for people in groups.values() for a in people for b in people if a < b]
    return sum(1 for a, b in pairs if where[a] & where[b]) / max(1, len(pairs))


@pytest.mark.invariant(4)
def test_gates(linked: tuple[Rows, Linkage]) -> None:
    rows, linkage = linked
    truth = {row["rid"]: row["person"] for row in rows}
    clusters, questions = linkage.clusters(), linkage.questions()
    found = quality(clusters, truth)
    recall, _ = with_review(clusters, truth, [(q.one, q.other) for q in questions])
    assert found.pairs.precision >= 0.996, (
        "one mixed household is 0.1 % of a set this small; the gate on large sets is 0.998"
    )
    assert found.pairs.recall >= 0.84
    assert recall >= 0.985
    assert len(questions) <= 0.1 * len(rows)


@pytest.mark.invariant(4)
def test_who_must_not_be_mixed(linked: tuple[Rows, Linkage]) -> None:
    rows, linkage = linked
    clusters = linkage.clusters()
    assert wrong(rows, clusters, "generations") == 0
    assert wrong(rows, clusters, "twins") <= 0.02


def test_recall_by_kind(linked: tuple[Rows, Linkage]) -> None:
    rows, linkage = linked
    shares = {kind: linked / n for kind, (n, linked) in by_kind(rows, linkage.clusters()).items() if n >= 30}
    floors = {
        "plain": 0.87,
        "errors": 0.75,
        "nickname": 0.65,
        "name-change": 0.65,
        "moved": 0.6,
        "generations": 0.8,
        "twins": 0.75,
    }
    low = {kind: share for kind, share in shares.items() if share < floors.get(kind, 0.0)}
    assert not low


@pytest.mark.slow
def test_large() -> None:
    rows: Sequence[dict[str, str]] = Region(99).rows(18_000)
    linkage = Linkage()
    for _ in linkage.run(registration(row) for row in rows):
        pass
    truth = {row["rid"]: row["person"] for row in rows}
    assert quality(linkage.clusters(), truth).pairs.precision >= 0.998
