"""How an error looks to whom it is told: an OperationOutcome under /fhir, a page in the console, JSON elsewhere."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hie.errors import HieError
from hie.logs import get_logger
from hie.web import services
from hie.web.errors import status

log = get_logger(__name__)

_ISSUE = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
}
"""HTTP status -> FHIR issue-type."""

_TEXT = {
    404: ("not-found", "there is nothing at this address"),
    405: ("method-not-allowed", "this address does not take that method"),
}


SMALL = 64 * 1024
"""A body up to this is in the server's buffers anyway."""


def json_response(content: Any, number: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), number, headers, "application/json")


def fhir_response(content: Any, number: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), number, headers, "application/fhir+json")


def operation_outcome(number: int, code: str, text: str, hint: str = "") -> dict[str, Any]:
    """FHIR R4 OperationOutcome with one issue: `code` is the product's, in details."""
    issue: dict[str, Any] = {
        "severity": "fatal" if number >= 500 else "error",
        "code": _ISSUE.get(number, "exception"),
        "details": {"coding": [{"system": "urn:hie:error", "code": code}], "text": text},
    }
    if hint:
        issue["diagnostics"] = hint
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def error_response(
    request: Request, number: int, code: str, text: str, hint: str = "", headers: dict[str, str] | None = None
) -> Response:
    path = request.url.path
    headers = dict(headers or {})
    if _may_have_unread_body(request):
        # whoever is still sending would wait for ever on a connection that is kept
        headers["connection"] = "close"
    if number == 401:
        if path.startswith("/console") and request.method in ("GET", "HEAD"):
            return RedirectResponse("/console/login", 303)
        headers["www-authenticate"] = 'Bearer realm="hie", Basic realm="hie", charset="UTF-8"'
    if path.startswith("/fhir"):
        return fhir_response(operation_outcome(number, code, text, hint), number, headers)
    if path.startswith("/console"):
        page: Any = getattr(request.app.state, "error_page", None)
        body = page(request, number, code, text, hint) if page else escape(text)
        return Response(body, number, headers, "text/html; charset=utf-8")
    return json_response({"code": code, "text": text, "hint": hint}, number, headers)


def _may_have_unread_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return "transfer-encoding" in request.headers or (length.isdigit() and int(length) > SMALL)


async def known(request: Request, error: Exception) -> Response:
    """Handler of HieError."""
    assert isinstance(error, HieError)
    number = status(error)
    headers = {}
    if number == 429:
        headers["retry-after"] = str(services.of(request).door.retry_after(request))
    elif number == 503:
        headers["retry-after"] = "5"
    return error_response(request, number, error.code, error.text, error.hint, headers)


async def plain(request: Request, error: Exception) -> Response:
    """Handler of Starlette's own refusals (no route, wrong method, a form that cannot be read)."""
    assert isinstance(error, HTTPException)
    number = error.status_code
    code, text = _TEXT.get(number, ("http", HTTPStatus(number).phrase.lower()))
    return error_response(request, number, code, text, "", dict(error.headers or {}))


class Border:
    """Outermost: no exception passes it. A defect of ours is answered 500 and logged by its kind and place alone,
    because its text may quote what was being worked on; security headers are set on everything that leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_missing(message["headers"])]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            log.error(
                "web-defect",
                kind=type(error).__name__,
                file=place.tb_frame.f_code.co_filename.rpartition("/")[2] if place else "",
                line=place.tb_lineno if place else 0,
            )
            if started:
                # half an answer is out: the connection is cut, so that nobody takes it for a whole one
                raise ConnectionAbortedError("the answer broke off") from None
            answer = error_response(
                Request(scope), 500, "internal-error", "a defect of ours; it was logged", "tell the operator the time"
            )
            await answer(scope, receive, send_with_headers)


_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
)


def _missing(headers: Any) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    return [pair for pair in _SECURITY if pair[0] not in present]
