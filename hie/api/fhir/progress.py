"""`GET /fhir/_async/{id}`: what became of something that was posted. To its own feed only, and without content."""

from __future__ import annotations

import re
from typing import Any

import orjson
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.answer import fhir_response
from hie.api.fhir import outcome
from hie.api.fhir.submit import feed_of
from hie.errors import NotFound
from hie.model import MessageOutcome, Resource
from hie.outcomes import MESSAGE_REASONS
from hie.record import body
from hie.store.tables import message, record
from hie.web import services
from hie.web.errors import UNPROCESSABLE

_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")
_RESPONSES = {"transaction": "transaction-response", "batch": "batch-response"}


async def progress(request: Request, who: Principal) -> Response:
    node, feed = services.of(request), feed_of(request, who)
    id = request.path_params["id"]
    try:
        entry = await run_in_threadpool(node.raw, id)
    except ValueError:
        raise NotFound("there is no such message") from None
    if entry.envelope.feed != feed.name:
        raise NotFound("there is no such message")
    found = await node.query(lambda connection: _read(connection, id))
    if found is None:
        return Response(b"", 202, {"x-progress": "stored, waits to be processed", "retry-after": "1"})
    row, records = found
    if row.outcome in (MessageOutcome.QUARANTINED, MessageOutcome.REJECTED):
        text = f"{MESSAGE_REASONS[row.reason][1]}: {row.text}" if row.text else MESSAGE_REASONS[row.reason][1]
        return fhir_response(outcome.told(("error", "processing", row.reason, text)), UNPROCESSABLE)
    return fhir_response(_answer(entry.envelope.raw, row, records))


def _read(connection: Connection, id: str) -> tuple[Any, list[dict[str, Any]]] | None:
    row = connection.execute(select(message).where(message.c.id == id)).first()
    if row is None:
        return None
    rows = connection.execute(
        select(record.c.body, record.c.codec).where(record.c.message_id == id).order_by(record.c.idx)
    )
    return row, [body.unpack(one.body, one.codec) for one in rows]


def _answer(raw: bytes, row: Any, records: list[dict[str, Any]]) -> Resource:
    sources = [(where, reference) for one in records for reference, where in one["sources"]]
    warnings = [tuple(w) for one in records for w in one["warnings"]]
    try:
        outer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        outer = {}
    kind = _RESPONSES.get(outer.get("type", "")) if outer.get("resourceType") == "Bundle" else None
    if kind is None:
        first = ("informational", "informational", row.reason, MESSAGE_REASONS[row.reason][1])
        more = [outcome.of_warning(("taken", where, f"kept as {reference}")) for where, reference in sources]
        for issue in more:
            issue["severity"] = issue["code"] = "informational"
        return outcome.told(first, "", [*more, *map(outcome.of_warning, warnings)])
    entries = []
    for number in range(len(outer.get("entry", ()))):
        kept = [reference for where, reference in sources if _number(where) == number]
        mine = [outcome.of_warning(w) for w in warnings if _number(w[1]) == number]
        text = "kept as " + ", ".join(dict.fromkeys(kept)) if kept else "not taken"
        severity = "informational" if kept else "error"
        told = outcome.told(
            (severity, "informational" if kept else "processing", "taken" if kept else "not-taken", text), "", mine
        )
        entries.append({"response": {"status": "200 OK" if kept else "422 Unprocessable Entity", "outcome": told}})
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _number(where: str) -> int | None:
    match = _ENTRY.match(where)
    return int(match.group(1)) if match else None
