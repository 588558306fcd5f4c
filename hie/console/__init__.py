"""The operators' console: pages rendered on the server, without script, for keyboard and screen reader first."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from hie.access.roles import Capability
from hie.console import (
    assets,
    audit,
    codes,
    deadletters,
    deliveries,
    feeds,
    life,
    login,
    messages,
    quarantine,
    repairs,
    settings,
    view,
)
from hie.web.guard import Guarded, Open

C = Capability
POST = ("POST",)


def routes() -> list[BaseRoute]:
    return [
        Open("/", login.front, reason="leads to the console"),
        Open("/console/login", login.form, reason="nobody is logged in yet", name="login-form"),
        Open("/console/login", login.login, reason="nobody is logged in yet", methods=POST),
        Open("/console/static/{name}", assets.asset, reason="style sheet and icon, the same for everybody"),
        Guarded("/console/logout", login.logout, capability=C.STATUS_READ, methods=POST),
        Guarded("/console", feeds.feeds, capability=C.STATUS_READ),
        Guarded("/console/messages", messages.messages, capability=C.QUEUES_READ),
        Guarded("/console/messages", messages.by_identifier, capability=C.QUEUES_READ, methods=POST),
        Guarded("/console/messages/{id}", life.message_life, capability=C.QUEUES_READ),
        Guarded("/console/messages/{id}/content", life.content, capability=C.CONTENT_READ, methods=POST),
        Guarded("/console/deliveries", deliveries.deliveries, capability=C.QUEUES_READ),
        Guarded("/console/deliveries/{name}", deliveries.queue, capability=C.QUEUES_READ),
        Guarded("/console/deliveries/{name}/pause", deliveries.pause, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/deliveries/{name}/resume", deliveries.resume, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/deadletters", deadletters.deadletters, capability=C.QUEUES_READ),
        Guarded("/console/deadletters/ask", deadletters.ask, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/deadletters/release", deadletters.release, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/deadletters/purge", deadletters.purge, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/quarantine", quarantine.quarantine, capability=C.QUEUES_READ),
        Guarded("/console/quarantine/ask", quarantine.ask, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/quarantine/release", quarantine.release, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/repairs", repairs.listed, capability=C.QUEUES_READ),
        Guarded("/console/repairs/{id}/stop", repairs.stop, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/repairs/{id}/resume", repairs.resume, capability=C.QUEUES_MANAGE, methods=POST),
        Guarded("/console/codes", codes.codes, capability=C.CODES_READ),
        Guarded("/console/codes/export", codes.export, capability=C.CODES_READ),
        Guarded("/console/audit", audit.audit, capability=C.AUDIT_READ),
        Guarded("/console/audit/check", audit.check, capability=C.AUDIT_READ, methods=POST),
        Guarded("/console/settings", settings.settings, capability=C.STATUS_READ),
    ]


def mounted(app: Starlette) -> Starlette:
    """Lets errors under /console be pages."""
    app.state.error_page = view.error_page
    return app
