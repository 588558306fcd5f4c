"""How feeds and subscribers are, asked from the store: the same answer for the console and for `/metrics`.

Every query goes through an index. A state is a word; `unknown` is never shown as healthy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, bindparam, func, select, text

from hie.participants import Directory
from hie.sections import Feed
from hie.settings import Settings
from hie.store import lanes
from hie.store.tables import delivery, message, subscriber_state
from hie.web import backlog
from hie.web.backlog import Backlog

STUCK_SECONDS = 60.0
"""An accepted message that waits longer than this says that processing stands."""
LATE_SECONDS = 300.0
"""A delivery that waits longer than this says that its subscriber has trouble."""
REFUSED_SHARE = 0.02
"""Share of today's messages in quarantine or refused from which a feed counts as degraded."""
DAY = 86400.0
WEEK = 7 * DAY


class Word(StrEnum):
    """States in the order of urgency: the worst stands first on the page."""

    STUCK = "stuck"
    SILENT = "silent"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    PAUSED = "paused"
    HEALTHY = "healthy"


URGENCY = {word: rank for rank, word in enumerate(Word)}


@dataclass(frozen=True, slots=True)
class FeedState:
    """One row of the start page. Times in epoch seconds, `refused` counts today's quarantined and rejected."""

    feed: Feed
    word: Word
    why: str
    last_at: float | None
    today: int
    week_ago: int
    refused: int
    waiting: int
    oldest: float | None

    @property
    def share(self) -> float:
        return self.refused / self.today if self.today else 0.0


@dataclass(frozen=True, slots=True)
class SubscriberState:
    name: str
    word: Word
    why: str
    depth: int
    oldest: float | None
    attempts: int
    """Attempts that the oldest one has had."""
    dead: int
    paused_at: float | None
    pause_reason: str


# the words of the partial indexes, so that the planner recognises them
UNFINISHED = text("delivery.state IN ('queued','begun','unknown','held')")
DEAD = text("delivery.state = 'dead-lettered'")
REFUSED = text("message.outcome IN ('quarantined','rejected')")

_LAST = select(func.max(message.c.received_at)).where(message.c.feed == bindparam("feed"))
_BETWEEN = select(func.count()).where(
    message.c.feed == bindparam("feed"),
    message.c.received_at >= bindparam("since"),
    message.c.received_at < bindparam("until"),
)
# what came today was not put right before today: so the index bounds the scan by what is open or recent
_REFUSED = (
    select(message.c.feed, func.count().label("n"))
    .where(
        REFUSED,
        (message.c.resolved_at.is_(None)) | (message.c.resolved_at >= bindparam("since")),
        message.c.received_at >= bindparam("since"),
    )
    .group_by(message.c.feed)
)
_DEPTH = (
    select(delivery.c.subscriber, func.count().label("n"), func.min(delivery.c.id).label("first"))
    .where(UNFINISHED)
    .group_by(delivery.c.subscriber)
)
_OLDEST = select(delivery.c.id, delivery.c.queued_at, delivery.c.attempts).where(
    delivery.c.id.in_(bindparam("ids", expanding=True))
)
_DEAD = select(delivery.c.subscriber, func.count().label("n")).where(DEAD).group_by(delivery.c.subscriber)


def waiting(connection: Connection, var: Path) -> Backlog:
    if connection.dialect.name == "postgresql":
        return backlog.pending(connection)
    return backlog.read(var / "journal", *lanes.cursor(connection))


def feeds(connection: Connection, settings: Settings, queue: Backlog, now: float) -> list[FeedState]:
    """Worst first, then by name."""
    midnight = now - now % DAY
    refused = {row.feed: row.n for row in connection.execute(_REFUSED, {"since": midnight})}
    directory = Directory(settings.participants)
    found = []
    for feed in settings.feeds:
        inside = queue.feeds.get(feed.name)
        last = connection.execute(_LAST, {"feed": feed.name}).scalar()
        if inside is not None:
            last = max(last or 0.0, inside.newest)
        today = connection.execute(_BETWEEN, {"feed": feed.name, "since": midnight, "until": now + DAY}).scalar_one()
        week_ago = connection.execute(
            _BETWEEN, {"feed": feed.name, "since": midnight - WEEK, "until": now - WEEK}
        ).scalar_one()
        oldest = inside.oldest if inside else None
        counted = today + (inside.count if inside else 0)
        bad = refused.get(feed.name, 0)
        word, why = judge(feed, directory.state(feed.participant), now, last, oldest, counted, bad)
        found.append(FeedState(feed, word, why, last, counted, week_ago, bad, inside.count if inside else 0, oldest))
    return sorted(found, key=lambda state: (URGENCY[state.word], state.feed.name))


def judge(
    feed: Feed, participant: str, now: float, last: float | None, oldest: float | None, today: int, refused: int
) -> tuple[Word, str]:
    """The state of a feed and what it rests on."""
    if participant != "active":
        return Word.PAUSED, f"its participant is {participant}"
    if oldest is not None and now - oldest > STUCK_SECONDS:
        return Word.STUCK, "accepted messages wait to be processed: see that the engine runs"
    if feed.expected_interval is not None and (last is None or now - last > feed.expected_interval):
        return Word.SILENT, "nothing came for longer than is normal: ask the sender"
    if last is None:
        return Word.UNKNOWN, "nothing came yet, and no expected interval is set"
    if today and refused / today >= REFUSED_SHARE:
        return Word.DEGRADED, "too many messages refused or in quarantine: look at them"
    if feed.expected_interval is None and now - last > DAY:
        return Word.UNKNOWN, "quiet for a day, and no expected interval is set"
    return Word.HEALTHY, ""


def subscribers(connection: Connection, settings: Settings, now: float) -> list[SubscriberState]:
    """Every configured subscriber, and those that are gone but still have something queued. Worst first."""
    depth = {row.subscriber: row for row in connection.execute(_DEPTH)}
    first = {row.first for row in depth.values()}
    oldest = {row.id: row for row in connection.execute(_OLDEST, {"ids": list(first)})} if first else {}
    dead = {row.subscriber: row.n for row in connection.execute(_DEAD)}
    paused = {row.name: row for row in connection.execute(select(subscriber_state))}
    found = []
    for name in dict.fromkeys([*(s.name for s in settings.subscribers), *depth, *dead]):
        queued = depth.get(name)
        head = oldest.get(queued.first) if queued else None
        pause = paused.get(name)
        state = SubscriberState(
            name,
            Word.HEALTHY,
            "",
            queued.n if queued else 0,
            head.queued_at if head else None,
            head.attempts if head else 0,
            dead.get(name, 0),
            pause.paused_at if pause else None,
            pause.reason if pause else "",
        )
        found.append(_worded(state, now))
    return sorted(found, key=lambda state: (URGENCY[state.word], state.name))


def _worded(state: SubscriberState, now: float) -> SubscriberState:
    word, why = Word.HEALTHY, ""
    if state.paused_at is not None:
        word, why = Word.PAUSED, state.pause_reason or "paused by an operator"
    elif state.oldest is not None and now - state.oldest > LATE_SECONDS:
        word, why = Word.STUCK, "deliveries wait too long: see whether the subscriber can be reached"
    elif state.dead:
        word, why = Word.DEGRADED, "dead letters wait for a decision"
    elif state.attempts > 1:
        word, why = Word.DEGRADED, "deliveries are being repeated"
    return SubscriberState(
        state.name,
        word,
        why,
        state.depth,
        state.oldest,
        state.attempts,
        state.dead,
        state.paused_at,
        state.pause_reason,
    )
