"""Whose deliveries may wait: those of feeds that bring history.

A delivery's ordering keys begin with its feed (`feed|...`), so its priority needs no column: what was queued before a
feed became `backfill` waits from then on as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hie.sections import Feed

LIVE, HISTORY = 0, 1


class Priorities:
    def __init__(self, feeds: Iterable[Feed] = ()) -> None:
        self._history = frozenset(feed.name for feed in feeds if feed.priority == "backfill")

    def of(self, keys: Sequence[str]) -> int:
        """LIVE or HISTORY. A delivery without a patient has its message id for a key, and counts as live."""
        return HISTORY if self._history and keys and keys[0].partition("|")[0] in self._history else LIVE
