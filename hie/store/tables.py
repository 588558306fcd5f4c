"""Tables of `hie.db` (SQLAlchemy Core; the same on SQLite and PostgreSQL). The raw bytes are in the journal, not here.

Times are seconds since the epoch (float, UTC). Payload columns carry `codec` (0 none, 1 zstd) and `key_id` (0 = not
encrypted), so that compression and encryption can change row by row. Patient matching has its own tables (mpi.tables).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# SQLite gives a rowid alias only to INTEGER PRIMARY KEY
serial = BigInteger().with_variant(Integer, "sqlite")

message = Table(
    "message",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("feed", String(64), nullable=False),
    Column("format", String(16), nullable=False),
    Column("event", String(64), nullable=False),
    Column("control_id", String(256), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("processed_at", Float, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(48), nullable=False),
    Column("text", Text, nullable=False, default=""),
    Column("duplicate_of", String(32)),
    Column("configuration", String(16), nullable=False),
    Column("flags", Text, nullable=False, default=""),
    Column("resources", Integer, nullable=False, default=0),
    Column("warnings", Integer, nullable=False, default=0),
    Column("unmapped", Integer, nullable=False, default=0),
    # JSON: stage name -> seconds since received_at; what `hie trace` prints
    Column("stages", Text, nullable=False, default="{}"),
    Column("resolved_at", Float),
    Index("message_by_feed", "feed", "received_at"),
    Index("message_by_control_id", "control_id"),
    Index(
        "message_open_quarantine",
        "outcome",
        "resolved_at",
        sqlite_where=text("outcome IN ('quarantined','rejected')"),
        postgresql_where=text("outcome IN ('quarantined','rejected')"),
    ),
)

record = Table(
    "record",
    metadata,
    Column("message_id", String(32), primary_key=True),
    Column("idx", Integer, primary_key=True),
    Column("event", String(64), nullable=False),
    Column("mpi_record", BigInteger),
    Column("decision", String(16), nullable=False, default=""),
    # zstd of orjson: hie.record.body
    Column("body", LargeBinary, nullable=False),
    Column("codec", SmallInteger, nullable=False),
    Column("key_id", SmallInteger, nullable=False, default=0),
    Index("record_by_mpi_record", "mpi_record"),
)

resource = Table(
    "resource",
    metadata,
    # "Observation/uuid": ids are deterministic, so a correction from the same sender meets its original here
    Column("reference", String(80), primary_key=True),
    Column("message_id", String(32), nullable=False),
    Column("idx", Integer, nullable=False),
    Column("mpi_record", BigInteger),
    Column("version", Integer, nullable=False),
    Column("content", LargeBinary(8), nullable=False),
    sqlite_with_rowid=False,
)

consent = Table(
    "consent",
    metadata,
    # FHIR logical id and version; a consent belongs to the registration it was given for, and follows it through links
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("mpi_record", BigInteger, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("source", String(128), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("codec", SmallInteger, nullable=False),
    Column("key_id", SmallInteger, nullable=False, default=0),
    Index("consent_by_mpi_record", "mpi_record"),
)

consent_epoch = Table(
    "consent_epoch",
    metadata,
    # bumped by every consent change and every link event of the person: no T1 under an older epoch commits
    Column("eid", String(64), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", serial, primary_key=True),
    Column("message_id", String(32), nullable=False),
    Column("idx", Integer, nullable=False),
    Column("subscriber", String(64), nullable=False),
    Column("ordering_key", String(400), nullable=False),
    Column("mpi_record", BigInteger),
    Column("key", String(64), nullable=False, unique=True),
    Column("replaces", String(64)),
    Column("state", String(20), nullable=False),
    Column("reason", String(48), nullable=False, default=""),
    Column("text", Text, nullable=False, default=""),
    Column("received_at", Float, nullable=False),
    Column("queued_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("first_attempt_at", Float),
    Column("finished_at", Float),
    Column("sha256", LargeBinary(32)),
    Column("answer", String(64), nullable=False, default=""),
    # the repair that queued it, and the key under which the same content went before and goes again
    Column("run", BigInteger),
    Column("again", String(64)),
    Index("delivery_by_message", "message_id"),
    Index(
        "delivery_unfinished",
        "subscriber",
        "id",
        sqlite_where=text("state IN ('queued','begun','unknown','held')"),
        postgresql_where=text("state IN ('queued','begun','unknown','held')"),
    ),
    Index(
        "delivery_of_run",
        "run",
        "id",
        sqlite_where=text("run IS NOT NULL"),
        postgresql_where=text("run IS NOT NULL"),
    ),
    Index(
        "delivery_dead",
        "subscriber",
        "reason",
        sqlite_where=text("state = 'dead-lettered'"),
        postgresql_where=text("state = 'dead-lettered'"),
    ),
)

disclosure = Table(
    "disclosure",
    metadata,
    Column("id", serial, primary_key=True),
    # a push has its delivery; a read, search or view has none
    Column("delivery_id", BigInteger),
    Column("kind", String(16), nullable=False),
    Column("at", Float, nullable=False),
    Column("ended_at", Float),
    # begun, then what became of it: delivered, delivered-redacted, unknown, failed
    Column("state", String(20), nullable=False),
    Column("eid", String(64), nullable=False),
    Column("mpi_record", BigInteger),
    Column("message_id", String(32)),
    Column("source", String(64), nullable=False, default=""),
    Column("recipient", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("policy", String(64), nullable=False),
    Column("consents", Text, nullable=False, default=""),
    # JSON: counts by resource type released and withheld, rules with their sentences; never content
    Column("decision", LargeBinary, nullable=False),
    Column("sha256", LargeBinary(32)),
    Index("disclosure_by_eid", "eid", "at"),
    Index("disclosure_by_delivery", "delivery_id"),
    Index("disclosure_by_mpi_record", "mpi_record"),
)

shadow_output = Table(
    "shadow_output",
    metadata,
    # what a shadow subscriber would have been sent, kept to be compared with what the present engine sent
    Column("delivery_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("subscriber", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("reason", String(48), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("codec", SmallInteger, nullable=False),
    Column("key_id", SmallInteger, nullable=False, default=0),
    Index("shadow_output_by_subscriber", "subscriber", "at"),
)

audit = Table(
    "audit",
    metadata,
    # one hash chain a writer
    Column("chain", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(128), nullable=False),
    # canonical JSON: ids, codes and counts only
    Column("body", Text, nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index("audit_by_kind", "kind", "at"),
    sqlite_with_rowid=False,
)

credential = Table(
    "credential",
    metadata,
    Column("name", String(64), primary_key=True),
    # user, client (a program), feed
    Column("kind", String(16), nullable=False),
    Column("secret", String(256), nullable=False),
    # space-separated roles of hie.access.roles
    Column("roles", String(256), nullable=False),
    Column("participant", String(64), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
)

session = Table(
    "session",
    metadata,
    # sha256 of the cookie's secret
    Column("id", LargeBinary(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

lane = Table(
    "lane",
    metadata,
    # ownership and cursor: what the owner has applied lies here, so effect and progress are one commit
    Column("lane", Integer, primary_key=True),
    Column("owner", String(64), nullable=False, default=""),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("expires_at", Float, nullable=False, default=0),
    Column("day", String(10), nullable=False, default=""),
    Column("seq", BigInteger, nullable=False, default=0),
)

configuration = Table(
    "configuration",
    metadata,
    Column("hash", String(16), primary_key=True),
    Column("loaded_at", Float, nullable=False),
    Column("body", Text, nullable=False),
)

subscriber_state = Table(
    "subscriber_state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("paused_at", Float),
    Column("reason", Text, nullable=False, default=""),
)

work_item = Table(
    "work_item",
    metadata,
    # things a person should look at that block nothing: unclassified codes, unresolved authorities
    Column("kind", String(32), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("feed", String(64), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("example", String(32), nullable=False, default=""),
)

unmapped = Table(
    "unmapped",
    metadata,
    # what the decoders could not give a standard meaning: the work list of codes and fields, counted by sender
    # code: a local code of `system`; field: a place whose value reached no resource
    Column("kind", String(8), primary_key=True),
    Column("feed", String(64), primary_key=True),
    Column("sender", String(128), primary_key=True),
    # of a code: a URI, HL70069, OBX-3, or - where it came without; of a field: empty
    Column("system", String(200), primary_key=True),
    # never free text: hie.codes.untranslated
    Column("code", String(200), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("example", String(32), nullable=False),
)

repair = Table(
    "repair",
    metadata,
    # one order of an operator to send, decode or release again; worked off in steps, each of which moves `position` in its commit
    Column("id", serial, primary_key=True),
    # redeliver, reprocess, deadletters, quarantine
    Column("kind", String(16), nullable=False),
    # the node whose engine works it off
    Column("node", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    # JSON: what was chosen, and how it goes
    Column("arguments", Text, nullable=False),
    # running, stopped, done
    Column("state", String(16), nullable=False),
    # ids of deliveries or of messages, as text: up to where it has come, and the newest that belongs to it
    Column("position", String(32), nullable=False, default=""),
    Column("last", String(32), nullable=False, default=""),
    Column("total", BigInteger, nullable=False, default=0),
    Column("done", BigInteger, nullable=False, default=0),
    # JSON: what came of it -> number
    Column("counts", Text, nullable=False, default="{}"),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

record_version = Table(
    "record_version",
    metadata,
    # what a message was read as before it was reprocessed; `record` holds what it is read as today
    Column("message_id", String(32), primary_key=True),
    Column("idx", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("run", BigInteger, nullable=False),
    Column("replaced_at", Float, nullable=False),
    # the configuration it was read under
    Column("configuration", String(16), nullable=False),
    Column("event", String(64), nullable=False),
    Column("mpi_record", BigInteger),
    Column("decision", String(16), nullable=False, default=""),
    Column("body", LargeBinary, nullable=False),
    Column("codec", SmallInteger, nullable=False),
    Column("key_id", SmallInteger, nullable=False, default=0),
    Index("record_version_by_mpi_record", "mpi_record"),
)
