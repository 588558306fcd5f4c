"""Puts the routes of the node together: what is reachable over HTTP, and with which right."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from hie.access.roles import Capability
from hie.api import answer, fhir, health, intake, metrics
from hie.api.fhir import submit
from hie.errors import HieError
from hie.web.guard import Guarded, Open, every
from hie.web.services import Services

C = Capability


def routes() -> list[BaseRoute]:
    return [
        Guarded("/intake/{feed}", intake.intake, capability=C.INTAKE_SUBMIT, methods=["POST"]),
        Open("/health/live", health.live, reason="says only that the process turns"),
        Guarded("/health/ready", health.ready, capability=C.STATUS_READ),
        Guarded("/metrics", metrics.metrics, capability=C.METRICS_READ),
        Guarded("/fhir", submit.root, capability=C.INTAKE_SUBMIT, methods=["POST"], name="submit"),
        Mount("/fhir", routes=fhir.routes()),
    ]


def build(services: Services, surfaces: Sequence[BaseRoute] = ()) -> Starlette:
    """The application. `surfaces` are further guarded routes (the console). Raises TypeError for an unguarded one."""
    everything = [*routes(), *surfaces]
    list(every(everything))
    app = Starlette(
        routes=everything,
        middleware=[Middleware(answer.Border)],
        exception_handlers={HieError: answer.known, HTTPException: answer.plain},
    )
    app.state.services = services
    return app
