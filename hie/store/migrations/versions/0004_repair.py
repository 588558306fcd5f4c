"""What operators ordered to be sent, decoded or released again, and what a message was read as before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "repair",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("position", sa.String(32), nullable=False),
        sa.Column("last", sa.String(32), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "record_version",
        sa.Column("message_id", sa.String(32), primary_key=True),
        sa.Column("idx", sa.Integer(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.Float(), nullable=False),
        sa.Column("configuration", sa.String(16), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("mpi_record", sa.BigInteger()),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
    )
    op.create_index("record_version_by_mpi_record", "record_version", ["mpi_record"])
    op.add_column("delivery", sa.Column("run", sa.BigInteger()))
    op.add_column("delivery", sa.Column("again", sa.String(64)))
    made = sa.text("run IS NOT NULL")
    op.create_index("delivery_of_run", "delivery", ["run", "id"], sqlite_where=made, postgresql_where=made)
