"""What is left of a record when items are withheld: consistent, and without a trace of them.

References to what is gone go too; reports and documents lose their narrative whole, because text cannot be segmented;
sections are written anew from the entries that stay; whoever only belonged to something withheld goes with it.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from hie.consent.directory import targets
from hie.consent.jurisdiction import Policy
from hie.consent.leak import leaks
from hie.consent.reference import CARRIERS
from hie.consent.withheld import Words, concepts_of, words_of
from hie.model import Resource, Source

__all__ = ["Redacted", "leaks", "redact"]

REDACTED_TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED"}

_ACCOMPANY = CARRIERS | {"Medication", "Specimen", "Substance", "BodyStructure", "Media", "Binary", "Coverage"}
"""Types that have no standing of their own: they go when all that pointed to them goes."""
_NARRATIVE = frozenset(("text", "conclusion", "presentedForm", "comment", "patientInstruction"))
_NEEDED = frozenset(
    ("medicationReference", "target", "code", "medicationCodeableConcept", "vaccineCode", "beneficiary", "item")
)
"""Elements without which a resource says nothing: it goes when they go."""


class Redacted(NamedTuple):
    resources: tuple[Resource, ...]
    """New dicts where anything changed; the input is not touched."""
    sources: tuple[Source, ...]
    removed: frozenset[str]
    """Places (`OBX[7]`) of which every resource is gone."""
    withheld_strings: frozenset[str]
    """What must not occur in the bytes that leave."""
    gone: frozenset[str] = frozenset()
    """References of all that is not in `resources` any more."""


def redact(
    resources: Sequence[Resource],
    sources: Sequence[Source],
    denied: Collection[str],
    unasked: Collection[str],
    policy: Policy,
    *,
    reveal: bool | None = None,
) -> Redacted:
    """`denied`: references a rule holds back. `unasked`: references the subscription does not ask for; they go as well,
    but their words are no secret. `reveal`: may a marker tell that something is missing (default: the policy's)."""
    held = set(denied)
    gone = held | set(unasked)
    if not gone:
        return Redacted(tuple(resources), tuple(sources), frozenset(), frozenset())
    by_reference = {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources}
    if held & by_reference.keys():
        # a document's own pages are narrative: they may tell of whatever came with them
        for reference, resource in by_reference.items():
            if resource["resourceType"] == "DocumentReference" and reference not in gone and _may_tell(resource):
                gone.add(reference)
                held.add(reference)
    points = {reference: targets(resource) for reference, resource in by_reference.items()}
    _accompanying(points, gone, held)
    secret = _secret(by_reference, gone, held)
    titles = {reference: _title(resource) for reference, resource in by_reference.items()}
    kept: dict[str, Resource] = {}
    changed = True
    while changed:
        changed = False
        kept = {}
        for reference, resource in by_reference.items():
            if reference in gone:
                continue
            touched = not points[reference].isdisjoint(gone)
            left = _without(resource, gone, secret, bool(held), titles, touched)
            if left is None:
                gone.add(reference)
                changed = True
            else:
                kept[reference] = left
    if policy.reveal if reveal is None else reveal:
        kept = {ref: _marked(left) if left is not by_reference[ref] else left for ref, left in kept.items()}
    places: dict[str, bool] = {}
    for reference, where in sources:
        places[where] = places.get(where, False) or reference in kept
    return Redacted(
        resources=tuple(kept.values()),
        sources=tuple(s for s in sources if s[0] in kept),
        removed=frozenset(where for where, stays in places.items() if not stays),
        withheld_strings=secret.strings,
        gone=frozenset(gone),
    )


def _may_tell(resource: Resource) -> bool:
    return bool(resource.get("content") or resource.get("description") or resource.get("text"))


def _accompanying(points: Mapping[str, set[str]], gone: set[str], held: set[str]) -> None:
    """Adds what only what is gone pointed to. `points`: what each resource refers to."""
    changed = True
    while changed:
        changed = False
        still: set[str] = set()
        left_by_held: set[str] = set()
        left: set[str] = set()
        for reference, found in points.items():
            if reference in gone:
                left |= found
                if reference in held:
                    left_by_held |= found
            elif not reference.startswith("Provenance/"):
                still |= found - {reference}
        for reference in (left & points.keys()) - still - gone:
            kind = reference.partition("/")[0]
            if kind in _ACCOMPANY and kind != "Patient":
                gone.add(reference)
                if reference in left_by_held:
                    held.add(reference)
                changed = True


def _secret(by_reference: dict[str, Resource], gone: set[str], held: set[str]) -> Words:
    """Words and codes of what is held back that nothing which stays has as its own."""
    open_words = Words(set(), set())
    for reference, resource in by_reference.items():
        if reference not in gone:
            open_words.add(concepts_of(resource))
    secret = Words(set(), set())
    for reference in held:
        if reference in by_reference:
            secret.add(words_of(by_reference[reference]))
    return secret.minus(open_words)


def _without(
    resource: Resource, gone: set[str], secret: Words, anything_held: bool, titles: Mapping[str, str], touched: bool
) -> Resource | None:
    """The resource without references to what is gone and without secret words; None where too little is left."""
    kind = resource["resourceType"]
    if not touched and not (
        anything_held and (kind == "Composition" or _NARRATIVE & resource.keys() or secret.in_any(resource))
    ):
        return resource
    if kind in CARRIERS and kind != "Provenance" and not touched:
        return {k: v for k, v in resource.items() if k != "text"}
    left: Resource = {}
    for key, value in resource.items():
        if key == "text" or (key in _NARRATIVE and (touched or secret.in_any(value))):
            if key == "text" and isinstance(value, str):
                left[key] = value
            continue
        if key in ("id", "resourceType", "meta"):
            left[key] = value
            continue
        if kind == "Composition" and key == "section":
            sections = [s for s in (_section(one, gone, secret, titles) for one in value) if s is not None]
            if sections:
                left[key] = sections
            continue
        trimmed = _trimmed(value, gone, secret)
        if trimmed is not None:
            left[key] = trimmed
        elif key in _NEEDED:
            return None
    if kind == "DiagnosticReport" and "result" in resource and "result" not in left:
        return None
    if kind in ("List", "Group") and "entry" in resource and "entry" not in left:
        return None
    return left


def _section(section: Any, gone: set[str], secret: Words, titles: Mapping[str, str]) -> Resource | None:
    """A section written anew from the entries that stay; None where nothing stays. Its old text never does."""
    if not isinstance(section, dict):
        return None
    entries = [e for e in section.get("entry", []) if isinstance(e, dict) and e.get("reference") not in gone]
    inner = [s for s in (_section(one, gone, secret, titles) for one in section.get("section", [])) if s is not None]
    if not entries and not inner:
        return None
    left = {
        key: value
        for key, value in section.items()
        if key not in ("entry", "section", "text", "title", "code") and _trimmed(value, gone, secret) is not None
    }
    for key in ("title", "code"):
        if key in section and (trimmed := _trimmed(section[key], gone, secret)) is not None:
            left[key] = trimmed
    if entries:
        left["entry"] = [{k: v for k, v in e.items() if k == "reference"} for e in entries]
        lines = "".join(f"<li>{html.escape(titles.get(str(e.get('reference')), 'entry'))}</li>" for e in entries)
        left["text"] = {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{lines}</ul></div>',
        }
    if inner:
        left["section"] = inner
    return left


def _trimmed(value: Any, gone: set[str], secret: Words) -> Any:
    """The value without references to what is gone, secret concepts and secret text; None if nothing is left."""
    if isinstance(value, dict):
        if value.get("reference") in gone or secret.names(value):
            return None
        left: Resource = {}
        for key, inner in value.items():
            trimmed = _trimmed(inner, gone, secret)
            if trimmed is None and inner is not None:
                # an annotation without its text, an entry without its item: the whole of it says nothing
                if key in (
                    "text",
                    "item",
                    "reference",
                    "code",
                    "coding",
                    "condition",
                    "display",
                    "detail",
                    "reaction",
                    "link",
                    "actor",
                ):
                    return None
                continue
            left[key] = trimmed
        return left or None
    if isinstance(value, list):
        kept = [one for one in (_trimmed(inner, gone, secret) for inner in value) if one is not None]
        return kept or None
    if isinstance(value, str) and secret.within(value):
        return None
    return value


def _marked(resource: Resource) -> Resource:
    meta = resource.get("meta", {})
    return {**resource, "meta": {**meta, "security": [*meta.get("security", []), REDACTED_TAG]}}


def _title(resource: Resource) -> str:
    """What a generated line of narrative calls an entry: the words of its own code."""
    for key in ("code", "medicationCodeableConcept", "vaccineCode", "type"):
        concept = resource.get(key)
        if isinstance(concept, dict):
            codings = concept.get("coding")
            first = codings[0] if isinstance(codings, list) and codings else {}
            named = concept.get("text") or (
                first.get("display") or first.get("code") if isinstance(first, dict) else None
            )
            if isinstance(named, str):
                return named
    return str(resource.get("resourceType"))
