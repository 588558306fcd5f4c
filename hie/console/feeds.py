"""The start page: what needs a person, then one row a feed, worst first, then the subscribers."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import page
from hie.errors import StoreUnavailable
from hie.web import services, states
from hie.web.morning import Need, needs
from hie.web.states import FeedState, SubscriberState, Word


async def feeds(request: Request, _: Principal) -> Response:
    node = services.of(request)
    now = node.clock()

    def work(connection: Connection) -> tuple[list[FeedState], list[SubscriberState], int, list[Need]]:
        queue = states.waiting(connection, node.var)
        feeds = states.feeds(connection, node.settings, queue, now)
        subscribers = states.subscribers(connection, node.settings, now)
        return feeds, subscribers, queue.total, needs(connection, node.settings, feeds, subscribers, now)

    try:
        rows, subscribers, waiting, needed = await node.query(work)
        unreadable = ""
    except StoreUnavailable as error:
        # a page without numbers is not a healthy page: every feed is shown, as unknown
        unreadable = error.text
        rows = [
            FeedState(f, Word.UNKNOWN, "the store does not answer", None, 0, 0, 0, 0, None) for f in node.settings.feeds
        ]
        subscribers, waiting, needed = [], 0, []
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
        waiting=waiting,
        needed=needed,
        unreadable=unreadable,
        refresh=30 if seconds == "30" else 0,
    )
