"""Logging in and out. The browser gets a random cookie; the engine keeps only its digest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hie.access.roles import Principal
from hie.access.sessions import check_origin, clear_cookie, set_cookie
from hie.console.view import page
from hie.errors import AccessDenied
from hie.web import services
from hie.web.errors import status

START = "/console"


async def front(_: Request) -> Response:
    return RedirectResponse(START, 303)


async def form(request: Request) -> Response:
    return page(request, "login.html", "login", "Log in", problem="", name="")


async def login(request: Request) -> Response:
    node = services.of(request)
    fields = await node.door.form(request)
    name, password = fields.get("name", "").strip(), fields.get("password", "")
    check_origin(request.headers.get("origin"), request.headers.get("host", ""))
    try:
        value = await node.door.login(request, name, password)
    except AccessDenied as error:
        problem = f"{error.text.capitalize()}." + (f" {error.hint.capitalize()}." if error.hint else "")
        return page(request, "login.html", "login", "Log in", status(error), problem=problem, name=name)
    return RedirectResponse(START, 303, {"set-cookie": set_cookie(value, request.url.scheme == "https")})


async def logout(request: Request, _: Principal) -> Response:
    await services.of(request).door.logout(request)
    return RedirectResponse("/console/login", 303, {"set-cookie": clear_cookie()})
