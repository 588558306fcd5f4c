"""`/health/live`: the process turns. `/health/ready`: what is accepted now would be stored, and processed, now."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.answer import json_response
from hie.errors import HieError, StoreUnavailable
from hie.store.tables import configuration
from hie.web import services
from hie.web.services import Services

DISK_RESERVE = 256 * 1024 * 1024
"""Free bytes below which the node says that it is not ready: intake stops accepting at a quarter of it."""
SECONDS = 3.0


async def live(_: Request) -> Response:
    return json_response({"live": True})


async def ready(request: Request, _: Principal) -> Response:
    """200 where every check passes, else 503; the body names each check, and why it does not pass."""
    node = services.of(request)
    checks: dict[str, Callable[[], Awaitable[bool]]] = {
        "journal": node.intake_ready,
        "engine": lambda: _engine(node),
        "database": lambda: node.query(_readable),
        "disk": lambda: _disk(node),
    }
    found = dict(zip(checks, await asyncio.gather(*(_obstacle(check) for check in checks.values())), strict=True))
    reasons = {name: why for name, why in found.items() if why}
    answer = {"ready": not reasons, "checks": {name: not why for name, why in found.items()}, "reasons": reasons}
    return json_response(answer, 503 if reasons else 200, {"retry-after": "5"} if reasons else {})


async def _obstacle(check: Callable[[], Awaitable[bool]]) -> str:
    """Why a check does not pass; "" where it does."""
    try:
        async with asyncio.timeout(SECONDS):
            return "" if await check() else "it did not take what it was last given"
    except HieError as error:
        return error.text
    except TimeoutError:
        return f"no answer within {SECONDS:.0f} s"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()


async def _engine(node: Services) -> bool:
    return bool(await node.control("ping", {}, "node"))


def _readable(connection: Connection) -> bool:
    connection.execute(select(configuration.c.hash).limit(1)).all()
    return True


async def _disk(node: Services) -> bool:
    if (free := disk_free(node)) <= DISK_RESERVE:
        text = f"{free >> 20} MB are free, and the node is ready with more than {DISK_RESERVE >> 20} MB"
        raise StoreUnavailable(text, code="disk-full")
    return True


def disk_free(node: Services) -> int:
    """Bytes that the node's user may still write where there are fewest: state, journal, the file of SQLite."""
    places = [node.var, node.var / "journal"]
    if node.settings.database.startswith("sqlite:///"):
        places.append(Path(node.settings.database.removeprefix("sqlite:///")).parent)
    stats = [os.statvfs(place) for place in places if place.exists()]
    return min((stat.f_bavail * stat.f_frsize for stat in stats), default=0)
