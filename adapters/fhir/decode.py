"""FHIR R4 JSON in: a Bundle of any type or a single resource becomes one record a patient.

Resources stay what the sender wrote; only ids and references change, so that they are the same on every host and
resolve inside the record. The sender's id is kept as an identifier (type RI), meta.security as sent.
Sources: FHIR R4 "Bundle", "Resolving references in Bundles", Patient compartment.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.fhir.compartment import ABOUT, split
from adapters.fhir.entries import Entry, Input, parsed, read
from adapters.fhir.peek import is_test, keys_of, peek
from adapters.fhir.references import Ids, base_of
from hie.errors import DecodeError, Rejected
from hie.model import FeedContext, Keys, Record, Resource, Source, Unmapped, Warning

__all__ = ["decode", "peek"]

_NOT_KEPT = frozenset({"MessageHeader", "OperationOutcome", "Provenance", "AuditEvent", "Parameters"})
"""About the transmission or the sender's own records: they stay in the raw message and are counted as unmapped."""


def decode(raw: bytes, context: FeedContext) -> Iterator[Record]:
    """One Record for each Patient of the body.

    Raises DecodeError: `fhir-json`, `fhir-xml`, `fhir-type`; `fhir-version` where all of it is R5; `fhir-no-patient`.
    """
    try:
        outer = parsed(raw)
    except Rejected as error:
        raise DecodeError(error.text, code=error.code, hint=error.hint, ack=error.ack, err=error.err) from error
    keys = keys_of(outer)
    found = read(outer)
    if not found.entries and any(w.code == "fhir-version" for w in found.warnings):
        raise DecodeError("the body is not FHIR R4 (4.0.1)", code="fhir-version", hint="send R4", ack="AR", err=203)
    first = found.entries[0].resource if found.entries else outer
    for entry in [e for e in found.entries if e.type in _NOT_KEPT]:
        found.entries.remove(entry)
        found.unmapped.append(Unmapped(entry.where, 1))
    entries = _one_of_each(found)
    scope = "|".join((context.feed, keys.sender, next((b for e in entries if (b := base_of(e.full_url))), "")))
    if not any(e.type == "Patient" for e in entries):
        entries = _with_named_patients(entries)
    ids = Ids(scope, context.feed, entries)
    records, orphans = split(ids, entries)
    if not records:
        raise DecodeError(
            "no Patient is in the body, and no subject is named by identifier",
            code="fhir-no-patient",
            hint="send the Patient along, or subject.identifier",
            ack="AE",
            err=101,
            where="Patient",
        )
    for orphan in orphans:
        found.warnings.append(Warning("fhir-no-subject", orphan.where, "the resource names no patient of this body"))
        found.unmapped.append(Unmapped(orphan.where, 1))
    for index, (patient, members) in enumerate(records):
        yield _record(index, ids, patient, members, found if index == 0 else None, keys.event, outer, first, keys)


def _record(
    index: int,
    ids: Ids,
    patient: Entry,
    members: list[Entry],
    found: Input | None,
    event: str,
    outer: Resource,
    first: Resource,
    keys: Keys,
) -> Record:
    mine = {id(e) for e in members}
    resources, sources = [], []
    warnings = list(found.warnings) if found else []
    unmapped = list(found.unmapped) if found else []
    for entry in members:
        resource, cut = ids.rewritten(entry, lambda e: id(e) in mine)
        resources.append(resource)
        sources.append(Source(ids.new(entry), entry.where))
        for place in dict.fromkeys(cut):
            warnings.append(Warning("fhir-cut", f"{entry.where}.{place}", "a reference leaves this patient's record"))
            unmapped.append(Unmapped(f"{entry.where}.{place}", cut.count(place)))
        for name in ("versionId", "lastUpdated"):
            if name in entry.resource.get("meta", {}):
                unmapped.append(Unmapped(f"{entry.where}.meta.{name}", 1))
    return Record(
        index=index,
        event=event,
        patient=ids.new(patient),
        resources=tuple(resources),
        sources=tuple(sources),
        warnings=tuple(warnings),
        unmapped=tuple(unmapped),
        processing="T" if keys.processing == "T" or any(is_test(e.resource) for e in members) else "P",
        control_id=keys.control_id.decode(),
        sender=keys.sender,
        authored=_authored(outer, first),
    )


def _authored(outer: Resource, first: Resource) -> str | None:
    """Bundle.timestamp or Composition.date, where it is an instant with its offset."""
    for value in (outer.get("timestamp"), first.get("date") if first.get("resourceType") == "Composition" else None):
        if isinstance(value, str) and len(value) >= 20 and value[10] == "T":
            return value
    return None


def _one_of_each(found: Input) -> list[Entry]:
    """One entry for each resource: a history keeps its newest version, which comes first; elsewhere the last one holds."""
    newest_first = found.outer.get("type") == "history"
    chosen: dict[tuple[str, str], Entry] = {}
    for number, entry in enumerate(found.entries):
        sent = entry.resource.get("id")
        url = entry.full_url.partition("/_history/")[0]
        key = (entry.type, url or (sent if isinstance(sent, str) else f"#{number}"))
        known = chosen.get(key)
        if known is not None:
            loser = entry if newest_first else known
            found.warnings.append(
                Warning("fhir-duplicate", loser.where, "another version of the same resource is taken")
            )
            found.unmapped.append(Unmapped(loser.where, 1))
            if newest_first:
                continue
        chosen[key] = entry
    return [e for e in found.entries if any(e is c for c in chosen.values())]


def _with_named_patients(entries: list[Entry]) -> list[Entry]:
    """Patients for subjects that are named by a business identifier only (FHIR "logical reference")."""
    made: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        for name in ABOUT:
            reference = entry.resource.get(name)
            if not isinstance(reference, dict):
                continue
            identifier = reference.get("identifier")
            if not isinstance(identifier, dict) or not identifier.get("value") or not identifier.get("system"):
                continue
            if reference.get("type", "Patient") != "Patient":
                continue
            key = (str(identifier["system"]), str(identifier["value"]))
            if key not in made:
                resource: Resource = {"resourceType": "Patient", "identifier": [identifier]}
                made[key] = Entry(f"{entry.where}.{name}", f"urn:hie:named:{len(made)}", resource)
            reference["reference"] = made[key].full_url
    return [*made.values(), *entries]
