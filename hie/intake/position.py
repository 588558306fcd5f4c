"""Where a row of the journal lies. The message id says it: `YYYYMMDD-NNNNNNNN` is day file and row."""

from __future__ import annotations

import re
from typing import NamedTuple

from hie.errors import NotFound

_ID = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d{8,})\Z")


class Position(NamedTuple):
    """A row: UTC day as `YYYY-MM-DD` and row number from 1. Compares in the order of the journal."""

    day: str
    seq: int

    @property
    def message_id(self) -> str:
        return f"{self.day.replace('-', '')}-{self.seq:08d}"

    @classmethod
    def of(cls, message_id: str) -> Position:
        """Raises NotFound where the text is no message id."""
        match = _ID.match(message_id)
        if match is None:
            raise NotFound("this is no message id", hint="message ids look like 20260131-00000001")
        year, month, day, seq = match.groups()
        return cls(f"{year}-{month}-{day}", int(seq))


START = Position("", 0)
"""Before the first row of the oldest day."""
