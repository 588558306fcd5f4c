"""What could not be understood or was refused: why, from whom, the bytes, and the way to try again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Capability, Principal
from hie.console.view import back, page
from hie.intake.position import Position
from hie.outcomes import MESSAGE_REASONS
from hie.store.tables import message
from hie.web import services
from hie.web.errors import Malformed
from hie.web.states import REFUSED

PAGE = 50
HERE = "/console/quarantine"


async def quarantine(request: Request, who: Principal) -> Response:
    """Newest first."""
    node = services.of(request)
    before = request.query_params.get("before", "")
    if before:
        Position.of(before)

    def work(connection: Connection) -> list[Any]:
        query = select(message).where(REFUSED, message.c.resolved_at.is_(None))
        if before:
            query = query.where(message.c.id < before)
        return list(connection.execute(query.order_by(message.c.id.desc()).limit(PAGE + 1)))

    rows = await node.query(work)
    return page(
        request,
        "quarantine.html",
        "quarantine",
        "Quarantine",
        rows=rows[:PAGE],
        more=rows[PAGE - 1].id if len(rows) > PAGE else "",
        sentences={reason: sentence for reason, (_, sentence) in MESSAGE_REASONS.items()},
        may_look=Capability.CONTENT_READ in who.capabilities,
    )


async def release(request: Request, who: Principal) -> Response:
    """Runs messages through today's decoders again."""
    node = services.of(request)
    ids = (await node.door.form(request)).get("ids", "").split()
    if not ids:
        raise Malformed("nothing was chosen", hint="mark the messages to try again")
    for id in ids:
        Position.of(id)
    done = await node.control("quarantine.release", {"ids": ids}, who.actor)
    return back(HERE, "tried" if done["count"] else "nothing")
