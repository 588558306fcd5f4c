"""One message: what became of it, when, and why; its content only for those who may, with a reason that is kept."""

from __future__ import annotations

import re
from typing import Any

import orjson
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Capability, Principal
from hie.audit.events import Kind
from hie.console.view import page
from hie.content_reasons import REASONS
from hie.fhir import digits
from hie.intake import journals
from hie.life import life
from hie.outcomes import MESSAGE_REASONS
from hie.raw import Line, dump, lines
from hie.record import body
from hie.store.tables import message, record
from hie.web import services
from hie.web.errors import Malformed

SHOWN = 400_000
"""Bytes of raw content that a page shows."""
DUMPED = 4096
"""Bytes of it that it shows in hexadecimal."""
_TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,39}\Z")
STAGES = {
    "queue": "waited for the engine",
    "decode": "decoding",
    "identify": "finding the person",
    "record": "labels, record and routing",
    "commit": "commit",
}


async def message_page(request: Request, message_id: str, **context: Any) -> Response:
    node = services.of(request)

    def work(connection: Connection) -> tuple[dict[str, Any], Any]:
        with journals.open_reader(node.settings.database_url, node.var / "journal") as journal:
            found = life(connection, journal, message_id)
        row = connection.execute(select(message).where(message.c.id == message_id)).first()
        return found, row

    found, row = await node.query(work)
    stages = orjson.loads(row.stages) if row else {}
    return page(
        request,
        "message.html",
        "messages",
        f"Message {message_id}",
        life=found,
        row=row,
        sentence=MESSAGE_REASONS[row.reason][1] if row and row.reason in MESSAGE_REASONS else "",
        stages=[(STAGES.get(name, name), seconds) for name, seconds in stages.items()],
        may_look=Capability.CONTENT_READ in request.state.caller.principal.capabilities,
        reasons=REASONS,
        **{"content": None, **context},
    )


async def message_life(request: Request, _: Principal) -> Response:
    return await message_page(request, request.path_params["id"])


async def content(request: Request, who: Principal) -> Response:
    """The same page with raw and decoded content. The access record is written first: without it nothing is shown."""
    node = services.of(request)
    id = request.path_params["id"]
    fields = await node.door.form(request)
    reason, ticket = fields.get("reason", ""), fields.get("ticket", "").strip()
    if reason not in REASONS:
        raise Malformed("a reason is needed", hint="choose one from the list")
    if ticket and not _TICKET.match(ticket):
        raise Malformed("a ticket number has letters, digits and . _ / # -", hint="no names here")
    noted = {"view": "message-content", "message": id, "reason": reason, "key": ticket}
    await node.control("audit.note", {"kind": Kind.QUERY, "body": noted}, who.actor)
    entry = await run_in_threadpool(node.raw, id)
    records = await node.query(lambda connection: _records(connection, id))
    raw = entry.envelope.raw
    return await message_page(
        request,
        id,
        content={
            "lines": lines(entry.envelope.format, raw[:SHOWN]),
            "dump": dump(raw[:DUMPED]),
            "size": len(raw),
            "cut": len(raw) > SHOWN,
            "records": records,
            "reason": REASONS[reason],
        },
    )


def _records(connection: Connection, id: str) -> list[dict[str, Any]]:
    rows = connection.execute(select(record).where(record.c.message_id == id).order_by(record.c.idx))
    return [_readable(body.unpack(row.body, row.codec), row) for row in rows]


def _readable(unpacked: dict[str, Any], row: Any) -> dict[str, Any]:
    places: dict[str, list[str]] = {}
    for reference, where in unpacked["sources"]:
        places.setdefault(reference, []).append(where)
    return {
        "idx": row.idx,
        "event": unpacked["event"],
        "warnings": unpacked["warnings"],
        "unmapped": unpacked["unmapped"],
        "resources": [
            {
                "reference": (reference := f"{resource['resourceType']}/{resource['id']}"),
                "type": resource["resourceType"],
                "says": _says(resource),
                "places": places.get(reference, []),
                "labels": [(code, cause) for code, cause, *_ in unpacked["labels"].get(reference, ())],
                "json": digits.dumps(resource, orjson.OPT_INDENT_2).decode(),
            }
            for resource in unpacked["resources"]
        ],
    }


def _says(resource: dict[str, Any]) -> str:
    """A few words that tell one Observation from the next."""
    for name in ("code", "medicationCodeableConcept", "vaccineCode", "type", "class"):
        concept = resource.get(name)
        concept = concept[0] if isinstance(concept, list) and concept else concept
        if isinstance(concept, dict):
            if text := concept.get("text") or concept.get("display"):
                return str(text)
            for coding in concept.get("coding", ()):
                if text := coding.get("display") or coding.get("code"):
                    return str(text)
    return ""


__all__ = ["Line", "content", "message_life"]
