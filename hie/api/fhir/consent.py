"""/fhir/Consent: record, replace (which is how one is revoked), read and search. Changes go to the engine, which bumps
the person's consent epoch in the same commit: once the answer is out, no delivery begins under the consent before it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.answer import fhir_response
from hie.api.fhir.resource import received, searchset
from hie.audit.events import Kind
from hie.consent import book
from hie.consent.book import Stored
from hie.errors import Conflict, NotFound
from hie.identify import members_of, persons_of, resolve
from hie.model import Identifier, Resource
from hie.web import services
from hie.web.errors import Malformed

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_STATUS = ("draft", "proposed", "active", "rejected", "inactive", "entered-in-error")
_REQUIRED = ("status", "scope", "category", "patient")
_KINDS = ("MR", "", "PI", "SS", "PT", "AN")
_PARAMETERS = ("patient", "patient.identifier", "patient:identifier", "status", "_id", "_count", "_format")
BEGUN = "hie-begun-before"
"""Header of a change: how many disclosures were begun before it and may still arrive."""


async def create(request: Request, who: Principal) -> Response:
    resource = checked(await received(request, "Consent"))
    resource.pop("id", None)
    return await _put(request, who, resource, None)


async def update(request: Request, who: Principal) -> Response:
    """A new version; `If-Match` with the version it replaces guards against two people changing it at once."""
    id = _id(request)
    resource = checked(await received(request, "Consent"))
    if resource.get("id") != id:
        raise Malformed("the id in the body is not the one in the address", code="other-id")
    expected = request.headers.get("if-match")
    if expected is not None:
        known = await services.of(request).query(lambda connection: book.get(connection, id))
        if known is None or expected.strip() not in ("*", f'W/"{known.version}"', f'"{known.version}"'):
            raise Conflict("the consent has another version by now", code="version-conflict", hint="read it again")
    return await _put(request, who, resource, id)


async def read(request: Request, who: Principal) -> Response:
    id = _id(request)
    known = await services.of(request).query(lambda connection: book.get(connection, id))
    if known is None:
        raise NotFound("there is no such consent")
    await _accounted(request, who, [known], ["_id"])
    return fhir_response(known.body, 200, {"etag": f'W/"{known.version}"'})


async def search(request: Request, who: Principal) -> Response:
    """By patient, or one by id. Identifiers of a patient are taken from a posted form only: addresses end up in logs."""
    node = services.of(request)
    if request.method == "POST":
        given = await node.door.form(request)
    else:
        given = dict(request.query_params)
        if any("identifier" in name for name in given):
            raise Malformed("identifiers do not belong into an address", hint="POST them as a form to Consent/_search")
    for name in given:
        if name not in _PARAMETERS and name != "csrf":
            raise Malformed(f"no search parameter {name[:40]!r}", hint="one of " + ", ".join(_PARAMETERS))
    if not any(given.get(name) for name in _PARAMETERS[:3]) and not given.get("_id"):
        raise Malformed("say whose consents", hint="patient, patient.identifier or _id")
    found = await node.query(lambda connection: _found(connection, given))
    if status := given.get("status"):
        found = [stored for stored in found if stored.body.get("status") in status.split(",")]
    await _accounted(request, who, found, sorted(n for n in given if n in _PARAMETERS))
    base = str(request.url.replace(query="")).removesuffix("/_search")
    return fhir_response(searchset([stored.body for stored in found], base))


_DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?")


def checked(resource: Resource) -> Resource:
    """Raises Malformed where an element that R4 requires is missing or of another shape."""
    missing = [name for name in _REQUIRED if not resource.get(name)]
    if missing:
        raise Malformed(f"Consent.{missing[0]} is missing", code="required")
    if resource["status"] not in _STATUS:
        raise Malformed("Consent.status has a value that R4 does not know", code="bad-status", hint=", ".join(_STATUS))
    shapes: dict[str, type] = {"scope": dict, "category": list, "patient": dict, "provision": dict}
    for name, shape in shapes.items():
        if name in resource and not isinstance(resource[name], shape):
            raise Malformed(f"Consent.{name} has the wrong shape", code="bad-shape")
    if not all(isinstance(v, str) for k, v in resource["patient"].items() if k in ("reference", "type", "display")):
        raise Malformed("Consent.patient has the wrong shape", code="bad-shape")
    if not isinstance(resource["patient"].get("identifier", {}), dict):
        raise Malformed("Consent.patient.identifier has the wrong shape", code="bad-shape")
    when = resource.get("dateTime", "2026")
    if not isinstance(when, str) or not _DATE_TIME.fullmatch(when):
        # it would be stored and close everything: whoever typed it has to hear of it now
        raise Malformed("Consent.dateTime is no date", code="bad-date", hint="such as 2026-03-01")
    if resource.get("provision", {}).get("type", "deny") not in ("permit", "deny"):
        raise Malformed("Consent.provision.type is neither permit nor deny", code="bad-provision")
    return resource


async def _put(request: Request, who: Principal, resource: Resource, id: str | None) -> Response:
    arguments: dict[str, Any] = {"body": resource}
    if id is not None:
        arguments["id"] = id
    made = await services.of(request).control("consent.put", arguments, who.actor)
    version = str(made["version"])
    base = str(request.base_url).rstrip("/") + "/fhir/Consent"
    headers = {
        "etag": f'W/"{version}"',
        "location": f"{base}/{made['id']}/_history/{version}",
        BEGUN: str(len(made.get("begun_before", ()))),
    }
    answer = {**resource, "id": made["id"], "meta": {"versionId": version}}
    return fhir_response(answer, 201 if version == "1" else 200, headers)


def _found(connection: Connection, given: dict[str, str]) -> list[Stored]:
    if id := given.get("_id"):
        one = book.get(connection, id)
        if one is None:
            return []
        found = [one]
    else:
        found = None
    for name in _PARAMETERS[:3]:
        if value := given.get(name):
            eids = _persons(connection, name, value)
            records = {record for eid in eids for record in members_of(connection, eid)}
            if found is None:
                found = book.of_records(connection, records) if records else []
            else:
                found = [stored for stored in found if stored.mpi_record in records]
    return found or []


def _persons(connection: Connection, name: str, value: str) -> set[str]:
    if name == "patient":
        return {resolve(connection, value.removeprefix("Patient/"))}
    authority, bar, number = value.partition("|")
    if not bar:
        raise Malformed("an identifier is `system|value`", code="bad-identifier")
    if authority == "urn:hie:enterprise-id":
        return {resolve(connection, number)}
    return persons_of(connection, [Identifier(authority, kind, number) for kind in _KINDS])


async def _accounted(request: Request, who: Principal, found: list[Stored], parameters: list[str]) -> None:
    """The access record: written before anything leaves; where it cannot be, nothing leaves."""
    body = {
        "resource": "Consent",
        "parameters": parameters,
        "returned": len(found),
        "consents": [stored.id for stored in found[:50]],
    }
    await services.of(request).control("audit.note", {"kind": Kind.QUERY, "body": body}, who.actor)


def _id(request: Request) -> str:
    id: str = request.path_params["id"]
    if not _ID.match(id):
        raise NotFound("this is no id")
    return id
