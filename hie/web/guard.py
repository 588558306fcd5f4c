"""A route declares who may use it, or that anybody may: a route that declares neither cannot be written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hie.access.roles import Capability, Principal
from hie.web import services

Handler = Callable[[Request, Principal], Awaitable[Response]]
OpenHandler = Callable[[Request], Awaitable[Response]]


class Guarded(Route):
    """A route that is entered with `capability` only."""

    def __init__(
        self,
        path: str,
        handler: Handler,
        *,
        capability: Capability,
        methods: Sequence[str] = ("GET",),
        name: str | None = None,
    ) -> None:
        self.capability = capability

        async def enter(request: Request) -> Response:
            principal = await services.of(request).door.enter(request, capability)
            return await handler(request, principal)

        super().__init__(path, enter, methods=list(methods), name=name or handler.__name__)


class Open(Route):
    """A route for anybody, with the `reason` why that is right."""

    def __init__(
        self,
        path: str,
        handler: OpenHandler,
        *,
        reason: str,
        methods: Sequence[str] = ("GET",),
        name: str | None = None,
    ) -> None:
        self.reason = reason
        super().__init__(path, handler, methods=list(methods), name=name or handler.__name__)


def every(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(full path, route) of all routes below. Raises TypeError for one that is neither Guarded nor Open."""
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from every(route.routes, prefix + route.path)
        elif isinstance(route, Guarded | Open):
            yield prefix + route.path, route
        else:
            raise TypeError(f"{prefix}{getattr(route, 'path', route)} declares nobody who may use it")
