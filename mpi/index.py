"""The live index: registrations in, persons out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import orjson
from sqlalchemy import Connection

from mpi import enterprise, explain
from mpi.batch import Batch, Row
from mpi.compare import Comparison
from mpi.features import Features, clean, with_past
from mpi.frequency import Frequencies
from mpi.incoming import Incoming
from mpi.keys import digest, identifier_hash, keys, strongest
from mpi.model import Model, default
from mpi.person import Person, dump
from mpi.registration import Registration
from mpi.resolution import Candidate, Resolution
from mpi.score import Score, against
from mpi.search import Search
from mpi.sql import Statements

ASK_AT_MOST = 3
"""Review tasks one registration may open."""


class _Ask:
    """A question for a steward, before it has an id."""

    __slots__ = ("high", "kind", "low", "score")

    def __init__(self, kind: str, a: int, b: int, score: Score) -> None:
        self.kind = kind
        self.low, self.high = (a, b) if a < b else (b, a)
        self.score = score


class Index:
    """Not for several threads at once. Keeps name frequencies and frequent keys in memory; everything else is in the tables."""

    def __init__(self, model: Model | None = None, *, mint: Callable[[], int] = enterprise.mint) -> None:
        self.model = model or default()
        self.frequencies = Frequencies()
        self.comparison = Comparison(self.model, self.frequencies)
        self._mint = mint
        self._hot: dict[int, int] = {}
        self._search = Search(self.model, self.comparison, self._hot)
        self._statements: Statements | None = None
        self._writer = 0

    def _open(self, connection: Connection) -> Statements:
        statements = self._statements
        if statements is None:
            statements = self._statements = Statements(connection.dialect.name)
            for key, n in connection.exec_driver_sql("SELECT key, n FROM mpi_key_stat"):
                self._hot[key] = n
            self._writer = enterprise.mint() if statements.postgresql else 0
            for kind, term, n in connection.exec_driver_sql(
                "SELECT kind, term, sum(n) FROM mpi_term GROUP BY kind, term"
            ):
                n = int(n)
                self.frequencies.counts[kind, term] = n
                if kind == "f":
                    self.frequencies.persons += n
        return statements

    def register(self, connection: Connection, registrations: Sequence[Registration]) -> list[Resolution]:
        """Resolves each registration in order, as if each had been committed before the next. Never commits.

        On PostgreSQL call it once a transaction: the locks of one call are taken in order, those of two calls need not be.

        Raises nothing on odd content; what the database raises passes through.
        """
        statements = self._open(connection)
        batch = Batch(connection, statements, self.model.candidate_cap, self._hot)
        hashes = [
            identifier_hash(*r.identifier) if r.identifier is not None and r.identifier.value else None
            for r in registrations
        ]
        persons = [dump(r.person) for r in registrations]
        contents = [digest(p.decode()) for p in persons]
        if statements.postgresql:
            locked = [h for h in hashes if h is not None]
            for r in registrations:
                locked += strongest(clean(r.person))
            batch.lock(locked)
        batch.read_local({h for h in hashes if h is not None})
        fresh: list[Features | None] = []
        all_keys: list[list[int]] = []
        probe: list[int] = []
        known: list[int] = []
        for r, local_hash, content in zip(registrations, hashes, contents, strict=True):
            there = batch.local.get(local_hash) if local_hash is not None else None
            if there is not None and batch.rows[there[0]].content == content:
                fresh.append(None)
                all_keys.append([])
                continue
            features = clean(r.person)
            fresh.append(features)
            all_keys.append(keys(features))
            probe += all_keys[-1]
            if there is not None:
                known.append(there[0])
        if probe:
            batch.read_candidates(probe, known)
        new_ids = iter(statements.next_ids(connection, "mpi_record", len(fresh) if probe or any(fresh) else 0))
        resolutions: list[Resolution] = []
        asks: list[tuple[int, _Ask, float]] = []
        for at, r in enumerate(registrations):
            features_, local_hash, content = fresh[at], hashes[at], contents[at]
            there = batch.local.get(local_hash) if local_hash is not None else None
            if there is not None and batch.rows[there[0]].content == content:
                row = batch.rows[there[0]]
                resolutions.append(Resolution(row.id, enterprise.as_text(row.eid), "known", False, None, (), ()))
                continue
            if features_ is None:  # unchanged when read, changed by an earlier registration of this batch
                features_ = clean(r.person)
                all_keys[at] = keys(features_)
                batch.read_candidates(all_keys[at], [there[0]] if there else [])
            record = Incoming(r, features_, all_keys[at], local_hash, content, persons[at].decode())
            if there is None:
                resolution, questions = self._new(batch, record, next(new_ids))
            else:
                resolution, questions = self._changed(batch, record, batch.rows[there[0]], new_ids)
            asks += [(at, question, r.at) for question in questions]
            resolutions.append(resolution)
        if asks:
            self._ask(batch, connection, statements, asks, resolutions)
        batch.write(self.frequencies, self._writer)
        return resolutions

    def match(self, connection: Connection, person: Person, limit: int = 10) -> list[Candidate]:
        """The persons this could be, best first, at least possible. Writes nothing."""
        statements = self._open(connection)
        batch = Batch(connection, statements, self.model.candidate_cap, self._hot)
        features = clean(person)
        wanted = keys(features)
        if not batch.read_whole(wanted):
            batch.read_hot(wanted)
        scored = self._search.scored(batch, features, batch.members)
        return [self._search.candidate(batch, eid, score) for eid, score in islice(scored, limit)]

    def explain(self, connection: Connection, one: Person | int, other: Person | int) -> Candidate:
        """Compares two persons or records field by field, whatever the outcome. Raises KeyError for an unknown record id."""
        statements = self._open(connection)
        batch = Batch(connection, statements, self.model.candidate_cap, self._hot)
        batch.read_persons([x for x in (one, other) if isinstance(x, int)])
        a, b = (batch.rows[x].features if isinstance(x, int) else clean(x) for x in (one, other))
        score = against(self.comparison, a, [b], thorough=True)
        assert score is not None
        eid = batch.rows[other].eid if isinstance(other, int) else 0
        return self._search.finish(
            enterprise.as_text(eid) if eid else "", other if isinstance(other, int) else 0, score
        )

    # one registration

    def _new(self, batch: Batch, record: Incoming, id_: int) -> tuple[Resolution, list[_Ask]]:
        scored, skipped = self._search.persons(batch, record.features, record.keys, own=0, record_id=id_)
        shown = tuple(self._search.candidate(batch, eid, score) for eid, score in scored[:ASK_AT_MOST])
        row = Row(id_, 0, record.content, record.features)
        linked = bool(shown) and shown[0].grade == "certain"
        decision = shown[0].grade if shown else "new"
        questions = self._questions(batch, id_, scored, linked)
        row.eid = scored[0][0] if linked else self._mint()
        batch.add(row, record.keys, record.keys)
        batch.place(row, row.eid)
        if record.local_hash is not None and record.registration.identifier is not None:
            batch.local[record.local_hash] = (id_, *record.registration.identifier)
        if not linked:
            f = record.features
            self.frequencies.count(f.given[0] if f.given else "", f.family[0] if f.family else "")
        batch.pending.records.append(record.as_row(id_, row.eid))
        self._event(batch, record, row, None, "new" if not linked else "certain", shown[0] if linked else None)
        return Resolution(id_, enterprise.as_text(row.eid), decision, True, None, shown, (), skipped), questions

    def _questions(self, batch: Batch, id_: int, scored: Sequence[tuple[int, Score]], linked: bool) -> list[_Ask]:
        """Whom to ask about: every person this could be, or, where it was linked, persons that are perhaps one."""
        questions = []
        for eid, score in scored[1 if linked else 0 : ASK_AT_MOST]:
            if "apart" in score.stops:
                continue
            if linked:
                ours = batch.members.get(scored[0][0], [])
                theirs = batch.members[eid]
                if batch.question_between(scored[0][0], eid) or Search.apart(batch, ours, theirs):
                    continue
            kind = "duplicate" if linked else "possible"
            questions.append(_Ask(kind, id_, batch.members[eid][score.best], score))
            batch.asked[questions[-1].low, questions[-1].high] = -1
        return questions

    def _event(
        self,
        batch: Batch,
        record: Incoming,
        row: Row,
        previous: int | None,
        decision: str,
        candidate: Candidate | None,
    ) -> None:
        batch.pending.events.append(
            (
                self._mint(),
                record.registration.at,
                "index",
                "",
                self.model.version,
                row.id,
                previous,
                row.eid,
                decision,
                candidate.bits if candidate else None,
                orjson.dumps([candidate.rival, *(tuple(e[:3]) for e in candidate.evidence)]).decode()
                if candidate
                else None,
                None,
            )
        )

    def _changed(
        self, batch: Batch, record: Incoming, row: Row, new_ids: Iterable[int]
    ) -> tuple[Resolution, list[_Ask]]:
        """A known record says something new. It stays with its person; questions are asked where that may be wrong."""
        before = row.features
        self_score = against(self.comparison, record.features, [before], thorough=True)
        assert self_score is not None
        if self._is_overlay(record.features, before, self_score):
            # the clinic gave the identifier to somebody else: the old record stays whose it was
            if record.local_hash in batch.aliases:
                batch.aliases.discard(record.local_hash)
                batch.pending.freed_aliases.append((record.local_hash,))
            else:
                batch.pending.freed.append((row.id,))
            resolution, others_ = self._new(batch, record, next(iter(new_ids)))
            return resolution, [_Ask("overlay", row.id, resolution.record_id, self_score), *others_]
        features = with_past(record.features, before)
        wanted = keys(features)
        held = set(keys(before))
        own = row.eid
        others = [m for m in batch.members.get(own, ()) if m != row.id]
        material = features != before
        row.features, row.content = features, record.content
        batch.add(row, wanted, [key for key in wanted if key not in held])
        decision, previous, skipped = "known", None, 0
        questions: list[_Ask] = []
        shown: tuple[Candidate, ...] = ()
        if material:
            batch.read_candidates(wanted, [row.id])
            scored, skipped = self._search.persons(batch, features, wanted, own=own, record_id=row.id)
            shown = tuple(self._search.candidate(batch, eid, score) for eid, score in scored[:ASK_AT_MOST])
            if not others and shown and shown[0].grade == "certain":
                decision, previous = "certain", own
                questions = self._questions(batch, row.id, scored, True)
                batch.place(row, scored[0][0])
                self._event(batch, record, row, previous, "certain", shown[0])
            else:
                questions = self._known_questions(batch, row.id, own, scored)
                if others:
                    mine = against(self.comparison, features, [batch.rows[m].features for m in others], thorough=True)
                    if mine is not None and (mine.stops or mine.bits < self.model.possible):
                        questions.append(_Ask("split", row.id, others[mine.best], mine))
        batch.pending.updates.append(record.as_update(row))
        text = enterprise.as_text(row.eid)
        before_text = enterprise.as_text(previous) if previous is not None else None
        return Resolution(row.id, text, decision, previous is not None, before_text, shown, (), skipped), questions

    def _known_questions(self, batch: Batch, id_: int, own: int, scored: Sequence[tuple[int, Score]]) -> list[_Ask]:
        questions = []
        for eid, score in scored[:ASK_AT_MOST]:
            if "apart" in score.stops or batch.question_between(own, eid):
                continue
            if Search.apart(batch, batch.members.get(own, ()), batch.members[eid]):
                continue
            questions.append(_Ask("duplicate", id_, batch.members[eid][score.best], score))
            batch.asked[questions[-1].low, questions[-1].high] = -1
        return questions

    def _is_overlay(self, now: Features, before: Features, score: Score) -> bool:
        given, birth = score.found["given"].level, score.found["birth"].level
        if score.found["ssn"].level == "exact" or before.placeholder:
            return False
        other = birth in ("conflict", "conflict-generation", "two-parts", "default-conflict")
        return (given == "conflict" and other) or (given == "conflict" and score.found["family"].level == "conflict")

    def _ask(
        self,
        batch: Batch,
        connection: Connection,
        statements: Statements,
        asks: Sequence[tuple[int, _Ask, float]],
        resolutions: list[Resolution],
    ) -> None:
        ids = statements.next_ids(connection, "mpi_review", len(asks))
        # a pair that was asked about before keeps its question: the row is opened again, or stays decided
        asked = {
            (low, high): review
            for review, low, high in statements.rows(connection, statements.reviews_of, {ask.low for _, ask, _ in asks})
        }
        opened: dict[int, list[int]] = {}
        for id_, (at, ask, when) in zip(ids, asks, strict=True):
            content = f"{batch.rows[ask.low].content & 0xFFFFFFFF:08x}{batch.rows[ask.high].content & 0xFFFFFFFF:08x}"
            reason = ask.score.stops[0] if ask.score.stops else self._search.grade(ask.score)
            shown = explain.evidence(self.model, ask.score.found, ask.score.rival)
            proof = orjson.dumps([ask.score.rival, list(ask.score.stops), *(e[:3] for e in shown)]).decode()
            priority = 1 if ask.kind in ("split", "overlay") else 2 if ask.score.bits >= self.model.probable else 3
            batch.pending.reviews.append(
                (
                    id_,
                    ask.kind,
                    ask.low,
                    ask.high,
                    reason,
                    round(ask.score.bits, 2),
                    priority,
                    "open",
                    when,
                    content,
                    proof,
                )
            )
            opened.setdefault(at, []).append(asked.get((ask.low, ask.high), id_))
        for at, reviews in opened.items():
            resolutions[at] = resolutions[at]._replace(reviews=tuple(reviews))
