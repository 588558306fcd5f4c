"""Dead letters, grouped by subscriber and reason. A release is counted first and confirmed then; it moves nothing
that is not delivered again under today's identity and consent, oldest first, under the same key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.chosen import counted
from hie.console import repairs
from hie.console.view import back, page
from hie.outcomes import DELIVERY_REASONS
from hie.store.selection import Selection
from hie.store.tables import delivery
from hie.web import services
from hie.web.errors import Malformed
from hie.web.states import DEAD

SHOWN = 100
HERE = "/console/deadletters"
_GROUPS = (
    select(delivery.c.subscriber, delivery.c.reason, func.count().label("n"), func.min(delivery.c.id).label("first"))
    .where(DEAD)
    .group_by(delivery.c.subscriber, delivery.c.reason)
    .order_by(func.count().desc(), delivery.c.subscriber, delivery.c.reason)
)


async def deadletters(request: Request, _: Principal) -> Response:
    """All groups; with `subscriber` and `reason` in the address the oldest ones of that group."""
    node = services.of(request)
    chosen = (request.query_params.get("subscriber", ""), request.query_params.get("reason", ""))

    def work(connection: Connection) -> tuple[list[Any], dict[int, Any], list[Any]]:
        groups = list(connection.execute(_GROUPS))
        firsts = [group.first for group in groups]
        query = select(delivery.c.id, delivery.c.message_id, delivery.c.finished_at, delivery.c.text).where(
            delivery.c.id.in_(firsts)
        )
        oldest = {row.id: row for row in connection.execute(query)} if firsts else {}
        return groups, oldest, _rows(connection, *chosen) if all(chosen) else []

    groups, oldest, rows = await node.query(work)
    return page(
        request,
        "deadletters.html",
        "deadletters",
        "Dead letters",
        groups=groups,
        oldest=oldest,
        rows=rows,
        chosen=chosen,
        sentences={reason: sentence for reason, (_, sentence) in DELIVERY_REASONS.items()},
        total=sum(group.n for group in groups),
        shown=SHOWN,
    )


async def ask(request: Request, who: Principal) -> Response:
    """The dry run: what a release would move, to be confirmed."""
    node = services.of(request)
    fields = await node.door.form(request)
    selection = Selection.of(_which(fields))
    counts = await node.query(lambda connection: counted(connection, "deadletters", selection))
    return page(
        request,
        "confirm.html",
        "deadletters",
        "Release dead letters?",
        fields={name: value for name, value in fields.items() if name in ("ids", "subscriber", "reason", "all")},
        counts=counts,
        total=sum(counts.values()),
        one="delivery",
        many="deliveries",
        would="would go again, oldest first, under the same key.",
        decided="Identity and consent are decided again for each: what may no longer go will not, and what a newer message "
        "has told the subscriber since ends as superseded.",
        address=HERE,
    )


async def release(request: Request, who: Principal) -> Response:
    return await repairs.order(
        request, who, "deadletters", _which(await services.of(request).door.form(request)), "released"
    )


async def purge(request: Request, who: Principal) -> Response:
    """Takes single ones out for good. The reason is kept with each."""
    node = services.of(request)
    fields = await node.door.form(request)
    reason = fields.get("reason", "").strip()[:200]
    ids = _ids(fields)
    if not ids:
        raise Malformed("nothing was chosen", hint="mark the deliveries to purge")
    if not reason:
        raise Malformed("a reason is needed", hint="it stays with each of them")
    done = await node.control("delivery.purge", {"ids": ids, "reason": reason}, who.actor)
    return back(HERE, "purged" if done["count"] else "nothing")


def _which(fields: dict[str, str]) -> dict[str, Any]:
    """What the form chose: single ones, a group, or everything. Raises Malformed where it chose nothing."""
    if ids := _ids(fields):
        return {"numbers": ids}
    if fields.get("subscriber") and fields.get("reason"):
        return {"subscriber": fields["subscriber"], "reasons": [fields["reason"]]}
    if fields.get("all") == "1":
        return {"everything": True}
    raise Malformed("nothing was chosen", hint="mark deliveries, or take a whole group")


def _ids(fields: dict[str, str]) -> list[int]:
    parts = fields.get("ids", "").split()
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise Malformed("deliveries have numbers")
    return [int(part) for part in parts]


def _rows(connection: Connection, subscriber: str, reason: str) -> list[Any]:
    query = (
        select(
            delivery.c.id,
            delivery.c.message_id,
            delivery.c.text,
            delivery.c.answer,
            delivery.c.attempts,
            delivery.c.queued_at,
            delivery.c.finished_at,
        )
        .where(DEAD, delivery.c.subscriber == subscriber, delivery.c.reason == reason)
        .order_by(delivery.c.id)
        .limit(SHOWN)
    )
    return list(connection.execute(query))
