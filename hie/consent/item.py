"""One resource as a consent sees it: built once at ingest, cheap, picklable, without clinical text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from hie.codes import security
from hie.codes.hierarchy import tokens
from hie.consent.period import Interval, interval, period
from hie.consent.reference import plain
from hie.model import Resource, SecurityLabel

STRONG = 0.75
"""Labels of at least this confidence open a permit on their category; weaker ones only serve denials."""

_MAIN = ("code", "medicationCodeableConcept", "vaccineCode", "type", "class", "serviceType")
_AUTHORS = (
    "author", "performer", "recorder", "asserter", "requester", "informant", "informationSource", "resultsInterpreter",
    "participant", "reporter", "prescriber", "orderer", "authenticator", "sender", "provider", "enterer", "administer",
)  # fmt: skip
_CUSTODIANS = ("custodian", "managingOrganization", "serviceProvider", "organization")
_DATES = (
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "onsetDateTime", "onsetPeriod", "performedDateTime",
    "performedPeriod", "occurrenceDateTime", "occurrencePeriod", "period", "collectedDateTime", "started",
    "authoredOn", "dateAsserted", "recordedDate", "whenHandedOver", "whenPrepared", "date", "issued", "created",
    "statusDate",
)  # fmt: skip


class Item(NamedTuple):
    reference: str
    type: str
    strong: int
    """Mask of the sensitivity labels that are certain enough to open a permit."""
    mask: int
    """Mask of all sensitivity labels: what denials and regimes look at."""
    level: int
    """Confidentiality rank (hie.codes.security.LEVELS)."""
    failed: bool
    """Labelling failed: no permit on a label covers it, every denial on one does."""
    other: frozenset[str]
    """Labels nobody told us about, `system|code`."""
    codes: frozenset[str]
    """Tokens of what the resource is (its main code) and of all that covers that."""
    every: frozenset[str]
    """Tokens of every coding in it."""
    start: float | None
    """When it happened; None: undated."""
    end: float | None
    patient: str
    authors: frozenset[str]
    custodians: frozenset[str]
    points: frozenset[str]
    """Everything it refers to."""
    source_types: frozenset[str] = frozenset()


def item(
    resource: Resource,
    labels: Sequence[SecurityLabel],
    resources: Sequence[Resource] | Mapping[str, Resource] = (),
    *,
    timezone: str = "America/New_York",
    custodian: Iterable[str] = (),
    source_types: frozenset[str] = frozenset(),
) -> Item:
    """`labels` are those of hie.labels.label, the sender's among them; none at all means that labelling failed.

    `resources` is where `medicationReference` is looked up. `custodian`: references of the source that keeps the item.
    """
    strong, mask, level, other = _masks(labels)
    main: set[str] = set()
    every: set[str] = set()
    points: set[str] = set()
    broken = _walk(resource, every, points)
    for key in _MAIN:
        if key in resource:
            _walk(resource[key], main, set())
    drug = resource.get("medicationReference")
    if isinstance(drug, dict) and (found := _find(resources, plain(drug.get("reference")), resource)):
        _walk(found.get("code"), main, set())
        every |= main
    when = _when(resource, timezone)
    subject = resource.get("subject") or resource.get("patient") or resource.get("beneficiary")
    patient = plain(subject.get("reference")) if isinstance(subject, dict) else ""
    kind = str(resource.get("resourceType", ""))
    own = f"{kind}/{resource.get('id', '')}"
    return Item(
        reference=own,
        type=kind,
        strong=strong,
        mask=mask,
        level=security.UNREADABLE_LEVEL if level is None else level,
        failed=level is None or broken,
        other=other,
        codes=frozenset(main),
        every=frozenset(every),
        start=when.start if when else None,
        end=when.end if when else None,
        patient=own if kind == "Patient" else patient,
        authors=_references(resource, _AUTHORS),
        custodians=_references(resource, _CUSTODIANS) | frozenset(custodian),
        points=frozenset(points),
        source_types=source_types,
    )


def plain_item(resource: Resource, labels: Sequence[SecurityLabel], source_types: frozenset[str] = frozenset()) -> Item:
    """As `item`, for persons nobody consented for and no mandated report: defaults and regimes look at labels and type
    alone, so codes, dates and references need not be read. A tenth of the cost, and most persons are such."""
    return _plain(resource, _masks(labels), source_types)


def stored_items(
    resources: Sequence[Resource],
    stored: Mapping[str, Sequence[Sequence[Any]]],
    source_types: frozenset[str] = frozenset(),
) -> list[Item]:
    """As `plain_item`, from labels by reference as they are stored: (code, cause, system, confidence), shared lists shared."""
    known: dict[int, tuple[int, int, int | None, frozenset[str]]] = {}
    items = []
    for resource in resources:
        given = stored.get(f"{resource['resourceType']}/{resource['id']}", ())
        masks = known.get(id(given))
        if masks is None:
            masks = known[id(given)] = _masks_of(tuple([(code, system, sure) for code, _, system, sure in given]))
        items.append(_plain(resource, masks, source_types))
    return items


def _plain(
    resource: Resource, masks: tuple[int, int, int | None, frozenset[str]], source_types: frozenset[str]
) -> Item:
    strong, mask, level, other = masks
    kind = str(resource.get("resourceType", ""))
    own = f"{kind}/{resource.get('id', '')}"
    subject = resource.get("subject") or resource.get("patient") or resource.get("beneficiary")
    return Item(
        own,
        kind,
        strong,
        mask,
        security.UNREADABLE_LEVEL if level is None else level,
        level is None,
        other,
        _NONE,
        _NONE,
        None,
        None,
        own if kind == "Patient" else plain(subject.get("reference")) if isinstance(subject, dict) else "",
        _NONE,
        _NONE,
        _NONE,
        source_types,
    )


_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def _masks_of(labels: tuple[tuple[str, str, float], ...]) -> tuple[int, int, int | None, frozenset[str]]:
    strong, mask, level, other = 0, 0, None, set()
    for code, system, confidence in labels:
        if system == security.CONFIDENTIALITY:
            rank = security.level(code)
            level = rank if level is None else max(level, rank)
        elif system == security.LOCAL and code == "unclassified":
            mask |= security.UNCLASSIFIED
        elif one := security.bit(code):
            mask |= one
            strong |= one if confidence >= STRONG else 0
        else:
            other.add(f"{system}|{code}")
    return strong, mask, level, frozenset(other)


def _masks(labels: Sequence[SecurityLabel]) -> tuple[int, int, int | None, frozenset[str]]:
    """Strong mask, mask, confidentiality rank (None: labelling failed) and foreign labels."""
    return _masks_of(tuple([(label.code, label.system, label.confidence) for label in labels]))


def _walk(node: Any, codes: set[str], points: set[str]) -> bool:
    """Collects codings and references of a whole tree; True where a coding cannot be read."""
    broken = False
    stack = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, list):
            stack.extend(at)
        elif isinstance(at, dict):
            code = at.get("code")
            if type(code) is str and "system" in at:
                if type(at["system"]) is str:
                    codes.update(tokens(at["system"], code))
                else:
                    broken = True
            for key, value in at.items():
                if type(value) is dict or type(value) is list:
                    if key != "meta" and key != "text":
                        stack.append(value)
                elif key == "reference" and type(value) is str:
                    points.add(plain(value))
    return broken


def _references(resource: Resource, keys: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    for key in keys:
        if key in resource:
            _walk(resource[key], set(), found)
    return frozenset(found)


def _find(resources: Sequence[Resource] | Mapping[str, Resource], reference: str, holder: Resource) -> Resource | None:
    if reference.startswith("#"):
        inside = holder.get("contained")
        return next((r for r in inside if r.get("id") == reference[1:]), None) if isinstance(inside, list) else None
    if isinstance(resources, Mapping):
        return resources.get(reference)
    kind, _, id = reference.partition("/")
    return next((r for r in resources if r.get("id") == id and r.get("resourceType") == kind), None)


def _when(resource: Resource, timezone: str) -> Interval | None:
    for key in _DATES:
        value = resource.get(key)
        if isinstance(value, str):
            return interval(value, timezone)
        if isinstance(value, dict):
            # an open encounter goes on: it cannot lie inside a closed period
            return period(value, timezone)
    return None
