"""What shadow mode found for one subscriber: counts, places and reasons, with ids to look at, and no value of a record."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from hie import registry
from hie.delivery import shadow
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from hie.sections import Subscriber
from hie.settings import Settings
from hie.shadow.pairing import Paired, Sent, pair
from hie.store.tables import delivery, message

PLACES = 25


def report(
    connection: Connection,
    settings: Settings,
    subscriber: Subscriber,
    at: float,
    theirs: Sequence[Sent],
    ignored: frozenset[str],
) -> dict[str, Any]:
    """Everything since `at` (epoch seconds) as one JSON object."""
    ours = shadow.since(connection, subscriber.name, at)
    paired = pair(ours, theirs, ignored)
    differing = [p for p in paired.pairs if p.differences]
    return {
        "subscriber": subscriber.name,
        "since": at,
        "ours": len(ours),
        "theirs": len(theirs),
        "same": len(paired.pairs) - len(differing),
        "differ": len(differing),
        "places": _places(paired),
        "only_ours": _only_ours(paired),
        "only_theirs": _only_theirs(connection, settings, subscriber, paired),
        "unreadable": len(paired.unreadable),
    }


def _places(paired: Paired) -> list[dict[str, Any]]:
    messages: Counter[str] = Counter()
    example: dict[str, str] = {}
    for p in paired.pairs:
        for place in p.differences:
            messages[place] += 1
            example.setdefault(place, p.ours.message_id)
    return [{"place": place, "messages": n, "example": example[place]} for place, n in messages.most_common(PLACES)]


def _only_ours(paired: Paired) -> list[dict[str, Any]]:
    events: dict[str, list[str]] = {}
    for output in paired.ours_alone:
        events.setdefault(output.event, []).append(output.message_id)
    return [{"event": e, "count": len(ids), "example": ids[0]} for e, ids in sorted(events.items())]


def _only_theirs(
    connection: Connection, settings: Settings, subscriber: Subscriber, paired: Paired
) -> list[dict[str, Any]]:
    """Why we would not have sent it: the question a site asks before it changes over."""
    taps = {feed.name for feed in settings.feeds if feed.tap}
    reasons: dict[tuple[str, str], list[str]] = {}
    for sent, control_id in paired.theirs_alone:
        why = _why(connection, subscriber.name, control_id, taps)
        reasons.setdefault(why, []).append(sent.name)
    return [
        {"reason": reason, "text": text, "count": len(names), "example": names[0]}
        for (reason, text), names in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]


def _why(connection: Connection, subscriber: str, control_id: str, taps: set[str]) -> tuple[str, str]:
    rows = [
        row
        for row in connection.execute(
            select(message.c.id, message.c.feed, message.c.outcome, message.c.reason)
            .where(message.c.control_id == control_id)
            .order_by(message.c.received_at.desc())
            .limit(20)
        )
        if row.feed not in taps and control_id
    ]
    if not rows:
        return "never-came", "nothing with its control id came in here"
    for row in rows:
        ended = connection.execute(
            select(delivery.c.state, delivery.c.reason).where(
                delivery.c.message_id == row.id, delivery.c.subscriber == subscriber
            )
        ).first()
        if ended is not None:
            known = DELIVERY_REASONS.get(ended.reason)
            return ended.reason or ended.state, known[1] if known else "under way here"
    reason = rows[0].reason
    if reason in ("routed", "no-subscriber"):
        return "not-subscribed", "no subscription of the subscriber asks for it"
    return reason, MESSAGE_REASONS[reason][1]


def tapped(connection: Connection, journal: Any, settings: Settings, subscriber: str, at: float) -> Iterator[Sent]:
    """What came in by the feeds that tap the present engine's way to the subscriber, oldest first."""
    feeds = [feed.name for feed in settings.feeds if feed.tap == subscriber]
    rows: Iterable[Any] = connection.execute(
        select(message.c.id, message.c.received_at)
        .where(message.c.feed.in_(feeds), message.c.received_at >= at, message.c.reason == "tapped")
        .order_by(message.c.received_at, message.c.id)
    ).all()
    for row in rows:
        yield Sent(row.received_at, row.id, journal.get(row.id).envelope.raw)


def filed(folder: Path) -> Iterator[Sent]:
    """What the present engine wrote into a folder: files of one or several messages, in order of time and name.

    Names of files may name a patient, so a message goes by a hash of the file's name and its number in the file.
    """
    split = registry.decoder("hl7v2", "split")
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (p.stat().st_mtime, p.name)):
        raw = path.read_bytes()
        short = hashlib.sha256(path.name.encode(errors="surrogateescape")).hexdigest()[:8]
        pieces = split(raw.strip(b"\x0b\x1c\r\n")).messages if b"MSH" in raw[:64] else (raw,)
        for number, piece in enumerate(pieces, 1):
            yield Sent(path.stat().st_mtime, f"file-{short}-{number}", piece)
