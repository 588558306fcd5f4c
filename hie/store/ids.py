"""Numbers of new rows, rising in the order in which they are handed out."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection


def next_ids(connection: Connection, table: str, n: int) -> Sequence[int]:
    """`n` unused ids of a table of our own. SQLite has one writer, so the highest one known to it is enough; PostgreSQL
    takes them from the column's sequence."""
    if n <= 0:
        return ()
    if connection.dialect.name == "sqlite":
        first = (connection.exec_driver_sql(f"SELECT max(id) FROM {table}").scalar() or 0) + 1
        return range(first, first + n)
    rows = connection.exec_driver_sql(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)", (n,))
    return [row[0] for row in rows]
