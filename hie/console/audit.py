"""The audit log: latest events, whether the chain is whole. Reading it is itself an event."""

from __future__ import annotations

import re
from typing import Any

import orjson
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.audit.events import Kind
from hie.audit.key import SealKey, key_path, last_seal
from hie.audit.seal import seals_path
from hie.audit.verify import verify
from hie.console.view import page
from hie.errors import ConfigurationError
from hie.store.tables import audit as trail
from hie.web import services
from hie.web.errors import Malformed

PAGE = 100
_CURSOR = re.compile(r"\d{1,18}\Z")


async def audit(request: Request, who: Principal) -> Response:
    """Newest first, of one kind or all."""
    node = services.of(request)
    kind, before = request.query_params.get("kind", ""), request.query_params.get("before", "")
    if kind and kind not in set(Kind):
        raise Malformed("no kind of event has that name")
    if before and not _CURSOR.match(before):
        raise Malformed("`before` is the number of an event")
    noted = {"view": "audit-log", "parameters": [n for n in ("kind", "before") if request.query_params.get(n)]}
    # first the note, then the page: a log that was read leaves a trace even where the reading failed
    await node.control("audit.note", {"kind": Kind.LOG_READ, "body": noted}, who.actor)
    rows = await node.query(lambda connection: _events(connection, kind, before))
    return _page(request, rows, kind)


async def check(request: Request, who: Principal) -> Response:
    """Verifies the whole chain and its seals now. Costs about a second for 100,000 records."""
    node = services.of(request)
    noted = {"view": "audit-check"}
    await node.control("audit.note", {"kind": Kind.LOG_READ, "body": noted}, who.actor)

    def work(connection: Connection) -> tuple[bool, str]:
        file = key_path(node.var)
        try:
            key = SealKey.open(file)
        except ConfigurationError as error:
            return False, f"{error.text}: the chain cannot be checked against its seals"
        report = verify(connection, seals_path(node.var), key.public, last_seal(file))
        if report.finding is not None:
            found = report.finding
            return False, f"{found.text} ({found.code}, {found.chain} {found.seq})"
        return True, (
            f"Intact: {sum(report.records.values())} records, {report.seals} seals, "
            f"{report.unsealed} records newer than the last seal."
        )

    good, sentence = await node.query(work)
    rows = await node.query(lambda connection: _events(connection, "", ""))
    return _page(request, rows, "", checked=(good, sentence))


def _page(request: Request, rows: list[Any], kind: str, checked: tuple[bool, str] | None = None) -> Response:
    return page(
        request,
        "audit.html",
        "audit",
        "Audit",
        rows=[(row, _plain(row.body)) for row in rows[:PAGE]],
        more=rows[PAGE - 1].seq if len(rows) > PAGE else 0,
        kinds=[str(k) for k in Kind],
        kind=kind,
        checked=checked,
    )


def _events(connection: Connection, kind: str, before: str) -> list[Any]:
    query = select(trail.c.chain, trail.c.seq, trail.c.at, trail.c.kind, trail.c.actor, trail.c.body)
    if kind:
        query = query.where(trail.c.kind == kind).order_by(trail.c.at.desc())
    else:
        chains = list(connection.execute(select(trail.c.chain).distinct()).scalars())
        query = query.where(trail.c.chain.in_(chains[:1])) if len(chains) == 1 else query
        query = query.order_by(trail.c.seq.desc())
    if before:
        query = query.where(trail.c.seq < int(before))
    return list(connection.execute(query.limit(PAGE + 1)))


def _plain(body: str) -> list[tuple[str, str]]:
    """The body as pairs for people."""
    found: dict[str, Any] = orjson.loads(body)
    return [(name, _value(value)) for name, value in found.items() if value not in ("", None, [], {})]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{n} {k}" for k, n in value.items())
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
