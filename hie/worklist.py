"""What the analysts have to do: local codes and unread fields by sender, with what the configuration says of each by now; and
the files to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hie.codes import conceptmap
from hie.codes.sheet import COLUMNS
from hie.codes.untranslated import UNFIT
from hie.settings import Settings
from hie.store import unmapped
from hie.store.unmapped import CODE, MORE

RECENT = 90 * 86400
"""Seconds after which what is not seen any more is of no interest."""


class Item(NamedTuple):
    kind: str
    """code or field."""
    feed: str
    sender: str
    system: str
    code: str
    seen: int
    first_at: float
    last_at: float
    example: str
    answered: bool

    @property
    def mappable(self) -> bool:
        """Whether a code table can say something of it."""
        return self.kind == CODE and UNFIT not in (self.system, self.code) and self.code != MORE


def worklist(
    connection: Connection, settings: Settings, *, feed: str = "", sender: str = "", since: float = 0.0
) -> list[Item]:
    """By feed and sender, codes first, the most frequent first."""
    dialects = settings.dialects
    return [
        Item(*entry.key, *entry[1:], answered=dialects.answered(*entry.key))
        for entry in unmapped.listed(connection, feed=feed, sender=sender, since=since)
    ]


def waiting(items: Iterable[Item]) -> list[Item]:
    """Codes that nobody has answered and a code table could answer."""
    return [item for item in items if item.mappable and not item.answered]


def tsv(items: Iterable[Item]) -> str:
    """A sheet to fill in: target system, target code, display. The columns behind are for the reader's eye."""
    out = io.StringIO(newline="")
    rows = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None, escapechar=None)
    rows.writerow([*COLUMNS, "sender", "seen", "last_seen", "example"])
    for item in items:
        day = datetime.fromtimestamp(item.last_at, UTC).strftime("%Y-%m-%d")
        sender = item.sender.replace("\t", " ")
        rows.writerow([item.system, item.code, "", "", "", sender, item.seen, day, item.example])
    return out.getvalue()


def concept_map(title: str, items: Iterable[Item]) -> dict[str, Any]:
    """A FHIR R4 ConceptMap to fill in; the counts have no place in it."""
    return conceptmap.unfilled(title, sorted({(item.system, item.code) for item in items}))
