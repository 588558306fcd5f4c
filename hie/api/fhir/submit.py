"""`POST /fhir`, `POST /fhir/{type}`, `PUT /fhir/{type}/{id}`: what an app sends goes the way of every message. It is stored
before it is answered, processed afterwards, and so answered 202 with the address where its end can be seen
(docs/adr/0014). What cannot be taken is told at once, because reading it is cheap and repairing it is the app's work.

Source: FHIR R4 "RESTful API" (create, update, batch and transaction, conditional create, Prefer), "Asynchronous Request Pattern".
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hie import registry
from hie.access.roles import Principal
from hie.api.answer import fhir_response
from hie.api.fhir import outcome
from hie.api.fhir.resource import TYPES
from hie.api.intake import peeked
from hie.errors import AccessDenied, NotFound, Rejected
from hie.failpoint import failpoint
from hie.fhir.taken import taken
from hie.model import Acknowledgement, Arrival, FeedContext, Receipt, Record
from hie.sections import Feed
from hie.store.tables import resource as known_resource
from hie.web import body, services
from hie.web.errors import UNPROCESSABLE, Malformed, Precondition, Unsupported

_TYPES = (*TYPES, "application/json+fhir")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_VERSIONS = ("", "4.0", "4.0.1")
_KNOWN = select(known_resource.c.reference).where(known_resource.c.reference == bindparam("reference"))


@dataclass(frozen=True, slots=True)
class Examined:
    """What reading the body found, before it is stored."""

    arrival: Arrival
    outer: dict[str, Any]
    records: tuple[Record, ...] = ()
    missing: tuple[int, ...] = ()
    """Entries of a Bundle that cannot be taken."""


async def root(request: Request, who: Principal) -> Response:
    """A Bundle of any type, or one resource."""
    return await _submit(request, who, "", "")


async def create(request: Request, who: Principal) -> Response:
    feed_of(request, who)
    kind = _kind(request)
    criterion = request.headers.get("if-none-exist", "")
    return await _submit(request, who, kind, "", criterion)


async def update(request: Request, who: Principal) -> Response:
    feed_of(request, who)
    kind, id = _kind(request), request.path_params["id"]
    if not _ID.match(id):
        raise NotFound("this is no id")
    if request.headers.get("if-match"):
        raise Precondition(
            "versions of this resource are not given out, so none can be compared", hint="leave If-Match out"
        )
    return await _submit(request, who, kind, id)


def _kind(request: Request) -> str:
    kind: str = request.path_params["type"]
    if kind not in taken():
        raise NotFound("resources of this type are not taken", hint="see /fhir/metadata")
    return kind


async def _submit(request: Request, who: Principal, kind: str, id: str, criterion: str = "") -> Response:
    node = services.of(request)
    feed = feed_of(request, who)
    _expect(request)
    prefer = _prefer(request)
    raw = await body.read(request, node.settings.http.max_body, node.budget)
    if not raw.strip():
        raise Malformed("the body is empty", code="empty-body", hint="send a resource or a Bundle as the body")
    peer = f"http:{request.client.host}" if request.client else "http"
    begun = time.perf_counter()
    examined = await run_in_threadpool(_examined, feed, node.settings.dialects.context(feed.name), raw, peer, bool(id))
    _addressed(examined, kind, id)
    if criterion and await _exists(node, examined, criterion):
        return fhir_response(outcome.told(("informational", "informational", "exists", "it is here already")), 200)
    if "strict" in prefer.get("handling", "") and any(record.warnings for record in examined.records):
        text = "the body is not quite as R4 asks, and handling=strict was asked for"
        examined = replace(examined, arrival=replace(examined.arrival, refusal=Acknowledgement("AE", 207, "", text)))
    node.meter.count("hie_messages_received_total", feed=feed.name, format=feed.format)
    node.meter.count("hie_bytes_received_total", len(raw), feed=feed.name)
    failpoint("web-before-intake")
    receipt = await node.submit(examined.arrival)
    failpoint("web-after-intake")
    refusal = examined.arrival.refusal
    node.meter.count("hie_acks_sent_total", feed=feed.name, code=refusal.code if refusal else "AA")
    node.meter.observe("hie_ack_duration_seconds", time.perf_counter() - begun, feed=feed.name)
    return _answered(request, examined, receipt, prefer)


def feed_of(request: Request, who: Principal) -> Feed:
    """The feed of the caller's credential. Raises AccessDenied where that takes no FHIR over HTTP."""
    feed = services.of(request).feed(who.feed)
    if feed is None or feed.kind != "http" or feed.format != "fhir":
        raise AccessDenied("this credential is for a feed that does not take FHIR over HTTP", code="not-allowed")
    return feed


