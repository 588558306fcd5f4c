"""Templates and what every page has: navigation by rights, the form token, times as words."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hie.access.roles import Capability
from hie.console import words
from hie.web import services
from hie.web.door import token

_ENVIRONMENT = Environment(
    loader=PackageLoader("hie.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    age=words.age,
    lasted=words.lasted,
    clock=words.clock,
    instant=words.instant,
    moment=words.moment,
    number=words.number,
)
_ENVIRONMENT.globals["share"] = words.share

PAGES = (
    ("feeds", "/console", "Feeds", Capability.STATUS_READ),
    ("messages", "/console/messages", "Messages", Capability.QUEUES_READ),
    ("deliveries", "/console/deliveries", "Deliveries", Capability.QUEUES_READ),
    ("deadletters", "/console/deadletters", "Dead letters", Capability.QUEUES_READ),
    ("quarantine", "/console/quarantine", "Quarantine", Capability.QUEUES_READ),
    ("repairs", "/console/repairs", "Repairs", Capability.QUEUES_READ),
    ("codes", "/console/codes", "Codes", Capability.CODES_READ),
    ("audit", "/console/audit", "Audit", Capability.AUDIT_READ),
    ("settings", "/console/settings", "Settings", Capability.STATUS_READ),
)
"""Key, address, title and right of each entry of the navigation."""

NOTES = {
    "paused": "Paused. Nothing is sent to this subscriber until somebody resumes it; what arrives is queued.",
    "resumed": "Resumed. What waited is being sent, oldest first.",
    "released": "Released. Today's identity and consent decide again.",
    "stopped": "Stopped where it is. It goes on when somebody says so.",
    "resumed-repair": "It goes on where it was.",
    "purged": "Purged, with the reason given.",
    "tried": "Being tried again with today's decoders, oldest first; each has its new outcome on its own page.",
    "nothing": "Nothing matched any more: nothing was changed.",
}
"""What a page says after a change; the address carries the key alone."""


def page(request: Request, template: str, here: str, title: str, status: int = 200, **context: Any) -> Response:
    caller = getattr(request.state, "caller", None)
    principal = caller.principal if caller else None
    allowed = principal.capabilities if principal else frozenset()
    node = services.of(request)
    html = _ENVIRONMENT.get_template(template).render(
        here=here,
        title=title,
        node=node.settings.name,
        now=node.clock(),
        principal=principal,
        allowed=allowed,
        pages=[entry for entry in PAGES if entry[3] in allowed],
        csrf=token(request),
        note=NOTES.get(request.query_params.get("done", ""), ""),
        **context,
    )
    return HTMLResponse(html, status)


def error_page(request: Request, number: int, code: str, text: str, hint: str) -> str:
    return bytes(
        page(request, "error.html", "", text.capitalize(), number, code=code, text=text, hint=hint, number=number).body
    ).decode()


def back(address: str, done: str) -> Response:
    """After a form: the page again, by GET, so that reloading sends nothing twice."""
    return RedirectResponse(f"{address}?done={done}", 303)
