"""Subscribers and what waits for them: depth, oldest, attempts; pause and resume, with a reason."""

from __future__ import annotations

import re
from contextlib import suppress

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import back, page
from hie.errors import HieError, NotFound
from hie.store.tables import delivery
from hie.web import services, states
from hie.web.errors import Malformed
from hie.web.states import UNFINISHED, SubscriberState

PAGE = 100


async def deliveries(request: Request, who: Principal) -> Response:
    node = services.of(request)
    rows = await node.query(lambda connection: states.subscribers(connection, node.settings, node.clock()))
    titles = {s.name: s for s in node.settings.subscribers}
    resting = set()
    with suppress(HieError):  # the page is good without: the breaker lives in the engine, not in the store
        resting = set((await node.control("ping", {}, who.actor)).get("resting", ()))
    return page(request, "deliveries.html", "deliveries", "Deliveries", rows=rows, configured=titles, resting=resting)


async def queue(request: Request, _: Principal) -> Response:
    """What waits for one subscriber, oldest first."""
    node = services.of(request)
    name = request.path_params["name"]
    after = request.query_params.get("after", "0")
    if not re.fullmatch(r"\d{1,18}", after):
        raise Malformed("`after` is the number of a delivery")

    def work(connection: Connection) -> tuple[list[SubscriberState], list[object]]:
        waiting = (
            select(
                delivery.c.id,
                delivery.c.message_id,
                delivery.c.state,
                delivery.c.reason,
                delivery.c.text,
                delivery.c.queued_at,
                delivery.c.due_at,
                delivery.c.attempts,
            )
            .where(UNFINISHED, delivery.c.subscriber == name, delivery.c.id > int(after))
            .order_by(delivery.c.id)
            .limit(PAGE + 1)
        )
        return states.subscribers(connection, node.settings, node.clock()), list(connection.execute(waiting))

    all_states, rows = await node.query(work)
    state = next((s for s in all_states if s.name == name), None)
    if state is None:
        raise NotFound("no subscriber has that name")
    more = rows[PAGE - 1].id if len(rows) > PAGE else 0  # type: ignore[attr-defined]
    return page(
        request, "queue.html", "deliveries", f"Deliveries to {name}", row_state=state, rows=rows[:PAGE], more=more
    )


async def pause(request: Request, who: Principal) -> Response:
    fields = await services.of(request).door.form(request)
    if not (reason := fields.get("reason", "").strip()[:200]):
        raise Malformed("a reason is needed", hint="whoever comes next wants to know")
    return await _change(request, who, "pause", reason, "paused")


async def resume(request: Request, who: Principal) -> Response:
    return await _change(request, who, "resume", "", "resumed")


async def _change(request: Request, who: Principal, verb: str, reason: str, done: str) -> Response:
    name = request.path_params["name"]
    await services.of(request).control(f"subscriber.{verb}", {"name": name, "reason": reason}, who.actor)
    return back(f"/console/deliveries/{name}", done)
