"""The part of the index that one batch of registrations can touch, read in a few statements, changed in memory, written in a few more.

Later registrations of the batch see what earlier ones did, as if each had been committed before the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from mpi.features import Features, decode
from mpi.frequency import Frequencies
from mpi.sql import Statements


@dataclass(slots=True)
class Row:
    id: int
    eid: int
    content: int
    features: Features


@dataclass(slots=True)
class Pending:
    """What is to be written."""

    records: list[tuple[Any, ...]] = field(default_factory=list)
    updates: list[tuple[Any, ...]] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    reviews: list[tuple[Any, ...]] = field(default_factory=list)
    freed: list[tuple[int]] = field(default_factory=list)
    """Records that no longer hold their local identifier."""
    freed_aliases: list[tuple[int]] = field(default_factory=list)
    hot: list[tuple[int, int]] = field(default_factory=list)


class Batch:
    def __init__(self, connection: Connection, statements: Statements, cap: int, hot: dict[int, int]) -> None:
        self._connection = connection
        self._sql = statements
        self._cap = cap
        self._hot = hot
        self.rows: dict[int, Row] = {}
        self.members: dict[int, list[int]] = {}
        self.found: dict[int, list[int]] = {}
        self._read: set[int] = set()
        """Keys that were looked up: once a batch, since what it adds itself is found without."""
        self.local: dict[int, tuple[int, str, str, str]] = {}
        """Local hash -> (record id, authority, type, value)."""
        self.aliases: set[int] = set()
        """Local hashes that were found as aliases."""
        self.apart: set[tuple[int, int]] = set()
        self.asked: dict[tuple[int, int], int] = {}
        """Open reviews: (smaller, larger record id) -> review id."""
        self.pending = Pending()

    def lock(self, keys: Iterable[int]) -> None:
        """PostgreSQL: the union of the batch's strongest keys, sorted, in one statement, before anything is read. SQLite has one writer."""
        if self._sql.postgresql:
            self._connection.exec_driver_sql(self._sql.lock, (sorted(set(keys)),))

    def read_local(self, hashes: Iterable[int]) -> None:
        """Records known by their local identifier, or by one that was merged into theirs."""
        missing = list(hashes)
        for statement in (self._sql.by_local, self._sql.by_alias):
            if missing:
                for local_hash, id_, eid, content, features, authority, type_, value in self._sql.rows(
                    self._connection, statement, missing
                ):
                    self.rows.setdefault(id_, Row(id_, eid, content, decode(features)))
                    self.local[local_hash] = (id_, authority, type_, value)
                    if statement is self._sql.by_alias:
                        self.aliases.add(local_hash)
                missing = [h for h in missing if h not in self.local]

    def read_candidates(self, keys: Iterable[int], known: Iterable[int]) -> None:
        """Fills `found` for all keys, and reads whole persons: each record found with all records of its person."""
        ids = set(known)
        cold = [key for key in dict.fromkeys(keys) if key not in self._hot and key not in self._read]
        self._read.update(cold)
        for key, id_ in self._sql.rows(self._connection, self._sql.by_key, cold) if cold else ():
            self.found.setdefault(key, []).append(id_)
        for key, there in self.found.items():
            if len(there) > self._cap:
                self._hot[key] = len(there)
                self.pending.hot.append((key, len(there)))
                del there[self._cap :]
        for there in self.found.values():
            ids.update(there)
        self.read_persons(ids)

    def read_whole(self, keys: Iterable[int]) -> bool:
        """The persons under any of the keys in one statement, for a look-up that decides nothing. False where all keys are too frequent."""
        cold = [key for key in keys if key not in self._hot]
        if cold:
            self._take(self._sql.members_by_key, cold)
        return bool(cold)

    def _take(self, statement: str, values: Sequence[int]) -> list[int]:
        taken = []
        for id_, eid, content, features in self._sql.rows(self._connection, statement, values):
            if id_ not in self.rows:
                self.rows[id_] = Row(id_, eid, content, decode(features))
            if eid == self.rows[id_].eid:
                there = self.members.setdefault(eid, [])
                if id_ not in there:
                    there.append(id_)
            taken.append(id_)
        return taken

    def read_hot(self, keys: Sequence[int]) -> None:
        """The frequent keys of a registration that has no others, up to the cap."""
        ids: set[int] = set()
        for key in keys:
            if key not in self.found:
                rows = self._connection.exec_driver_sql(self._sql.by_key_limited, (key, self._cap)).fetchall()
                self.found[key] = [row[1] for row in rows]
                ids.update(self.found[key])
        self.read_persons(ids)

    def read_persons(self, ids: Iterable[int]) -> None:
        new = [id_ for id_ in ids if id_ not in self.rows or self.rows[id_].eid not in self.members]
        if not new:
            return
        fetched = self._take(self._sql.members, new)
        if fetched:
            for review, low, high in self._sql.rows(self._connection, self._sql.between, fetched):
                if review:
                    self.asked[low, high] = review
                else:
                    self.apart.add((low, high))

    def add(self, row: Row, keys: Iterable[int], new_keys: Iterable[int]) -> None:
        """A record that is new, or has new keys, is found by what follows in the batch."""
        self.rows[row.id] = row
        for key in keys:
            there = self.found.get(key)
            if there is None:
                self.found[key] = [row.id]
            elif row.id not in there:
                there.append(row.id)
        self.pending.keys += [(key, row.id) for key in new_keys]

    def place(self, row: Row, eid: int) -> None:
        """Puts a record into a person, taking it out of the one it was in."""
        if row.eid != eid and row.eid in self.members:
            there = self.members[row.eid]
            if row.id in there:
                there.remove(row.id)
            if not there:
                del self.members[row.eid]
        row.eid = eid
        there = self.members.setdefault(eid, [])
        if row.id not in there:
            there.append(row.id)

    def question_between(self, eid: int, other: int) -> int:
        """Id of an open review between two persons, 0 if there is none."""
        if not self.asked:
            return 0
        ours, theirs = self.members.get(eid, ()), self.members.get(other, ())
        for a in ours:
            for b in theirs:
                review = self.asked.get((a, b) if a < b else (b, a))
                if review:
                    return review
        return 0

    def write(self, frequencies: Frequencies, writer: int) -> None:
        sql, connection, pending = self._sql, self._connection, self.pending
        sql.many(connection, sql.insert_record, pending.records)
        sql.many(connection, sql.update_record, pending.updates)
        sql.many(connection, sql.free_local, pending.freed)
        sql.many(connection, sql.free_alias, pending.freed_aliases)
        sql.many(connection, sql.insert_key, sorted(pending.keys))
        sql.many(connection, sql.insert_event, pending.events)
        sql.many(connection, sql.insert_review, pending.reviews)
        sql.many(connection, sql.insert_stat, pending.hot)
        if pending.records or pending.updates:
            sql.many(connection, sql.insert_term, sorted((k, t, writer, n) for (k, t), n in frequencies.take().items()))
        self.pending = Pending()
