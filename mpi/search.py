"""Which persons a cleaned record may be: keys -> candidates -> scores, best first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mpi import enterprise, explain
from mpi.batch import Batch
from mpi.compare import Comparison
from mpi.features import Features
from mpi.model import Model
from mpi.resolution import Candidate
from mpi.score import Score, against, probability


class Search:
    def __init__(self, model: Model, comparison: Comparison, hot: dict[int, int]) -> None:
        self.model = model
        self.comparison = comparison
        self._hot = hot

    def persons(
        self, batch: Batch, features: Features, wanted: Sequence[int], own: int, record_id: int
    ) -> tuple[list[tuple[int, Score]], int]:
        """([(eid, score)], best first, none below possible; number of keys skipped)."""
        skipped = [key for key in wanted if key in self._hot]
        if skipped and len(skipped) == len(wanted):
            batch.read_hot(skipped)
            skipped = []
        eids: dict[int, None] = {}
        rows = batch.rows
        for key in wanted:
            for id_ in batch.found.get(key, ()):
                row = rows.get(id_)
                if row is not None and id_ != record_id and row.eid != own:
                    eids[row.eid] = None
        return self.scored(batch, features, eids, record_id), len(skipped)

    def scored(
        self, batch: Batch, features: Features, eids: Iterable[int], record_id: int = 0
    ) -> list[tuple[int, Score]]:
        """[(eid, score)] of the persons given, best first, none below possible."""
        rows = batch.rows
        features = self._without_shared(batch, features, eids)
        scored = []
        for eid in eids:
            members = batch.members.get(eid)
            if not members:
                continue
            score = against(self.comparison, features, [rows[m].features for m in members])
            if score is None or score.bits < self.model.possible:
                continue
            if batch.apart and record_id and self.apart(batch, [record_id], members):
                score = score._replace(stops=(*score.stops, "apart"))
            scored.append((eid, score))
        scored.sort(key=lambda item: (self.grade(item[1]) != "certain", -item[1].bits))
        return scored

    def _without_shared(self, batch: Batch, features: Features, eids: Iterable[int]) -> Features:
        """Junk by frequency: a number that many persons bear says nothing about any of them."""
        if len(features.ssn) == 9:
            bearers = {
                eid for eid in eids for m in batch.members.get(eid, ()) if batch.rows[m].features.ssn == features.ssn
            }
            if len(bearers) > self.model.shared_ssn:
                features = features._replace(ssn="", junk=(*features.junk, ("ssn", "borne by several persons")))
        if features.phones:
            count: dict[str, int] = {}
            for eid in eids:
                for phone in {p for m in batch.members.get(eid, ()) for p in batch.rows[m].features.phones}:
                    count[phone] = count.get(phone, 0) + 1
            if any(count.get(p, 0) > self.model.shared_phone for p in features.phones):
                kept = tuple(p for p in features.phones if count.get(p, 0) <= self.model.shared_phone)
                features = features._replace(phones=kept, junk=(*features.junk, ("phone", "borne by many persons")))
        return features

    @staticmethod
    def apart(batch: Batch, ours: Iterable[int], theirs: Sequence[int]) -> bool:
        return any(((a, b) if a < b else (b, a)) in batch.apart for a in ours for b in theirs)

    def grade(self, score: Score) -> str:
        """FHIR match-grade: a stop keeps the best score from being certain."""
        if score.bits >= self.model.certain and not score.stops:
            return "certain"
        if score.bits >= self.model.probable:
            return "probable"
        return "possible" if score.bits >= self.model.possible else "certainly-not"

    def finish(self, eid: str, record_id: int, score: Score) -> Candidate:
        shown = explain.evidence(self.model, score.found, score.rival)
        return Candidate(
            eid,
            record_id,
            round(score.bits, 2),
            probability(score.bits),
            self.grade(score),
            score.rival,
            shown,
            score.stops,
        )

    def candidate(self, batch: Batch, eid: int, score: Score) -> Candidate:
        return self.finish(enterprise.as_text(eid), batch.members[eid][score.best], score)
