"""Codes and fields that have no standard meaning yet, by sender: the work list of the analysts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "unmapped",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("feed", sa.String(64), primary_key=True),
        sa.Column("sender", sa.String(128), primary_key=True),
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("code", sa.String(200), primary_key=True),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("example", sa.String(32), nullable=False),
    )
