"""FHIR R4 JSON in: a Bundle of any type, a resource, or newline-delimited resources become one record a patient.

Resources stay what the sender wrote; only ids and references change, so that they are the same on every host and
resolve inside the record. The sender's id is kept as an identifier (type RI), meta.security as sent.
Sources: FHIR R4 "Bundle", "Resolving references in Bundles", Patient compartment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from adapters.fhir.body import opened
from adapters.fhir.compartment import split
from adapters.fhir.entries import Entry, Input, read
from adapters.fhir.mend import leaves
from adapters.fhir.peek import is_test, keys_of, peek
from adapters.fhir.references import Ids, base_of
from adapters.fhir.subjects import with_named
from hie.codes.translated import translated
from hie.errors import DecodeError, Rejected
from hie.fhir.repair import sound
from hie.fhir.validate import valid
from hie.model import FeedContext, Keys, Record, Resource, Source, Unmapped, Warning

__all__ = ["decode", "peek"]


def decode(raw: bytes, context: FeedContext) -> Iterator[Record]:
    """One Record for each Patient of the body, then one about nobody with what names none (`patient` None).

    Raises DecodeError: `fhir-json`, `fhir-xml`, `fhir-type`, `fhir-depth`; where nothing of it can be taken, the code of
    the first refusal (`fhir-version` where all of it is R5), or `fhir-empty`.
    """
    try:
        body = opened(raw)
    except Rejected as error:
        raise DecodeError(error.text, code=error.code, hint=error.hint, ack=error.ack, err=error.err) from error
    keys = keys_of(body.outer)
    found = read(body, context.timezone)
    if not found.entries:
        raise _nothing(found)
    first = found.entries[0].resource
    entries = _one_of_each(found)
    scope = "|".join((context.feed, keys.sender, next((b for e in entries if (b := base_of(e.full_url))), "")))
    entries = with_named(entries, Ids(scope, context.feed, entries), context.feed)
    if context.default_authority:
        _assigned(entries, context.default_authority)
    ids = Ids(scope, context.feed, entries)
    records, orphans = split(ids, entries)
    for orphan in orphans:
        found.warnings.append(Warning("fhir-no-subject", orphan.where, "the resource names no patient"))
    parts: list[tuple[Entry | None, list[Entry]]] = [*records]
    if orphans:
        parts.append((None, orphans))
    for index, (patient, members) in enumerate(parts):
        record = _record(index, ids, patient, members, found if index == 0 else None, body.outer, first, keys)
        if maps := context.code_maps:
            record = replace(record, resources=tuple(translated(resource, maps) for resource in record.resources))
        yield record


def _nothing(found: Input) -> DecodeError:
    if found.refused:
        code, where, text = found.refused[0]
        return DecodeError(text, code=code, hint="nothing else is in the body", ack="AR", err=203, where=where)
    return DecodeError("the body holds no resource", code="fhir-empty", hint="send a resource", ack="AE", err=101)


def _record(
    index: int,
    ids: Ids,
    patient: Entry | None,
    members: list[Entry],
    found: Input | None,
    outer: Resource,
    first: Resource,
    keys: Keys,
) -> Record:
    mine = {id(e) for e in members}
    resources, sources = [], []
    warnings = list(found.warnings) if found else []
    unmapped = list(found.unmapped) if found else []
    for entry in members:
        resource, cut, lost = ids.rewritten(entry, lambda e: id(e) in mine)
        resources.append(resource)
        sources.append(Source(ids.new(entry), entry.where))
        for place in dict.fromkeys(cut):
            warnings.append(Warning("fhir-cut", f"{entry.where}.{place}", "a reference leaves this patient's record"))
            unmapped.append(Unmapped(f"{entry.where}.{place}", cut.count(place)))
        unmapped.extend(Unmapped(f"{entry.where}.{place}", lost.count(place)) for place in dict.fromkeys(lost))
    if not valid(resources):
        # what only the rewriting brought to light; nothing that R4 does not allow leaves a decoder
        resources, found_bad = sound(resources)
        places = dict(sources)
        for issue in found_bad:
            where = f"{places[issue.reference]}.{'.'.join(str(p) for p in issue.path if isinstance(p, str))}"
            warnings.append(Warning("fhir-value", where, "the value has no meaning in R4 at this place"))
            unmapped.append(Unmapped(where, 1))
        kept = {f"{r['resourceType']}/{r['id']}" for r in resources}
        sources = [source for source in sources if source.reference in kept]
    return Record(
        index=index,
        event=keys.event,
        patient=ids.new(patient) if patient else None,
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


def _assigned(entries: list[Entry], authority: str) -> None:
    """A patient's number that comes without an assigner is the sender's own, where the feed says whose that is."""
    for entry in entries:
        if entry.type == "Patient":
            for identifier in entry.resource.get("identifier", ()):
                if identifier.get("value") and not identifier.get("system"):
                    identifier["system"] = authority


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
            if known.resource != entry.resource:
                found.unmapped.append(Unmapped(loser.where, leaves(loser.resource)))
            if newest_first:
                continue
        chosen[key] = entry
    kept = {id(e) for e in chosen.values()}
    return [e for e in found.entries if id(e) in kept]
