"""Statements that run for every message: compiled once, then handed to the driver with plain tuples.

SQLAlchemy's own execution costs 70-160 us a statement and 11 us a row, most of it binding parameters by name; this is a
fifth of it. Rows must name every column: defaults of the table do not apply here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection


class Rows:
    """An INSERT or UPDATE for many rows at once."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] = ()) -> None:
        """`columns`: what an INSERT names; an UPDATE has its parameters in itself."""
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any]]] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
            constants = {name: value for name, value in compiled.params.items() if name not in rows[0]}
            found = str(compiled), getattr(compiled, "positiontup", None), constants
            self._compiled[dialect.name] = found
        text, names, constants = found
        if names is None:
            connection.exec_driver_sql(text, [{**constants, **row} for row in rows])
        elif constants:
            filled = ({**constants, **row} for row in rows)
            connection.exec_driver_sql(text, [tuple([row[name] for name in names]) for row in filled])
        else:
            connection.exec_driver_sql(text, [tuple([row[name] for name in names]) for row in rows])
