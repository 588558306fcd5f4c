"""A FHIR resource in a request body: JSON, of the type that the address says, not deeper than anybody means."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from hie.model import Resource
from hie.web import body, services
from hie.web.errors import Malformed, Unsupported

TYPES = ("application/fhir+json", "application/json", "text/json")
DEEPEST = 40
LARGEST = 1024 * 1024


async def received(request: Request, resource_type: str) -> Resource:
    """Raises Unsupported, TooLarge, Malformed."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in TYPES:
        raise Unsupported("a FHIR resource in JSON is expected", hint=f"content-type {TYPES[0]}")
    node = services.of(request)
    try:
        found = orjson.loads(await body.read(request, min(LARGEST, node.settings.http.max_body), node.budget))
    except orjson.JSONDecodeError:
        raise Malformed("the body is no JSON", code="not-json") from None
    if not isinstance(found, dict) or found.get("resourceType") != resource_type:
        raise Malformed(f"the body is no {resource_type}", code="wrong-resource")
    if _deeper(found, DEEPEST):
        raise Malformed(f"the body is nested deeper than {DEEPEST}", code="too-deep")
    return found


def _deeper(value: Any, left: int) -> bool:
    if left == 0:
        return True
    if isinstance(value, dict):
        return any(_deeper(v, left - 1) for v in value.values())
    return isinstance(value, list) and any(_deeper(v, left - 1) for v in value)


def searchset(resources: list[Resource], base: str) -> Resource:
    """A Bundle of what was found: all of it, with its number."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "link": [{"relation": "self", "url": base}],
        "entry": [
            {
                "fullUrl": f"{base}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in resources
        ],
    }
