"""/fhir/metadata: what this server can do, no more than it does (R4 CapabilityStatement)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.answer import fhir_response
from hie.fhir.taken import taken

SINCE = "2026-11-21"
"""When the statement last changed."""


async def metadata(request: Request, _: Principal) -> Response:
    return fhir_response(statement(str(request.base_url).rstrip("/") + "/fhir"))


_DOCUMENTATION = (
    "With the credential of a feed, resources are posted or put and answered 202 once they are stored: Content-Location says "
    "where to see what became of them. They cannot be read back by the sender. A batch or transaction is one message; a "
    "transaction is taken as a whole or not at all. DELETE, PATCH and If-Match are not done. docs/operate/apps.md"
)


def _taken(name: str) -> dict[str, Any]:
    """One type of which resources are taken. An update with an unknown id creates, since ids are the sender's own."""
    return {
        "type": name,
        "versioning": "no-version",
        "updateCreate": True,
        "conditionalCreate": True,
        "interaction": [{"code": "create"}, {"code": "update"}],
    }


def statement(base: str) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": SINCE,
        "kind": "instance",
        "software": {"name": "hie", "version": version("hie")},
        "implementation": {"description": "health information exchange node", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "description": "Bearer token of a program, or a person's Basic credential; each route needs a right."
                },
                "interaction": [{"code": "batch"}, {"code": "transaction"}],
                "documentation": _DOCUMENTATION,
                "resource": [
                    *(_taken(name) for name in sorted(taken() - {"Consent"})),
                    {
                        "type": "Consent",
                        "versioning": "versioned-update",
                        "readHistory": False,
                        "updateCreate": False,
                        "interaction": [{"code": c} for c in ("read", "create", "update", "search-type")],
                        "searchParam": [
                            {"name": "patient", "type": "reference"},
                            {"name": "status", "type": "token"},
                            {"name": "_id", "type": "token"},
                        ],
                    },
                ],
            }
        ],
    }
