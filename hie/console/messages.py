"""Finding messages: one box for ids, filters for the rest. Every query is bounded by an index and a limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.audit.events import Kind
from hie.console.view import page
from hie.errors import NotFound
from hie.identify import members_of, persons_of
from hie.intake.position import Position
from hie.model import Identifier, MessageOutcome
from hie.settings import Settings
from hie.store.tables import delivery, message, record
from hie.web import services
from hie.web.errors import Malformed
from hie.web.states import UNFINISHED

PAGE = 50
LOOKED_AT = 5000
"""Rows that one page looks at where only part of a filter has an index; the page says how far back it came."""
_KINDS = ("MR", "", "PI", "SS", "PT", "AN")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form asks for. `before` is the message id from which to go further back."""

    text: str = ""
    feed: str = ""
    outcome: str = ""
    day: str = ""
    unfinished: bool = False
    before: str = ""

    @classmethod
    def of(cls, given: dict[str, str], settings: Settings) -> Wanted:
        """Raises Malformed for a value that no form of ours offers."""
        wanted = cls(
            given.get("q", "").strip(),
            given.get("feed", ""),
            given.get("outcome", ""),
            given.get("day", ""),
            given.get("unfinished") == "1",
            given.get("before", ""),
        )
        if wanted.feed and wanted.feed not in {f.name for f in settings.feeds}:
            raise Malformed("no feed has that name")
        if wanted.outcome and wanted.outcome not in set(MessageOutcome):
            raise Malformed("no outcome has that name", hint=", ".join(MessageOutcome))
        if wanted.day:
            _day(wanted.day)
        if wanted.before:
            Position.of(wanted.before)
        return wanted


@dataclass(frozen=True, slots=True)
class Found:
    rows: Sequence[Any]
    more: str = ""
    """Message id from which the next page goes on; "" where there is none."""
    back_to: float | None = None
    """Where a bounded search stopped."""


async def messages(request: Request, _: Principal) -> Response:
    node = services.of(request)
    wanted = Wanted.of(dict(request.query_params), node.settings)
    found = await node.query(lambda connection: find(connection, wanted))
    return _page(request, node.settings, wanted, found)


async def by_identifier(request: Request, who: Principal) -> Response:
    """By a patient's identifier: posted, so that it stands in no address, and noted in the audit log."""
    node = services.of(request)
    fields = await node.door.form(request)
    value, authority = fields.get("identifier", "").strip(), fields.get("authority", "").strip()
    if not value:
        raise Malformed("an identifier is needed")
    found = await node.query(lambda connection: of_patient(connection, node.settings, authority, value))
    body = {"view": "messages-by-identifier", "parameters": ["identifier"], "returned": len(found.rows)}
    await node.control("audit.note", {"kind": Kind.QUERY, "body": body}, who.actor)
    return _page(request, node.settings, Wanted(), found, by_identifier=True)


def _page(request: Request, settings: Settings, wanted: Wanted, found: Found, by_identifier: bool = False) -> Response:
    return page(
        request,
        "messages.html",
        "messages",
        "Messages",
        wanted=wanted,
        found=found,
        feeds=[f.name for f in settings.feeds],
        outcomes=[str(o) for o in MessageOutcome],
        authorities=authorities(settings),
        by_identifier=by_identifier,
    )


def authorities(settings: Settings) -> list[str]:
    """Every assigning authority that the configuration knows."""
    named = set(settings.authorities.values())
    for feed in settings.feeds:
        named |= {*feed.authorities.values(), feed.default_authority or ""}
        for sender in feed.senders:
            named |= {*sender.authorities.values(), sender.default_authority or ""}
    return sorted(named - {""})


_COLUMNS = (
    message.c.id,
    message.c.feed,
    message.c.event,
    message.c.control_id,
    message.c.received_at,
    message.c.processed_at,
    message.c.outcome,
    message.c.reason,
    message.c.text,
    message.c.resolved_at,
)


