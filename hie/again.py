"""A delivery that comes out of its order (redelivered, reprocessed, released) meets what its subscriber got since.

What a newer message has said again is not sent with its old content: where everything was said again, nothing is sent;
where some of it was, the newer content goes instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, or_, select

from hie.identify import members_of
from hie.model import DeliveryState, Resource
from hie.record import body
from hie.record.versions import UNTRACKED
from hie.routing import codes_of
from hie.sections import Subscriber
from hie.store import repairs
from hie.store.tables import delivery, record

ASIDE = UNTRACKED | {"RelatedPerson", "Coverage", "Account", "Provenance"}
"""What travels along with a message and is no reason of its own to send it."""
_DONE = (DeliveryState.DELIVERED, DeliveryState.DELIVERED_REDACTED)


class Again(NamedTuple):
    """One delivery of a repair, before it is decided."""

    key: str | None
    """The key under which the subscriber may hold the content already; None where it goes under its own."""
    sha256: bytes | None
    """Hash of what went under that key; None where nothing did."""
    resend: bool
    """Whether content that did not change is sent all the same."""
    since: tuple[Mapping[str, Any], ...]
    """Records of later messages about the patient that the subscriber got, oldest first."""

    def outdated(self, unpacked: Mapping[str, Any], encoder: str) -> bool:
        """Whether the subscriber has been told all of it anew."""
        registers = unpacked["event"].startswith("ADT")
        later = [u for u in self.since if not registers or u["event"].startswith("ADT")]
        if not later or unpacked["statements"]:
            return False
        said = {_subject(r, registers) for u in later for r in u["resources"]}
        content = [r for r in unpacked["resources"] if r["resourceType"] not in ASIDE]
        if registers and encoder == "original":
            # stored bytes cannot be mended: an old registration never follows a newer one of the same patient and stay
            content = [r for r in content if r["resourceType"] in ("Patient", "Encounter")]
        return bool(content) and all(_subject(r, registers) in said for r in content)

    def mended(self, unpacked: dict[str, Any]) -> dict[str, Any]:
        """The record with what was said again since as it was said last, and what that refers to."""
        newest: dict[str, tuple[Resource, Mapping[str, Any]]] = {}
        for later in self.since:
            for resource in later["resources"]:
                if resource["resourceType"] not in UNTRACKED:
                    newest[_reference(resource)] = (resource, later)
        resources = {_reference(r): r for r in unpacked["resources"]}
        labels = dict(unpacked["labels"])
        todo = [(ref, *newest[ref]) for ref in resources if ref in newest]
        while todo:
            reference, resource, later = todo.pop()
            resources[reference] = resource
            if reference in later["labels"]:
                labels[reference] = later["labels"][reference]
            there = {_reference(r): r for r in later["resources"]}
            todo += [(ref, there[ref], later) for ref in _references(resource) if ref in there and ref not in resources]
        return {**unpacked, "resources": list(resources.values()), "labels": labels}


def _subject(resource: Resource, registers: bool) -> object:
    """What a resource is about: its id, or in a registration, which says all of a list anew each time, kind and codes."""
    kind = resource["resourceType"]
    if registers and kind not in ("Patient", "Encounter") and (codes := codes_of(resource)):
        return kind, frozenset(codes)
    return _reference(resource)


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "reference" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def look(connection: Connection, subscriber: Subscriber, rows: Iterable[Any]) -> dict[int, Again]:
    """By delivery id, for those of `rows` that a repair queued."""
    repaired = [row for row in rows if row.run is not None]
    if not repaired:
        return {}
    runs = {id: repairs.get(connection, id) for id in {row.run for row in repaired}}
    found = {}
    for row in repaired:
        run = runs[row.run]
        since = list(connection.execute(_SINCE, _of(subscriber, row)))
        if run.kind == "redeliver":
            coming = _coming(connection, run, since)
            since = [s for s in since if (s.message_id, s.idx) not in coming]
        earlier = _held(connection, row)
        found[row.id] = Again(
            row.again if row.replaces is None else None,
            earlier,
            run.kind != "reprocess",
            tuple({**body.unpack(s.body, s.codec), "event": s.event} for s in since),
        )
    return found


def _of(subscriber: Subscriber, row: Any) -> dict[str, Any]:
    return {"subscriber": subscriber.name, "mpi_record": row.mpi_record, "message_id": row.message_id}


_SINCE = (
    select(delivery.c.id, record.c.message_id, record.c.idx, record.c.event, record.c.body, record.c.codec)
    .join(delivery, (delivery.c.message_id == record.c.message_id) & (delivery.c.idx == record.c.idx))
    .where(
        record.c.mpi_record == bindparam("mpi_record"),
        record.c.message_id > bindparam("message_id"),
        delivery.c.subscriber == bindparam("subscriber"),
        delivery.c.state.in_(_DONE),
    )
    .order_by(record.c.message_id, record.c.idx)
)


def _coming(connection: Connection, run: repairs.Repair, since: Sequence[Any]) -> set[tuple[str, int]]:
    """Later records that the same redelivery sends again, so that the newest comes last as it did at first."""
    if not since:
        return set()
    messages = {s.message_id for s in since}
    chosen = run.selection.deliveries(members(connection, run.selection)).where(delivery.c.message_id.in_(messages))
    queued = select(delivery.c.message_id, delivery.c.idx).where(
        delivery.c.run == run.id, delivery.c.message_id.in_(messages)
    )
    rows = [*connection.execute(chosen), *connection.execute(queued)]
    return {(r.message_id, r.idx) for r in rows}


def members(connection: Connection, selection: repairs.Selection) -> list[int] | None:
    """Registrations of the patient that a selection names; None where it names none."""
    return members_of(connection, selection.patient) if selection.patient else None


def _held(connection: Connection, row: Any) -> bytes | None:
    """Hash of what the subscriber was sent last under the key that the delivery repeats."""
    if row.again is None:
        return None
    found = connection.execute(_HELD, {"id": row.id, "message_id": row.message_id, "again": row.again}).scalar()
    return bytes(found) if found is not None else None


_HELD = (
    select(delivery.c.sha256)
    .where(
        delivery.c.message_id == bindparam("message_id"),
        delivery.c.id < bindparam("id"),
        delivery.c.sha256.is_not(None),
        or_(
            delivery.c.key == bindparam("again"),
            # one that repeated it in its turn; with `replaces` it went under a key of its own
            (delivery.c.again == bindparam("again")) & delivery.c.replaces.is_(None),
        ),
    )
    .order_by(delivery.c.id.desc())
    .limit(1)
)
