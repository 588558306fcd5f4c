"""Holds what comes in on some feeds against the standard and the site's profile, while the node has nothing else to do.

A sample, not a gate: it costs no message any time. What waits too long is dropped, what a kill takes is not made up for, and
the counts say of how many messages they speak.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from hie.conformance import Report
from hie.errors import StoreUnavailable
from hie.examine import Examination
from hie.model import Envelope
from hie.pool import Worker
from hie.sections import Feed
from hie.store import work_items
from hie.store.writer import Writer

KIND = "conformance"
"""Of the work items; their key is `sender|severity|code|place|rule`, or `sender|examined` for the messages looked at."""
WAITING = 256
AT_ONCE = 4
"""Examined in one go: a new message waits for no more."""
_LONGEST_KEY = 256
_LOOKED, _FOUND = 2, 5
"""Words of the two kinds of key."""


class Counted(NamedTuple):
    """One line of what was found on a feed, or, with an empty code, that its sender's messages were examined."""

    feed: str
    sender: str
    examined: int
    """Messages of this sender that were looked at."""
    severity: str
    code: str
    place: str
    rule: str
    messages: int
    """How many of them have it."""
    example: str
    """Id of the latest."""


def counted(connection: Connection) -> list[Counted]:
    """By feed and sender, most frequent first."""
    rows = [(row, row.key.split("|")) for row in work_items.of_kind(connection, KIND)]
    looked = {(row.feed, key[0]): row.seen for row, key in rows if len(key) == _LOOKED}
    found = []
    for row, key in rows:
        sender, severity, code, place, rule = key if len(key) == _FOUND else [key[0], "", "", "", ""]
        examined = looked.get((row.feed, sender), 0)
        found.append(Counted(row.feed, sender, examined, severity, code, place, rule, row.seen, row.example))
    return sorted(found, key=lambda one: (one.feed, one.sender, bool(one.code), -one.messages, one))


class Examiner:
    def __init__(self, feeds: Sequence[Feed], worker: Worker, writer: Writer) -> None:
        self.feeds: Mapping[str, tuple[str | None, Path | None]] = {
            feed.name: (feed.charset, feed.profile) for feed in feeds if feed.conformance != "off"
        }
        self._worker = worker
        self._writer = writer
        self._waiting: deque[Envelope] = deque(maxlen=WAITING)

    def offer(self, envelopes: Sequence[Envelope]) -> None:
        """After their commit. The newest are kept."""
        self._waiting.extend(one for one in envelopes if one.feed in self.feeds)

    async def work(self) -> bool:
        """Examines a few of those that wait; False where none does."""
        if not self._waiting:
            return False
        envelopes = [self._waiting.popleft() for _ in islice(range(AT_ONCE), len(self._waiting))]
        asked = [Examination(one.format, one.raw, *self.feeds[one.feed]) for one in envelopes]
        try:
            found: list[tuple[Report, ...]] = await asyncio.to_thread(self._worker.run, asked)
            await self._writer.run(lambda connection: self._note(connection, envelopes, found))
        except (OSError, EOFError, StoreUnavailable):
            return False  # a sample: these are not looked at again
        return True

    def _note(self, connection: Connection, envelopes: Sequence[Envelope], found: Sequence[tuple[Report, ...]]) -> None:
        seen: Counter[tuple[str, str]] = Counter()
        example: dict[tuple[str, str], str] = {}
        for envelope, reports in zip(envelopes, found, strict=True):
            for report in reports:
                for key in {("examined",), *(_key(f.severity, f.code, f.where, f.rule) for f in report.findings)}:
                    at = ("|".join((_plain(envelope.keys.sender), *key))[:_LONGEST_KEY], envelope.feed)
                    seen[at] += 1
                    example[at] = envelope.message_id
        rows = [(key, feed, times, example[key, feed]) for (key, feed), times in seen.items()]
        work_items.note(connection, KIND, rows, time.time())


def _key(severity: str, code: str, where: str, rule: str) -> tuple[str, ...]:
    return severity, code, _place(where), rule


def _plain(sender: str) -> str:
    """Application and facility in one word: `|` parts the words of a key."""
    return sender.replace("|", "/")


def _place(where: str) -> str:
    """`OBX[7]-5[2].1` -> `OBX-5.1`: what every message does is one line."""
    return "".join(piece.partition("]")[2] if at else piece for at, piece in enumerate(where.split("[")))