def find(connection: Connection, wanted: Wanted) -> Found:
    """Newest first. Message ids rise with time, so the primary key is the order."""
    if wanted.text:
        return _by_text(connection, wanted.text)
    if wanted.unfinished:
        return _unfinished(connection, wanted)
    looked = select(*_COLUMNS)
    if wanted.feed:
        looked = looked.where(message.c.feed == wanted.feed)
        if wanted.before:
            at = connection.execute(select(message.c.received_at).where(message.c.id == wanted.before)).scalar()
            looked = looked.where(message.c.received_at < at) if at is not None else looked
        if wanted.day:
            start = _day(wanted.day)
            looked = looked.where(message.c.received_at >= start, message.c.received_at < start + 86400)
        looked = looked.order_by(message.c.received_at.desc())
    else:
        if wanted.before:
            looked = looked.where(message.c.id < wanted.before)
        if wanted.day:
            prefix = wanted.day.replace("-", "")
            looked = looked.where(message.c.id >= prefix, message.c.id < f"{prefix}~")
        looked = looked.order_by(message.c.id.desc())
    if not wanted.outcome:
        return _cut(connection, looked)
    # the newest rows are looked through, not the whole table: the page says how far that came
    newest = looked.limit(LOOKED_AT).subquery()
    matching = select(newest).where(newest.c.outcome == wanted.outcome).limit(PAGE + 1)
    rows = list(connection.execute(matching))
    if len(rows) > PAGE:
        return Found(rows[:PAGE], rows[PAGE - 1].id)
    count, last, at = connection.execute(
        select(func.count(), func.min(newest.c.id), func.min(newest.c.received_at))
    ).one()
    return Found(rows, last, at) if count == LOOKED_AT else Found(rows)


def _by_text(connection: Connection, text: str) -> Found:
    """A message id, or a control id as it was sent."""
    rows = list(
        connection.execute(
            select(*_COLUMNS).where(message.c.control_id == text).order_by(message.c.received_at.desc()).limit(PAGE + 1)
        )
    )
    try:
        Position.of(text)
    except NotFound:
        return Found(rows[:PAGE])
    rows += connection.execute(select(*_COLUMNS).where(message.c.id == text))
    return Found(rows[:PAGE])


def _unfinished(connection: Connection, wanted: Wanted) -> Found:
    """Messages of which a delivery has no final outcome, by the newest of the oldest: what still hangs."""
    hanging = select(delivery.c.message_id).where(UNFINISHED).order_by(delivery.c.id).limit(LOOKED_AT).subquery()
    query = select(*_COLUMNS).where(message.c.id.in_(select(hanging.c.message_id)))
    if wanted.feed:
        query = query.where(message.c.feed == wanted.feed)
    if wanted.before:
        query = query.where(message.c.id < wanted.before)
    return _cut(connection, query.order_by(message.c.id.desc()))


def of_patient(connection: Connection, settings: Settings, authority: str, value: str) -> Found:
    """Messages about the person who is known by an identifier, under one authority or any that is configured."""
    asked = [authority] if authority else authorities(settings)
    eids = persons_of(connection, [Identifier(a, kind, value) for a in asked for kind in _KINDS])
    records = sorted({r for eid in eids for r in members_of(connection, eid)})[:500]
    if not records:
        return Found([])
    ids = (
        select(record.c.message_id)
        .where(record.c.mpi_record.in_(records))
        .distinct()
        .order_by(record.c.message_id.desc())
        .limit(PAGE)
    )
    chosen = list(connection.execute(ids).scalars())
    return Found(
        list(connection.execute(select(*_COLUMNS).where(message.c.id.in_(chosen)).order_by(message.c.id.desc())))
    )


def _cut(connection: Connection, query: Select[Any]) -> Found:
    rows = list(connection.execute(query.limit(PAGE + 1)))
    return Found(rows[:PAGE], rows[PAGE - 1].id) if len(rows) > PAGE else Found(rows)


def _day(text: str) -> float:
    """The start of a day in UTC, epoch seconds. Raises Malformed."""
    try:
        if not _DATE.match(text):
            raise ValueError
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Malformed("a day looks like 2026-01-31") from None
