"""The first tables: the exchange's own and those of patient matching.

Written out, so that a database of that day gets from here to today by the same steps as a new one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    exchange()
    matching()


def exchange() -> None:
    op.create_table(
        "audit",
        sa.Column("chain", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index("audit_by_kind", "audit", ["kind", "at"], unique=False)
    op.create_table(
        "configuration",
        sa.Column("hash", sa.String(length=16), nullable=False),
        sa.Column("loaded_at", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("mpi_record", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    op.create_index("consent_by_mpi_record", "consent", ["mpi_record"], unique=False)
    op.create_table(
        "consent_epoch",
        sa.Column("eid", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("eid"),
    )
    op.create_table(
        "credential",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.String(length=256), nullable=False),
        sa.Column("roles", sa.String(length=256), nullable=False),
        sa.Column("participant", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("disabled_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", BIG, nullable=False),
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("subscriber", sa.String(length=64), nullable=False),
        sa.Column("ordering_key", sa.String(length=400), nullable=False),
        sa.Column("mpi_record", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=48), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("queued_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("answer", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("delivery_by_message", "delivery", ["message_id"], unique=False)
    op.create_index(
        "delivery_dead",
        "delivery",
        ["subscriber", "reason"],
        unique=False,
        sqlite_where=sa.text("state = 'dead-lettered'"),
        postgresql_where=sa.text("state = 'dead-lettered'"),
    )
    op.create_index(
        "delivery_unfinished",
        "delivery",
        ["subscriber", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued','begun','unknown','held')"),
        postgresql_where=sa.text("state IN ('queued','begun','unknown','held')"),
    )
    op.create_table(
        "disclosure",
        sa.Column("id", BIG, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("eid", sa.String(length=64), nullable=False),
        sa.Column("mpi_record", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.String(length=32), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("consents", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("disclosure_by_delivery", "disclosure", ["delivery_id"], unique=False)
    op.create_index("disclosure_by_eid", "disclosure", ["eid", "at"], unique=False)
    op.create_index("disclosure_by_mpi_record", "disclosure", ["mpi_record"], unique=False)
    op.create_table(
        "lane",
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.String(length=256), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("processed_at", sa.Float(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=48), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("duplicate_of", sa.String(length=32), nullable=True),
        sa.Column("configuration", sa.String(length=16), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("resources", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("unmapped", sa.Integer(), nullable=False),
        sa.Column("stages", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_by_control_id", "message", ["control_id"], unique=False)
    op.create_index("message_by_feed", "message", ["feed", "received_at"], unique=False)
    op.create_index(
        "message_open_quarantine",
        "message",
        ["outcome", "resolved_at"],
        unique=False,
        sqlite_where=sa.text("outcome IN ('quarantined','rejected')"),
        postgresql_where=sa.text("outcome IN ('quarantined','rejected')"),
    )
    op.create_table(
        "resource",
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("mpi_record", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(length=8), nullable=False),
        sa.PrimaryKeyConstraint("reference"),
        sqlite_with_rowid=False,
    )
    op.create_index("resource_by_mpi_record", "resource", ["mpi_record"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "subscriber_state",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("paused_at", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "work_item",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("example", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "feed"),
    )
    op.create_table(
        "record",
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("mpi_record", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "idx"),
    )
    op.create_index("record_by_mpi_record", "record", ["mpi_record"], unique=False)


def matching() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("mpi_record_id_seq")))
    op.create_table(
        "mpi_apart",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("low", BIG, nullable=False),
        sa.Column("high", BIG, nullable=False),
        sa.Column("operation", BIG, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_mpi_apart_high"), "mpi_apart", ["high"], unique=False)
    op.create_index(op.f("ix_mpi_apart_low"), "mpi_apart", ["low"], unique=False)
    op.create_table(
        "mpi_identifier_alias",
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("local_hash", BIG, nullable=False),
        sa.Column("record_id", BIG, nullable=False),
        sa.Column("operation", BIG, nullable=False),
        sa.PrimaryKeyConstraint("authority", "type", "value"),
    )
    op.create_index(op.f("ix_mpi_identifier_alias_local_hash"), "mpi_identifier_alias", ["local_hash"], unique=False)
    op.create_table(
        "mpi_key",
        sa.Column("key", BIG, autoincrement=False, nullable=False),
        sa.Column("record_id", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "record_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mpi_key_stat",
        sa.Column("key", BIG, autoincrement=False, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "mpi_link_event",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("operation", BIG, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("record_id", BIG, nullable=False),
        sa.Column("from_eid", BIG, nullable=True),
        sa.Column("to_eid", BIG, nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("bits", sa.Float(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("undo_of", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_mpi_link_event_from",
        "mpi_link_event",
        ["from_eid"],
        unique=False,
        sqlite_where=sa.text("from_eid IS NOT NULL"),
        postgresql_where=sa.text("from_eid IS NOT NULL"),
    )
    op.create_index("ix_mpi_link_event_operation", "mpi_link_event", ["operation"], unique=False)
    op.create_index(op.f("ix_mpi_link_event_record_id"), "mpi_link_event", ["record_id"], unique=False)
    op.create_table(
        "mpi_model",
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "mpi_record",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("eid", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("local_hash", BIG, nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("content", BIG, nullable=False),
        sa.Column("feature_version", sa.SmallInteger(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_mpi_record_eid"), "mpi_record", ["eid"], unique=False)
    op.create_index(op.f("ix_mpi_record_local_hash"), "mpi_record", ["local_hash"], unique=False)
    op.create_table(
        "mpi_review",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("low", BIG, nullable=False),
        sa.Column("high", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("bits", sa.Float(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("content", sa.String(length=40), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.Float(), nullable=True),
        sa.Column("first_by", sa.Text(), nullable=True),
        sa.Column("first_verdict", sa.String(length=12), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.Float(), nullable=True),
        sa.Column("operation", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("low", "high", name="uq_mpi_review_pair"),
    )
    op.create_index("ix_mpi_review_high", "mpi_review", ["high"], unique=False)
    op.create_index("ix_mpi_review_state", "mpi_review", ["state", "priority"], unique=False)
    op.create_table(
        "mpi_term",
        sa.Column("kind", sa.String(length=1), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("writer", BIG, autoincrement=False, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.PrimaryKeyConstraint("kind", "term", "writer"),
        sqlite_with_rowid=False,
    )
