"""The first tables: the exchange's own and those of patient matching."""

from alembic import op

import mpi.tables
from hie.store import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    tables.metadata.create_all(connection)
    mpi.tables.METADATA.create_all(connection)
