"""What `hie mpi evaluate` prints: precision, recall and F1 by pair, cluster and B-cubed, review load, a threshold table, the weights as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from mpi.linkage import Linkage
from mpi.measure import Figures, Quality, joined, quality, with_review
from mpi.tables import LINK_EVENT


class Threshold(NamedTuple):
    bits: float
    links: int
    """Automatic links that need at least so many bits."""
    wrong: int
    missed: int
    """Questions to a steward at or above it that are true matches: links it would have made right."""


class Report(NamedTuple):
    records: int
    quality: Quality
    best_guess: Figures
    """Pairs where every question that is likelier true than not is answered yes: what a classifier without stewards would do."""
    recall_with_review: float
    questions: int
    true_questions: float
    thresholds: tuple[Threshold, ...]
    histogram: tuple[tuple[int, int, int], ...]
    """(bits, true, false) over links and questions."""
    by_reason: Mapping[str, tuple[int, int]]
    """Why a human is asked: (true, false)."""

    def figures(self) -> dict[str, Any]:
        q = self.quality
        return {
            "records": self.records,
            **{
                name: {"precision": round(f.precision, 5), "recall": round(f.recall, 5), "f1": round(f.f1, 5)}
                for name, f in (
                    ("pair", q.pairs),
                    ("cluster", q.clusters),
                    ("b_cubed", q.b_cubed),
                    ("best_guess", self.best_guess),
                )
            },
            "mixed_clusters": q.mixed,
            "split_persons": q.split,
            "recall_with_review": round(self.recall_with_review, 5),
            "review_pairs_per_1000": round(1000 * self.questions / max(1, self.records), 1),
            "review_pairs_true": round(self.true_questions, 3),
            "thresholds": [t._asdict() for t in self.thresholds],
            "reasons": {reason: {"true": t, "false": f} for reason, (t, f) in self.by_reason.items()},
        }

    def text(self) -> str:
        q = self.quality
        lines = [f"{'':10} precision   recall       F1"]
        for name, f in (
            ("pair", q.pairs),
            ("cluster", q.clusters),
            ("B-cubed", q.b_cubed),
            ("best guess", self.best_guess),
        ):
            lines.append(f"{name:10} {f.precision:9.4f} {f.recall:8.4f} {f.f1:8.4f}")
        load = 1000 * self.questions / max(1, self.records)
        lines += [
            "",
            f"{self.records:,} records; {q.mixed} clusters hold two or more persons; {q.split} persons lie in several clusters",
            f"review: {self.questions} pairs, {load:.0f} per 1,000 records, {self.true_questions:.0%} of them true; recall with review {self.recall_with_review:.4f}",
            "",
            "if a link needed   links  wrong   questions it would answer rightly",
        ]
        lines += [f"{t.bits:11.0f} bits {t.links:7} {t.wrong:6} {t.missed:9}" for t in self.thresholds]
        lines += ["", "why a human is asked     true  false"]
        lines += [f"{reason:22} {t:6} {f:6}" for reason, (t, f) in self.by_reason.items()]
        lines += ["", "bits   # same person, . two persons (square root scale)"]
        lines += [f"{bits:4}   {'#' * round(t**0.5)}{'.' * round(f**0.5)}" for bits, t, f in self.histogram]
        return "\n".join(lines)


def report(linkage: Linkage, truth: Mapping[str, str]) -> Report:
    """Measures what a linkage did against true labels (reference -> person)."""
    clusters = linkage.clusters()
    questions = linkage.questions()
    pairs = [(q.one, q.other) for q in questions if q.one in truth and q.other in truth]
    recall, share = with_review(clusters, truth, pairs)
    likely = [(q.one, q.other) for q in questions if q.bits >= 0 and q.one in truth and q.other in truth]
    links = []
    first_of: dict[str, str] = {}
    for reference, eid in clusters.items():
        first_of.setdefault(eid, reference)
    c = LINK_EVENT.c
    for row in linkage.connection.execute(select(c.record_id, c.bits).where(c.decision == "certain")):
        reference = linkage.reference(row.record_id)
        other = first_of[clusters[reference]]
        if reference in truth and other in truth:
            links.append((row.bits, truth[reference] == truth[other]))
    asked = [(q.bits, truth[q.one] == truth[q.other]) for q in questions if q.one in truth and q.other in truth]
    table = tuple(
        Threshold(
            at,
            sum(1 for bits, _ in links if bits >= at),
            sum(1 for bits, right in links if bits >= at and not right),
            sum(1 for bits, right in asked if bits >= at and right),
        )
        for at in (0.0, 3.0, 6.0, 9.0, 11.0, 14.0, 18.0)
    )
    bins: Counter[tuple[int, bool]] = Counter((round(bits), right) for bits, right in (*links, *asked))
    levels = sorted({bits for bits, _ in bins})
    reasons: dict[str, tuple[int, int]] = {}
    for q in questions:
        if q.one in truth and q.other in truth:
            t, f = reasons.get(q.reason, (0, 0))
            same = truth[q.one] == truth[q.other]
            reasons[q.reason] = (t + same, f + (not same))
    return Report(
        len(clusters),
        quality(clusters, truth),
        quality(joined(clusters, likely), truth).pairs,
        recall,
        len(questions),
        share,
        table,
        tuple((bits, bins[bits, True], bins[bits, False]) for bits in levels),
        dict(sorted(reasons.items(), key=lambda item: -sum(item[1]))),
    )
