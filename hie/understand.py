"""What the pool makes of the bytes of one message: records, each ready to be applied. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hie import registry
from hie.codes.untranslated import places, untranslated
from hie.conformance import Report
from hie.errors import Rejected
from hie.examine import Examination, examine, require
from hie.fhir.dates import seconds
from hie.identify import identifiers_of, person_of
from hie.labels.label import LabelContext, label
from hie.labels.unclassified import unclassified
from hie.model import Acknowledgement, Identifier, IdentityStatement, Resource
from hie.outcomes import MESSAGE_REASONS
from hie.record import body, versions
from hie.routing import codes_of, kinds_of
from hie.task import Task


@dataclass(frozen=True, slots=True)
class Part:
    """One record, ready to be applied: everything the engine needs without opening the body again."""

    index: int
    event: str
    processing: str
    body: bytes
    person: Any
    identifiers: tuple[Identifier, ...]
    statements: tuple[IdentityStatement, ...]
    seen: tuple[tuple[str, bytes], ...]
    """References and content hashes of the resources whose versions are followed."""
    resources: int
    kinds: frozenset[str]
    codes: frozenset[str]
    unclassified: tuple[str, ...]
    """`system|code` of what no label rule covers."""
    consents: tuple[Resource, ...]
    warnings: int
    unmapped: int
    sender: str = ""
    local: tuple[tuple[str, str], ...] = ()
    """(system, code) of what has no standard meaning: fit to be written down."""
    places: tuple[tuple[str, int], ...] = ()
    """The places of `unmapped` without their ordinals, with their counts."""
    told: float = 0.0
    """When the sender wrote it, or when it happened, whichever is earlier; 0 where it does not say. Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Understood:
    parts: tuple[Part, ...] = ()
    failure: str = ""
    """Reason of hie.outcomes where there are no parts."""
    text: str = ""
    seconds: float = 0.0


def answer(asked: Task | Examination) -> Understood | tuple[Report, ...]:
    """Whatever a process that decodes is asked."""
    return examine(asked) if isinstance(asked, Examination) else understand(asked)


def understand(task: Task) -> Understood:
    """Decode and label. Never raises: what cannot be decoded says why."""
    started = time.perf_counter()
    if not task.format:
        return Understood(failure="feed-gone")
    try:
        parts = _parts(task)
    except Rejected as error:
        reason = error.code if error.code in MESSAGE_REASONS else "undecodable"
        return Understood(failure=reason, text=error.text, seconds=time.perf_counter() - started)
    except Exception as error:  # a defect of a decoder must cost one message, not the worker
        return Understood(failure="internal-error", text=type(error).__name__, seconds=time.perf_counter() - started)
    return Understood(parts, seconds=time.perf_counter() - started)


def verdict(task: Task) -> Acknowledgement:
    """The answer to a sender that waits for the reading: AA, or AE or AR where the message ends in quarantine. Never raises."""
    try:
        if not any(part.person is not None for part in _parts(task)):
            return Acknowledgement("AE", 101, "PID-3", "stored, but it is about no patient")
    except Rejected as error:
        return Acknowledgement(error.ack, error.err, error.where, error.text)
    except Exception:
        return Acknowledgement("AE", 207, "", "stored, but a defect of ours stopped its reading")
    return Acknowledgement("AA")


def _parts(task: Task) -> tuple[Part, ...]:
    if task.context.required is not None:
        require(task.format, task.raw, task.context)
    records = registry.decoder(task.format, "decode")(task.raw, task.context)
    return tuple(_part(record, task) for record in records)


def _part(record: Any, task: Task) -> Part:
    labels = label(record.resources, LabelContext(source_types=task.source_types))
    patient = next((r for r in record.resources if f"{r['resourceType']}/{r.get('id')}" == record.patient), None)
    return Part(
        index=record.index,
        event=record.event,
        processing=record.processing,
        body=body.pack(record, labels),
        person=person_of(patient) if patient else None,
        identifiers=identifiers_of(patient) if patient else (),
        statements=record.statements,
        seen=tuple(
            (f"{r['resourceType']}/{r['id']}", versions.content_hash(r))
            for r in record.resources
            if r["resourceType"] not in versions.UNTRACKED
        ),
        resources=len(record.resources),
        kinds=frozenset().union(*map(kinds_of, record.resources)),
        codes=frozenset().union(*map(codes_of, record.resources)),
        unclassified=unclassified(record.resources, labels),
        consents=tuple(r for r in record.resources if r["resourceType"] == "Consent"),
        warnings=len(record.warnings),
        unmapped=sum(u.times for u in record.unmapped),
        sender=record.sender,
        local=untranslated(record.resources, record.local),
        places=places(record.unmapped) if record.unmapped and task.format != "fax" else (),
        told=min((seconds(time) for time in (record.authored, record.occurred) if time), default=0.0),
    )