def _expect(request: Request) -> None:
    media, _, rest = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() not in _TYPES:
        raise Unsupported("a FHIR resource in JSON is expected", hint=f"content-type {TYPES[0]}")
    parameters = dict(part.strip().partition("=")[::2] for part in rest.split(";"))
    if parameters.get("fhirVersion", "").strip('"') not in _VERSIONS:
        raise Unsupported("another version of FHIR", hint="fhirVersion=4.0")


def _prefer(request: Request) -> dict[str, str]:
    found = [part.strip() for value in request.headers.getlist("prefer") for part in re.split("[,;]", value)]
    return {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in found) if name}


def _examined(feed: Feed, context: FeedContext, raw: bytes, peer: str, is_update: bool) -> Examined:
    """Peeks and decodes; never raises for what the bytes are."""
    arrival = peeked(feed.name, feed.format, raw, peer)
    if arrival.keys is None:
        return Examined(arrival, {})
    if is_update:
        # an update back to what was before is no repeat, so its bytes must not be taken for one
        arrival = replace(arrival, keys=replace(arrival.keys, control_id=uuid.uuid4().hex.encode()))
    try:
        records = tuple(registry.decoder(feed.format, "decode")(raw, context))
    except Rejected as error:
        return Examined(_refused(arrival, error.text, error.where, error), {})
    outer = _outer(raw)
    missing = _missing(outer, records)
    if missing and outer.get("type") == "transaction":
        text = f"{len(missing)} entries of the transaction cannot be taken, so nothing of it is"
        return Examined(_refused(arrival, text, f"Bundle.entry[{missing[0]}]"), outer, records, missing)
    if not any(record.patient for record in records):
        return Examined(_refused(arrival, "nothing in it is about a patient", ""), outer, records, missing)
    return Examined(arrival, outer, records, missing)


def _refused(arrival: Arrival, text: str, where: str, error: Rejected | None = None) -> Arrival:
    return replace(
        arrival, refusal=Acknowledgement(error.ack if error else "AE", error.err if error else 207, where, text)
    )


def _outer(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}  # the decoder reads more than strict JSON; then the answer is about the whole
    return found if isinstance(found, dict) else {}


def _missing(outer: dict[str, Any], records: Sequence[Record]) -> tuple[int, ...]:
    entries = outer.get("entry") if outer.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list):
        return ()
    there = {m.group(1) for r in records for s in r.sources if (m := re.match(r"Bundle\.entry\[(\d+)\]", s.where))}
    said = {
        m.group(1)
        for r in records
        for w in r.warnings
        if w.code != "fhir-duplicate" and (m := re.match(r"Bundle\.entry\[(\d+)\]\Z", w.where))
    }
    return tuple(n for n in range(len(entries)) if str(n) not in there and str(n) in said)


def _addressed(examined: Examined, kind: str, id: str) -> None:
    """Raises Malformed where the body is not what the address says."""
    if not kind or not examined.outer:
        return
    if examined.outer.get("resourceType") != kind:
        raise Malformed(f"the body is no {kind}", code="wrong-resource")
    if id and examined.outer.get("id") != id:
        raise Malformed("the id in the body is not the one in the address", code="other-id")


async def _exists(node: services.Services, examined: Examined, criterion: str) -> bool:
    """Whether the resource that a conditional create is about is here. Its id of ours follows from its identifier, so the one
    criterion that can be answered is that identifier."""
    match = re.fullmatch(r"\??identifier=([^&|]*)\|([^&]+)", criterion)
    given = examined.outer.get("identifier")
    first = given[0] if isinstance(given, list) and given else given
    own = isinstance(first, dict) and match and (first.get("system", ""), first.get("value")) == match.groups()
    if not own or "id" in examined.outer or not examined.records:
        raise Precondition(
            "this condition cannot be checked",
            hint="If-None-Exist: identifier=SYSTEM|VALUE of the first identifier, no id",
        )
    reference = next(
        s.reference for r in examined.records for s in r.sources if s.where == examined.outer["resourceType"]
    )

    def known(connection: Connection) -> bool:
        return connection.execute(_KNOWN, {"reference": reference}).first() is not None

    return await node.query(known)


def _answered(request: Request, examined: Examined, receipt: Receipt, prefer: dict[str, str]) -> Response:
    id = receipt.duplicate_of or receipt.message_id
    headers = {"x-message-id": id}
    if receipt.duplicate_of:
        headers["x-duplicate"] = "true"
    refusal = examined.arrival.refusal
    warned = [outcome.of_warning(w) for r in examined.records for w in r.warnings]
    if refusal is not None:
        first = ("error", "processing", "refused", f"{refusal.text}; the bytes are kept in quarantine")
        return fhir_response(outcome.told(first, refusal.where, warned), UNPROCESSABLE, headers)
    headers["content-location"] = f"{str(request.base_url).rstrip('/')}/fhir/_async/{id}"
    if prefer.get("return") == "minimal":
        return Response(b"", 202, headers)
    first = ("informational", "informational", "accepted", "stored, and processed next: see Content-Location")
    return fhir_response(outcome.told(first, "", warned), 202, headers)
