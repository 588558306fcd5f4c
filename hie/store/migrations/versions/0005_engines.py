"""Engines that share a PostgreSQL: who lives, who holds which lane and subscriber, which deliveries changed. On SQLite
there is one engine, and nothing is made."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE engine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- the epoch: every life of an engine has its own
    node text NOT NULL,
    number smallint NOT NULL,
    home text NOT NULL,                                  -- the node's state directory: one node at a time runs on it
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
CREATE TABLE claim (
    name text COLLATE "C" PRIMARY KEY,                   -- lane/17, subscriber/er
    owner bigint REFERENCES engine ON DELETE SET NULL    -- so what a dead engine held is free with the same commit
);
CREATE INDEX claim_by_owner ON claim (owner);

ALTER TABLE delivery ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX delivery_changed ON delivery (changed_xid) WHERE state IN ('queued', 'begun', 'unknown', 'held');

-- a delivery that comes back, or is due earlier, concerns the engine that sends it, whoever wrote it
CREATE FUNCTION delivery_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_xid := pg_current_xact_id();
    RETURN NEW;
END $$;
CREATE TRIGGER delivery_changed BEFORE UPDATE ON delivery FOR EACH ROW
    WHEN (NEW.due_at < OLD.due_at OR (NEW.finished_at IS NULL AND OLD.finished_at IS NOT NULL))
    EXECUTE FUNCTION delivery_changed();
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(TABLES)
