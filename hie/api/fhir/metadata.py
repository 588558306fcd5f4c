"""/fhir/metadata: what this server can do, no more than it does (R4 CapabilityStatement)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.answer import fhir_response

SINCE = "2026-11-01"
"""When the statement last changed."""


async def metadata(request: Request, _: Principal) -> Response:
    return fhir_response(statement(str(request.base_url).rstrip("/") + "/fhir"))


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
                "resource": [
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
                    }
                ],
            }
        ],
    }
