"""What could not be understood or was refused: why, from whom, the bytes, and the way to try again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Capability, Principal
from hie.chosen import counted
from hie.console import repairs
from hie.console.view import page
from hie.intake.position import Position
from hie.outcomes import MESSAGE_REASONS
from hie.store.selection import Selection
from hie.store.tables import message
from hie.web import services
from hie.web.errors import Malformed
from hie.web.states import REFUSED

PAGE = 50
HERE = "/console/quarantine"


_GROUPS = (
    select(
        message.c.feed,
        message.c.reason,
        func.count().label("n"),
        func.min(message.c.received_at).label("oldest"),
        func.max(message.c.id).label("example"),
    )
    .where(REFUSED, message.c.resolved_at.is_(None))
    .group_by(message.c.feed, message.c.reason)
    .order_by(func.count().desc(), message.c.feed, message.c.reason)
)


async def quarantine(request: Request, who: Principal) -> Response:
    """Grouped by feed and reason, then one by one, newest first; `feed` and `reason` in the address narrow the list."""
    node = services.of(request)
    asked = {name: request.query_params.get(name, "") for name in ("before", "feed", "reason")}
    if asked["before"]:
        Position.of(asked["before"])

    def work(connection: Connection) -> tuple[list[Any], list[Any]]:
        query = select(message).where(REFUSED, message.c.resolved_at.is_(None))
        if asked["feed"]:
            query = query.where(message.c.feed == asked["feed"])
        if asked["reason"]:
            query = query.where(message.c.reason == asked["reason"])
        if asked["before"]:
            query = query.where(message.c.id < asked["before"])
        rows = connection.execute(query.order_by(message.c.id.desc()).limit(PAGE + 1))
        return list(connection.execute(_GROUPS)), list(rows)

    groups, rows = await node.query(work)
    return page(
        request,
        "quarantine.html",
        "quarantine",
        "Quarantine",
        groups=groups,
        rows=rows[:PAGE],
        asked=asked,
        more=rows[PAGE - 1].id if len(rows) > PAGE else "",
        sentences={reason: sentence for reason, (_, sentence) in MESSAGE_REASONS.items()},
        total=sum(group.n for group in groups),
        may_look=Capability.CONTENT_READ in who.capabilities,
    )


async def ask(request: Request, who: Principal) -> Response:
    """The dry run of a group: how many, to be confirmed."""
    node = services.of(request)
    fields = await node.door.form(request)
    selection = Selection.of(_which(fields))
    counts = await node.query(lambda connection: counted(connection, "quarantine", selection))
    return page(
        request,
        "confirm.html",
        "quarantine",
        "Try them again?",
        fields={name: value for name, value in fields.items() if name in ("ids", "feed", "reason")},
        counts=counts,
        total=sum(counts.values()),
        one="message",
        many="messages",
        would="would be read again with today's decoders, oldest first.",
        decided="What can be read now takes its place in the order of events: it changes nothing that newer messages have "
        "said since. What still cannot be read stays here.",
        address=HERE,
    )


async def release(request: Request, who: Principal) -> Response:
    """Runs messages through today's decoders again."""
    return await repairs.order(
        request, who, "quarantine", _which(await services.of(request).door.form(request)), "tried"
    )


def _which(fields: dict[str, str]) -> dict[str, Any]:
    """What the form chose: single ones or a group. Raises Malformed where it chose nothing."""
    if ids := fields.get("ids", "").split():
        for id in ids:
            Position.of(id)
        return {"messages": ids}
    if fields.get("feed") and fields.get("reason"):
        return {"feed": fields["feed"], "reasons": [fields["reason"]]}
    raise Malformed("nothing was chosen", hint="mark messages, or take a whole group")
