"""What a shadow subscriber would have been sent."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "shadow_output",
        sa.Column("delivery_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("subscriber", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(48), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
    )
    op.create_index("shadow_output_by_subscriber", "shadow_output", ["subscriber", "at"])
