"""The start page: one row a feed, worst first."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import page
from hie.errors import StoreUnavailable
from hie.web import services, states
from hie.web.states import FeedState, SubscriberState, Word


async def feeds(request: Request, _: Principal) -> Response:
    node = services.of(request)
    now = node.clock()

    def work(connection: Connection) -> tuple[list[FeedState], list[SubscriberState], int]:
        queue = states.waiting(connection, node.var)
        return (
            states.feeds(connection, node.settings, queue, now),
            states.subscribers(connection, node.settings, now),
            queue.total,
        )

    try:
        rows, subscribers, waiting = await node.query(work)
        unreadable = ""
    except StoreUnavailable as error:
        # a page without numbers is not a healthy page: every feed is shown, as unknown
        unreadable = error.text
        rows = [
            FeedState(f, Word.UNKNOWN, "the store does not answer", None, 0, 0, 0, 0, None) for f in node.settings.feeds
        ]
        subscribers, waiting = [], 0
    seconds = request.query_params.get("refresh", "")
    return page(
        request,
        "feeds.html",
        "feeds",
        "Feeds",
        rows=rows,
        counts=Counter(str(row.word) for row in rows),
        words=[str(word) for word in Word],
        subscribers=subscribers,
        trouble=[s for s in subscribers if s.word is not Word.HEALTHY],
        waiting=waiting,
        unreadable=unreadable,
        refresh=30 if seconds == "30" else 0,
    )
