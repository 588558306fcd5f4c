"""The journal on PostgreSQL. On SQLite its day files do this, and nothing is made.

`arrival` has a partition a day, made by the first intake that writes on it, so that retention drops a table and leaves
no holes. The numbers come from one sequence for all days and intakes. `pending` says what is still to be applied: one
row for each lane of a message, written with the arrival and deleted in the commit that applies it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE SEQUENCE arrival_seq;
CREATE TABLE arrival (
    day text COLLATE "C" NOT NULL,  -- UTC, YYYY-MM-DD
    seq bigint NOT NULL,
    received_at double precision NOT NULL,
    feed text NOT NULL,
    heading text NOT NULL,          -- JSON: hie.intake.heading
    duplicate_of text NOT NULL,
    sha256 bytea NOT NULL,
    identity bigint,                -- NULL: refused or repeated, so never the first of its kind
    content bytea,
    codec text NOT NULL,
    key_id text NOT NULL,
    raw bytea NOT NULL
) PARTITION BY LIST (day);  -- each with a primary key of its own, seq alone: hie.intake.partition
-- what is worth compressing is compressed before it comes here
ALTER TABLE arrival ALTER raw SET STORAGE EXTERNAL, ALTER heading SET STORAGE EXTERNAL;
CREATE INDEX arrival_identity ON arrival (identity, content) WHERE identity IS NOT NULL;
CREATE TABLE pending (
    lane smallint NOT NULL,
    seq bigint NOT NULL,
    day text COLLATE "C" NOT NULL,
    lanes smallint[] NOT NULL,      -- all lanes of the message; the first is that of its first ordering key
    priority smallint NOT NULL,     -- 0 live, 1 backfill
    PRIMARY KEY (lane, seq)
-- every row is deleted again within seconds: the dead ones must go as quickly, however small the table is
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
CREATE INDEX pending_in_order ON pending (priority, seq);
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(TABLES)
