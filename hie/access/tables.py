"""The two tables that access reads and writes, by name: it stands beside the store, not above it.

Their definition with types and indexes is hie.store.tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import column, table

credential = table(
    "credential",
    column("name"),
    column("kind"),
    column("secret"),
    column("roles"),
    column("participant"),
    column("created_at"),
    column("disabled_at"),
)

session = table("session", column("id"), column("name"), column("created_at"), column("expires_at"))
