"""The way in: who calls, whether they may, and whether a form that changes something came from a page of ours."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from hie.access.authenticate import Authenticator, Caller
from hie.access.roles import Capability, Principal, require
from hie.access.sessions import check_csrf, csrf_token, new_cookie
from hie.errors import AccessDenied, HieError
from hie.web import body
from hie.web.body import Budget
from hie.web.errors import Malformed, Unsupported

FORM = "application/x-www-form-urlencoded"
LONGEST_FORM = 256 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Control(Protocol):
    """Asks the engine (hie.control.call)."""

    def __call__(self, command: str, arguments: dict[str, Any], actor: str) -> Awaitable[Any]: ...


class Door:
    """Authentication and capability check of one node."""

    def __init__(self, authenticator: Authenticator, budget: Budget, control: Control) -> None:
        self.authenticator = authenticator
        self._budget = budget
        self._control = control

    async def enter(self, request: Request, capability: Capability) -> Principal:
        """Who calls, where that is somebody with `capability` (on a path with `{feed}`: for that feed; a path without one
        takes a feed's credential for its own).

        A session's request that changes something is a form with the session's token; it is read here and kept as
        `request.state.form`. Raises AccessDenied, StoreUnavailable.
        """
        caller = await self._caller(request)
        require(caller.principal, capability, request.path_params.get("feed", caller.principal.feed))
        request.state.caller = caller
        if caller.session is not None and request.method not in _SAFE:
            form = await self.form(request)
            check_csrf(caller.cookie, form.get("csrf", ""))
        if caller.session is not None and caller.session.stale:
            await self._prolong(caller)
        return caller.principal

    async def login(self, request: Request, name: str, password: str) -> str:
        """Opens a session; the cookie's value, of which the engine gets the digest alone.

        Raises AccessDenied with one text for every cause, StoreUnavailable where no session can be kept.
        """
        source = address(request)
        try:
            who = await run_in_threadpool(self.authenticator.login, name, password, source)
        except AccessDenied:
            # the refusal stands whether or not the engine can write it down
            with suppress(HieError):
                await self._change("login-failed", {"name": name[:64], "address": source}, "node")
            raise
        value, id = new_cookie()
        await self._change("open-session", {"id": id.hex(), "name": who.name, "address": source}, who.actor)
        return value

    async def logout(self, request: Request) -> None:
        caller: Caller = request.state.caller
        if caller.session is not None:
            await self._change("close-session", {"id": caller.session.id.hex()}, caller.principal.actor)

    async def _prolong(self, caller: Caller) -> None:
        assert caller.session is not None
        with suppress(HieError):
            await self._change("touch-session", {"id": caller.session.id.hex()}, caller.principal.actor)

    async def _change(self, change: str, arguments: dict[str, Any], actor: str) -> None:
        await self._control("access", {"change": change, "arguments": arguments}, actor)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form; several of one name are joined by spaces. Raises Unsupported, Malformed, TooLarge."""
        if (read := getattr(request.state, "form", None)) is not None:
            return dict(read)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise Unsupported("a form is expected", hint=f"content-type {FORM}")
        raw = await body.read(request, LONGEST_FORM, self._budget)
        fields: dict[str, str] = {}
        try:
            for name, value in parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=2000):
                fields[name] = f"{fields[name]} {value}" if name in fields else value
        except ValueError:
            raise Malformed("the form cannot be read") from None
        request.state.form = fields
        return fields

    def retry_after(self, request: Request) -> int:
        """Seconds until the caller's next attempt is looked at."""
        return max(1, math.ceil(self.authenticator.throttle.wait("", address(request))))

    async def _caller(self, request: Request) -> Caller:
        headers, source = dict(request.headers), address(request)
        if headers.get("authorization", "")[:7].lower() == "bearer ":
            # a look-up in memory: not worth a thread
            return self.authenticator.caller(headers, None, source)
        return await run_in_threadpool(self.authenticator.caller, headers, request.cookies, source)


def address(request: Request) -> str:
    return request.client.host if request.client else ""


def token(request: Request) -> str:
    """What the forms of this request's session carry; "" where it has none."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return csrf_token(caller.cookie) if caller and caller.session else ""
