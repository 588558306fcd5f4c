"""What needs a person now, worst first: one sentence each, and where to go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from hie.settings import Settings
from hie.store import repairs
from hie.store.tables import delivery, message, repair, work_item
from hie.web.states import DEAD, REFUSED, WEEK, FeedState, SubscriberState, Word
from hie.worklist import waiting, worklist


class Need(NamedTuple):
    word: Word
    """How urgent: the state it would be called by."""
    what: str
    """The thing, in a word or two."""
    why: str
    since: float | None
    """Epoch seconds; None where that is not known."""
    link: str
    verb: str
    """What the link leads to."""


_DEAD_LETTERS = select(
    func.count().label("n"),
    func.count(delivery.c.subscriber.distinct()).label("subscribers"),
    func.min(delivery.c.finished_at).label("oldest"),
).where(DEAD)
_QUARANTINE = select(func.count().label("n"), func.min(message.c.received_at).label("oldest")).where(
    REFUSED, message.c.resolved_at.is_(None)
)
_UNREAD = select(func.sum(work_item.c.seen).label("n"), func.min(work_item.c.first_at).label("oldest")).where(
    work_item.c.kind == "reprocess-failed"
)
_STOPPED = select(repair).where(repair.c.state == repairs.STOPPED).order_by(repair.c.id)


def needs(
    connection: Connection,
    settings: Settings,
    feeds: Sequence[FeedState],
    subscribers: Sequence[SubscriberState],
    now: float,
) -> list[Need]:
    """Worst first; empty where nothing does."""
    found = [_feed(state) for state in feeds if state.word in (Word.STUCK, Word.SILENT, Word.DEGRADED)]
    found += [_subscriber(s) for s in subscribers if s.word in (Word.STUCK, Word.PAUSED)]
    found += _lists(connection)
    found += _codes(connection, settings, now)
    urgency = list(Word)
    return sorted(found, key=lambda need: (urgency.index(need.word), need.since or 0.0))


def _feed(state: FeedState) -> Need:
    since = {Word.STUCK: state.oldest, Word.SILENT: state.last_at}.get(state.word)
    link = f"/console/messages?feed={state.feed.name}"
    if state.word is Word.DEGRADED:
        link = f"/console/quarantine?feed={state.feed.name}"
    return Need(state.word, f"feed {state.feed.name}", state.why, since, link, "look")


def _subscriber(state: SubscriberState) -> Need:
    why = f"{state.depth} deliveries wait" if state.depth else "nothing waits"
    if state.word is Word.PAUSED:
        why = f"paused: {state.pause_reason or 'no reason was given'}; {why}"
    since = state.paused_at if state.word is Word.PAUSED else state.oldest
    return Need(state.word, f"subscriber {state.name}", why, since, f"/console/deliveries/{state.name}", "look")


def _codes(connection: Connection, settings: Settings, now: float) -> list[Need]:
    """Local codes that came up lately: older ones are known to wait, and are on their page."""
    new = [item for item in waiting(worklist(connection, settings, since=now - WEEK)) if item.first_at >= now - WEEK]
    if not new:
        return []
    feeds = sorted({item.feed for item in new})
    from_ = f"feed {feeds[0]}" if len(feeds) == 1 else f"{len(feeds)} feeds"
    why = f"{len(new)} local {'code' if len(new) == 1 else 'codes'} of {from_}, first seen this week, have no standard meaning"
    return [Need(Word.DEGRADED, "codes", why, min(item.first_at for item in new), "/console/codes", "look")]


def _lists(connection: Connection) -> list[Need]:
    found = []
    dead: Any = connection.execute(_DEAD_LETTERS).one()
    if dead.n:
        to = "one subscriber" if dead.subscribers == 1 else f"{dead.subscribers} subscribers"
        why = f"{dead.n} to {to} were given up and wait for a decision"
        found.append(Need(Word.DEGRADED, "dead letters", why, dead.oldest, "/console/deadletters", "decide"))
    kept: Any = connection.execute(_QUARANTINE).one()
    if kept.n:
        why = f"{kept.n} messages were refused or not understood"
        found.append(Need(Word.DEGRADED, "quarantine", why, kept.oldest, "/console/quarantine", "look"))
    unread: Any = connection.execute(_UNREAD).one()
    if unread.n:
        why = f"{unread.n} stored messages cannot be read by today's decoders; what they were read as stays in force"
        found.append(Need(Word.DEGRADED, "reprocessing", why, unread.oldest, "/console/repairs", "look"))
    for run in connection.execute(_STOPPED):
        why = f"repair {run.id} was stopped with {run.done} of {run.total} done"
        found.append(Need(Word.PAUSED, "repair", why, run.updated_at, "/console/repairs", "look"))
    return found
