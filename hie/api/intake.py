"""`POST /intake/{feed}`: one message or document, raw. 202 says that it is on the disk, and nothing before that does."""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hie import registry
from hie.access.roles import Principal
from hie.api.answer import json_response
from hie.errors import NotFound, Rejected
from hie.failpoint import failpoint
from hie.model import Acknowledgement, Arrival, Keys, Receipt
from hie.web import body, services
from hie.web.errors import UNPROCESSABLE, Malformed, NotAcceptable, Unsupported

HL7 = "application/hl7-v2"
_ANY = ("", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain")
"""What says nothing of the content: curl's default, and programs that set none."""
TYPES: dict[str, tuple[str, ...]] = {
    "hl7v2": (HL7, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "application/edi-hl7v2", "text/hl7v2"),
    "ccda": (
        "application/xml",
        "text/xml",
        "application/cda+xml",
        "application/hl7-cda+xml",
        "application/hl7-sda+xml",
    ),
    "fax": ("text/plain",),
    "fhir": (
        "application/fhir+json",
        "application/json",
        "application/json+fhir",
        "text/json",
        "application/fhir+ndjson",
        "application/ndjson",
        "application/x-ndjson",
    ),
}
"""Media types that each format is sent as."""


async def intake(request: Request, _: Principal) -> Response:
    """Stores what is readable for its decoder, and what is not for quarantine (422, with the message id of the kept bytes)."""
    node = services.of(request)
    name = request.path_params["feed"]
    feed = node.feed(name)
    if feed is None or feed.kind != "http":
        raise NotFound(f"no feed {name!r} takes HTTP", hint="a feed with `source: {kind: http}`")
    _expect(request, feed.format)
    wants_ack = _wants_ack(request, feed.format)
    raw = await body.read(request, node.settings.http.max_body, node.budget)
    if not raw.strip():
        raise Malformed("the body is empty", code="empty-body", hint="send the message or document as the body")
    peer = f"http:{request.client.host}" if request.client else "http"
    begun = time.perf_counter()
    arrival = await run_in_threadpool(peeked, name, feed.format, raw, peer)
    node.meter.count("hie_messages_received_total", feed=name, format=feed.format)
    node.meter.count("hie_bytes_received_total", len(raw), feed=name)
    failpoint("web-before-intake")
    receipt = await node.submit(arrival)
    failpoint("web-after-intake")
    node.meter.count("hie_acks_sent_total", feed=name, code=arrival.refusal.code if arrival.refusal else "AA")
    node.meter.observe("hie_ack_duration_seconds", time.perf_counter() - begun, feed=name)
    if wants_ack:
        return _acknowledged(arrival, receipt)
    if arrival.refusal is not None:
        refusal = arrival.refusal
        return json_response(
            {
                "code": f"{refusal.code}-{refusal.err}" if refusal.err else refusal.code,
                "text": refusal.text,
                "hint": "the bytes are kept in quarantine",
                "where": refusal.where,
                "message_id": receipt.message_id,
            },
            UNPROCESSABLE,
        )
    answer: dict[str, object] = {"message_id": receipt.duplicate_of or receipt.message_id}
    if receipt.duplicate_of:
        answer["duplicate"] = True
    return json_response(answer, 202)


def peeked(feed: str, format: str, raw: bytes, source: str) -> Arrival:
    try:
        keys: Keys = registry.decoder(format, "peek")(raw)
    except Rejected as error:
        refusal = Acknowledgement(error.ack, error.err, error.where, error.text)
        return Arrival(feed, format, raw, source, None, refusal)
    return Arrival(feed, format, raw, source, keys)


def _expect(request: Request, format: str) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _ANY and media not in TYPES.get(format, _ANY):
        raise Unsupported(f"this feed takes {format}", hint=f"content-type {TYPES.get(format, _ANY[1:])[0]}")


def _wants_ack(request: Request, format: str) -> bool:
    """Whether the sender asks for the HL7 acknowledgement as the body. Raises NotAcceptable where it cannot have one."""
    accept = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    if any(media in ("*/*", "application/*", "application/json", "") for media in accept):
        return False
    if format == "hl7v2" and any(media in TYPES["hl7v2"] for media in accept):
        return True
    raise NotAcceptable("the answer is application/json", hint=f"an hl7v2 feed also answers {HL7}")


def _acknowledged(arrival: Arrival, receipt: Receipt) -> Response:
    """The same acknowledgement as over MLLP: stored, or refused and kept. Its headers say what JSON would."""
    refusal = arrival.refusal
    replies: list[bytes] = registry.decoder("hl7v2", "answer")(arrival.raw, refusal or Acknowledgement("AA"))
    headers = {"x-message-id": receipt.duplicate_of or receipt.message_id}
    if receipt.duplicate_of:
        headers["x-duplicate"] = "true"
    return Response(b"".join(replies), UNPROCESSABLE if refusal else 202, headers, HL7)
