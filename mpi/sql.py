"""The statements of the hot path as text, compiled once: a Core expression costs 70-160 us to build and run alone.

Lists travel as one parameter (JSON on SQLite, an array on PostgreSQL), so a statement has one form for any number of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

_COLUMNS = "r.id, r.eid, r.content, r.features"


class Statements:
    """Bound to a dialect: "sqlite" or "postgresql"."""

    def __init__(self, dialect: str) -> None:
        if dialect not in ("sqlite", "postgresql"):
            raise ValueError(f"mpi runs on sqlite and postgresql, not on {dialect}")
        self.postgresql = dialect == "postgresql"
        one = "%s" if self.postgresql else "?"
        values = "unnest(%s::bigint[]) AS j(value)" if self.postgresql else "json_each(?) AS j"
        self.by_local = f"SELECT r.local_hash, {_COLUMNS}, r.authority, r.type, r.value FROM {values} CROSS JOIN mpi_record r WHERE r.local_hash = j.value"
        self.by_alias = (
            f"SELECT a.local_hash, {_COLUMNS}, a.authority, a.type, a.value FROM {values} "
            "CROSS JOIN mpi_identifier_alias a JOIN mpi_record r ON r.id = a.record_id WHERE a.local_hash = j.value"
        )
        self.by_key = f"SELECT k.key, k.record_id FROM {values} CROSS JOIN mpi_key k WHERE k.key = j.value"
        self.by_key_limited = f"SELECT key, record_id FROM mpi_key WHERE key = {one} LIMIT {one}"
        self.members = f"SELECT {_COLUMNS} FROM mpi_record r WHERE r.eid IN (SELECT e.eid FROM {values} CROSS JOIN mpi_record e WHERE e.id = j.value)"
        self.members_by_key = (
            f"SELECT {_COLUMNS} FROM mpi_record r WHERE r.eid IN (SELECT e.eid FROM {values} "
            "CROSS JOIN mpi_key k CROSS JOIN mpi_record e WHERE k.key = j.value AND e.id = k.record_id)"
        )
        open_review = "UNION ALL SELECT v.id, v.low, v.high FROM mpi_review v WHERE v.state IN ('open', 'first') AND v."
        self.between = (
            f"WITH ids AS (SELECT j.value FROM {values}) "
            "SELECT 0, a.low, a.high FROM mpi_apart a WHERE a.withdrawn_by IS NULL AND a.low IN (SELECT value FROM ids) "
            f"{open_review}low IN (SELECT value FROM ids) {open_review}high IN (SELECT value FROM ids)"
        )
        """(0, low, high) of two records that are two people, (review, low, high) of an open question."""
        self.reviews_of = f"SELECT v.id, v.low, v.high FROM mpi_review v WHERE v.low IN (SELECT value FROM {values})"
        self.lock = "SELECT count(pg_advisory_xact_lock(k)) FROM (SELECT unnest(%s::bigint[]) AS k) AS held"
        self.insert_record = self._insert(
            "mpi_record",
            "id, eid, source, authority, type, value, local_hash, at, reference, content, feature_version, features, person",
        )
        self.insert_key = self._insert("mpi_key", "key, record_id", "ON CONFLICT DO NOTHING")
        self.insert_stat = self._insert("mpi_key_stat", "key, n", "ON CONFLICT DO NOTHING")
        self.insert_event = self._insert(
            "mpi_link_event",
            "operation, at, actor, reason, model, record_id, from_eid, to_eid, decision, bits, evidence, undo_of",
        )
        self.insert_review = self._insert(
            "mpi_review",
            "id, kind, low, high, reason, bits, priority, state, at, content, evidence",
            "ON CONFLICT (low, high) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, bits = excluded.bits, "
            "priority = excluded.priority, at = excluded.at, content = excluded.content, evidence = excluded.evidence, "
            "state = CASE WHEN mpi_review.state IN ('linked', 'apart') AND mpi_review.content = excluded.content "
            "THEN mpi_review.state ELSE 'open' END",
        )
        self.insert_term = self._insert(
            "mpi_term",
            "kind, term, writer, n",
            "ON CONFLICT (kind, term, writer) DO UPDATE SET n = mpi_term.n + excluded.n",
        )
        self.update_record = (
            f"UPDATE mpi_record SET eid = {one}, source = {one}, at = {one}, reference = {one}, content = {one}, "
            f"feature_version = {one}, features = {one}, person = {one} WHERE id = {one}"
        )
        self.move_record = f"UPDATE mpi_record SET eid = {one} WHERE id = {one}"
        self.free_alias = f"DELETE FROM mpi_identifier_alias WHERE local_hash = {one}"
        self.free_local = f"UPDATE mpi_record SET local_hash = NULL WHERE id = {one}"

    def _insert(self, table: str, columns: str, conflict: str = "") -> str:
        marks = ", ".join(["%s" if self.postgresql else "?"] * (columns.count(",") + 1))
        return f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}"

    def list(self, values: Iterable[int]) -> Any:
        numbers = list(values)
        return numbers if self.postgresql else orjson.dumps(numbers).decode()

    def rows(self, connection: Connection, statement: str, values: Iterable[int]) -> Sequence[Any]:
        return connection.exec_driver_sql(statement, (self.list(values),)).fetchall()

    def many(self, connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            connection.exec_driver_sql(statement, list(rows))

    def next_ids(self, connection: Connection, table: str, n: int) -> Sequence[int]:
        """`n` unused ids. SQLite has one writer, so the highest one known to it is enough."""
        if n <= 0:
            return ()
        if self.postgresql:
            rows = connection.exec_driver_sql(
                f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)", (n,)
            ).fetchall()
            return [row[0] for row in rows]
        first = (connection.exec_driver_sql(f"SELECT max(id) FROM {table}").scalar() or 0) + 1
        return range(first, first + n)
