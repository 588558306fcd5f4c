"""The tables of the index. SQLite and PostgreSQL alike; whoever owns the database creates them (`METADATA.create_all`, or a migration).

`mpi_record.eid` is a projection of `mpi_link_event`: `mpi.history.replay` computes it from the events alone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")
Sequence("mpi_record_id_seq", metadata=METADATA)

RECORD = Table(
    "mpi_record",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=False),
    Column("eid", _BIG, nullable=False, index=True, comment="current person: projection of mpi_link_event"),
    Column("source", Text, nullable=False),
    Column("authority", Text, nullable=False, default=""),
    Column("type", Text, nullable=False, default=""),
    Column("value", Text, nullable=True),
    Column("local_hash", _BIG, nullable=True, index=True, comment="64 bits over authority, type, value"),
    Column("at", Float, nullable=False),
    Column("reference", Text, nullable=False, default=""),
    Column("content", _BIG, nullable=False, comment="64 bits over the demographics: sees a change"),
    Column("feature_version", SmallInteger, nullable=False),
    Column("features", Text, nullable=False, comment="cleaned values, as compared"),
    Column("person", Text, nullable=False, comment="raw values, as sent"),
)

KEY = Table(
    "mpi_key",
    METADATA,
    Column("key", _BIG, primary_key=True, autoincrement=False),
    Column("record_id", _BIG, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

KEY_STAT = Table(
    "mpi_key_stat",
    METADATA,
    Column("key", _BIG, primary_key=True, autoincrement=False),
    Column("n", _BIG, nullable=False, comment="records at the time the key was found to be too frequent"),
)

TERM = Table(
    "mpi_term",
    METADATA,
    Column("kind", String(1), primary_key=True, comment="g given, f family"),
    Column("term", Text, primary_key=True),
    Column(
        "writer",
        _BIG,
        primary_key=True,
        autoincrement=False,
        comment="each process counts in rows of its own: no waiting",
    ),
    Column("n", _BIG, nullable=False, comment="persons"),
    sqlite_with_rowid=False,
)

LINK_EVENT = Table(
    "mpi_link_event",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("operation", _BIG, nullable=False, comment="events of one act share it; undo takes back the act"),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("model", String(40), nullable=False, default=""),
    Column("record_id", _BIG, nullable=False, index=True),
    Column("from_eid", _BIG, nullable=True),
    Column("to_eid", _BIG, nullable=False),
    Column("decision", String(20), nullable=False),
    Column("bits", Float, nullable=True),
    Column("evidence", Text, nullable=True, comment="the waterfall, as decided"),
    Column("undo_of", _BIG, nullable=True, comment="operation taken back"),
)
Index(
    "ix_mpi_link_event_from",
    LINK_EVENT.c.from_eid,
    sqlite_where=LINK_EVENT.c.from_eid.isnot(None),
    postgresql_where=LINK_EVENT.c.from_eid.isnot(None),
)
Index("ix_mpi_link_event_operation", LINK_EVENT.c.operation)

APART = Table(
    "mpi_apart",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("low", _BIG, nullable=False, index=True, comment="record ids, the smaller first"),
    Column("high", _BIG, nullable=False, index=True),
    Column("operation", _BIG, nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("withdrawn_by", _BIG, nullable=True, comment="operation that took the fact back"),
)

ALIAS = Table(
    "mpi_identifier_alias",
    METADATA,
    Column("authority", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("local_hash", _BIG, nullable=False, index=True),
    Column("record_id", _BIG, nullable=False),
    Column("operation", _BIG, nullable=False),
)

REVIEW = Table(
    "mpi_review",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False, comment="possible, duplicate, split, statement"),
    Column("low", _BIG, nullable=False, comment="record ids, the smaller first"),
    Column("high", _BIG, nullable=False),
    Column("reason", Text, nullable=False, comment="stop or grade that asked for a human"),
    Column("bits", Float, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(12), nullable=False, comment="open, first, linked, apart, moot"),
    Column("at", Float, nullable=False),
    Column("content", String(40), nullable=False, comment="what both records said when it was asked"),
    Column("evidence", Text, nullable=False),
    Column("leased_by", Text, nullable=True),
    Column("leased_until", Float, nullable=True),
    Column("first_by", Text, nullable=True),
    Column("first_verdict", String(12), nullable=True),
    Column("decided_by", Text, nullable=True),
    Column("decided_at", Float, nullable=True),
    Column("operation", _BIG, nullable=True),
    UniqueConstraint("low", "high", name="uq_mpi_review_pair"),
)
Index("ix_mpi_review_state", REVIEW.c.state, REVIEW.c.priority)
Index("ix_mpi_review_high", REVIEW.c.high)

MODEL = Table(
    "mpi_model",
    METADATA,
    Column("version", String(40), primary_key=True),
    Column("status", String(10), nullable=False, comment="shadow, active, retired"),
    Column("content", Text, nullable=False),
    Column("metrics", Text, nullable=False, default="{}"),
    Column("at", Float, nullable=False),
    Column("approved", Boolean, nullable=False, default=False),
)
