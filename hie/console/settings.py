"""The configuration in force: its hash, feeds, subscribers, policy. No secret is in it."""

from __future__ import annotations

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import page
from hie.store.tables import configuration
from hie.web import services


async def settings(request: Request, _: Principal) -> Response:
    node = services.of(request)

    def work(connection: Connection) -> list[tuple[str, float]]:
        query = select(configuration.c.hash, configuration.c.loaded_at).order_by(configuration.c.loaded_at.desc())
        return [(row.hash, row.loaded_at) for row in connection.execute(query.limit(20))]

    return page(
        request,
        "settings.html",
        "settings",
        "Settings",
        settings=node.settings,
        loaded=await node.query(work),
    )
