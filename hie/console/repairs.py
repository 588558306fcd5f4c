"""Repairs: what was ordered to be sent, read or released again, how far it is, and what came of it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.console.view import back, page
from hie.store import repairs
from hie.web import services
from hie.web.errors import Malformed

HERE = "/console/repairs"
NAMES = {
    "redeliver": "redelivery",
    "reprocess": "reprocessing",
    "deadletters": "release of dead letters",
    "quarantine": "release from quarantine",
}


async def listed(request: Request, _: Principal) -> Response:
    """Newest first. While one runs, the page asks again by itself."""
    node = services.of(request)

    def work(connection: Connection) -> list[tuple[repairs.Repair, dict[str, int]]]:
        return [(run, repairs.outcomes(connection, run.id)) for run in repairs.listed(connection)]

    rows = await node.query(work)
    running = any(run.state == repairs.RUNNING for run, _ in rows)
    return page(request, "repairs.html", "repairs", "Repairs", rows=rows, names=NAMES, refresh=5 if running else 0)


async def stop(request: Request, who: Principal) -> Response:
    return await _turn(request, who, "repair.stop", "stopped")


async def resume(request: Request, who: Principal) -> Response:
    return await _turn(request, who, "repair.resume", "resumed-repair")


async def _turn(request: Request, who: Principal, command: str, done: str) -> Response:
    id = request.path_params["id"]
    if not re.fullmatch(r"\d{1,15}", id):
        raise Malformed("repairs have numbers")
    await services.of(request).control(command, {"id": int(id)}, who.actor)
    return back(HERE, done)


async def order(request: Request, who: Principal, kind: str, selection: dict[str, Any], done: str) -> Response:
    """Begins a repair; its page follows it."""
    await services.of(request).control("repair.start", {"kind": kind, "selection": selection}, who.actor)
    return back(HERE, done)
