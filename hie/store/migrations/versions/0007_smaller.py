"""What was decided is kept compressed, since the same few sentences stand in every row; an index that nothing asks goes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_index("resource_by_mpi_record", "resource")
    with op.batch_alter_table("disclosure") as table:
        table.alter_column(
            "decision",
            type_=sa.LargeBinary(),
            existing_type=sa.Text(),
            existing_nullable=False,
            postgresql_using="convert_to(decision, 'UTF8')",
        )
