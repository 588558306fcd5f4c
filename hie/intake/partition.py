"""One day of the journal on PostgreSQL: a partition of the table `arrival`, dropped whole when its time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('hie.intake.partition'))"
_DAYS = """
SELECT right(relname::text, 8) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'arrival'::regclass ORDER BY 1
"""


def days(connection: Connection[tuple[Any, ...]]) -> list[str]:
    """The days that have a partition, oldest first."""
    return [f"{day[:4]}-{day[4:6]}-{day[6:]}" for (day,) in connection.execute(_DAYS)]


def make(connection: Connection[tuple[Any, ...]], day: str) -> None:
    """The partition of a day (`YYYY-MM-DD`), whoever asks first.

    Made beside the table and attached: that waits for no reader, as making it in place would.
    """
    name = _name(day)
    with connection.transaction():
        connection.execute(_LOCK)
        if day in days(connection):
            return
        connection.execute(
            # rows of up to 8 kB stay in the table: a second one costs more than it saves
            f"CREATE TABLE {name} (LIKE arrival INCLUDING ALL, PRIMARY KEY (seq)) WITH (toast_tuple_target = 8160)"
        )
        connection.execute(f"ALTER TABLE arrival ATTACH PARTITION {name} FOR VALUES IN ('{day}')")


def remove(connection: Connection[tuple[Any, ...]], before: str) -> list[str]:
    """Drops the days earlier than `before` (`YYYY-MM-DD`), which gives their space back; returns them.

    A day with a message that is still to be applied stays, and the newest.
    """
    gone = []
    for day in days(connection)[:-1]:
        if (
            day < before
            and connection.execute("SELECT 1 FROM pending WHERE day = %s LIMIT 1", (day,)).fetchone() is None
        ):
            # detached first: a drop in place would wait for every reader of every day, and hold up intake meanwhile
            connection.execute(f"ALTER TABLE arrival DETACH PARTITION {_name(day)} CONCURRENTLY")
            connection.execute(f"DROP TABLE {_name(day)}")
            gone.append(day)
    return gone


def _name(day: str) -> str:
    return f"arrival_{day.replace('-', '')}"
