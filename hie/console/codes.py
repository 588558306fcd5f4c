"""Unmapped codes: what senders say in words of their own, with what the configuration answers by now."""

from __future__ import annotations

from itertools import groupby

import orjson
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import page
from hie.errors import NotFound
from hie.spelling import meant
from hie.web import services
from hie.web.errors import Malformed
from hie.worklist import RECENT, Item, concept_map, tsv, waiting, worklist

SHOWN = 200
"""Entries of one sender on a page; the rest is in the file to fill in."""


async def codes(request: Request, who: Principal) -> Response:
    """By feed and sender; `feed` in the address narrows the list, `answered=1` shows what is done."""
    answered = request.query_params.get("answered") == "1"
    found = await _items(request)
    chosen = [item for item in found if item.answered == answered]
    return page(
        request,
        "codes.html",
        "codes",
        "Unmapped codes",
        groups=[
            (feed, sender, list(each)) for (feed, sender), each in groupby(chosen, key=lambda i: (i.feed, i.sender))
        ],
        feed=request.query_params.get("feed", ""),
        answered=answered,
        waiting=len(waiting(found)),
        done=sum(item.answered for item in found),
        shown=SHOWN,
    )


async def export(request: Request, who: Principal) -> Response:
    """The file to fill in, as `hie codes export` gives it."""
    found = waiting(await _items(request))
    name = request.query_params.get("feed") or services.of(request).settings.name
    if request.query_params.get("format") == "conceptmap":
        body, kind, ending = (
            orjson.dumps(concept_map(name, found), option=orjson.OPT_INDENT_2),
            "application/json",
            "json",
        )
    elif request.query_params.get("format", "tsv") == "tsv":
        body, kind, ending = tsv(found).encode(), "text/tab-separated-values; charset=utf-8", "tsv"
    else:
        raise Malformed("no such format", hint="tsv or conceptmap")
    return Response(body, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}.{ending}"'})


async def _items(request: Request) -> list[Item]:
    node = services.of(request)
    feed = request.query_params.get("feed", "")
    names = [each.name for each in node.settings.feeds]
    if feed and feed not in names:
        raise NotFound("there is no such feed", code="unknown-feed", hint=meant(feed, names))
    since = node.clock() - RECENT

    def work(connection: Connection) -> list[Item]:
        return worklist(connection, node.settings, feed=feed, since=since)

    return await node.query(work)
