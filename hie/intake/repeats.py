"""Marks what repeats an earlier arrival: one of the same group, or one that the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from hie.intake.dedupe import SAME_ID
from hie.intake.row import Row


class Earlier(NamedTuple):
    """What the journal holds of an arrival's kind."""

    known: bool = False
    """The same feed and control id, within the days that the window reaches."""
    first: str | None = None
    """Message id of the first one with the same content as well, within the window."""


def mark(rows: Iterable[Row], earlier: Callable[[Row], Earlier]) -> None:
    """`rows` are those with a fingerprint, in the order of their arrival. One before in the same group comes before all else."""
    fresh: dict[int, dict[bytes, Row]] = {}
    for row in rows:
        assert row.fingerprint is not None
        identity, content = row.fingerprint
        siblings = fresh.setdefault(identity, {})
        first: Row | str | None = siblings.get(content)
        known = bool(siblings)
        if first is None:
            before = earlier(row)
            first, known = before.first, known or before.known
        if first is not None:
            row.repeat(first)
        else:
            siblings[content] = row
            if known and row.control_id:
                row.flag(SAME_ID)
