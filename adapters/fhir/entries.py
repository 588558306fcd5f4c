"""A parsed body -> its resources with their places, each one valid R4, and what cannot be taken: R5 shapes, unknown
modifiers, deletes, types that are not of R4."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from adapters.fhir.body import DEEPEST, Body, Doubled, measured
from adapters.fhir.mend import leaves, mended
from hie.fhir.taken import NOT_TAKEN, taken
from hie.model import Resource, Unmapped, Warning

ABOUT = ("subject", "patient", "beneficiary", "for", "individual", "deliverFor", "candidate")
"""Elements that say whom a resource is about."""
_R5_SHAPES: dict[str, tuple[tuple[str, type], ...]] = {
    "Encounter": (("class", list), ("actualPeriod", dict), ("admission", dict)),
    "MedicationRequest": (("medication", dict),),
    "MedicationStatement": (("medication", dict),),
    "MedicationAdministration": (("medication", dict),),
    "MedicationDispense": (("medication", dict),),
    "Consent": (("provision", list), ("decision", str)),
    "Procedure": (("occurrenceDateTime", str), ("occurrencePeriod", dict)),
    "DocumentReference": (("modality", list), ("version", str)),
    "AllergyIntolerance": (("type", dict),),
}
"""Element and shape that R4 does not have: the resource is R5, and would be misread."""
_SILENT = frozenset({"resourceType", "id", "meta", "language", "implicitRules", *ABOUT})
"""What a resource may hold and still say nothing."""
_READ = frozenset({"resourceType", "type", "entry", "timestamp", "identifier", "id"})
NOT_DONE = frozenset({"DELETE", "PATCH", "GET", "HEAD"})
_NESTED = 3


@dataclass(slots=True)
class Entry:
    """One resource of the input. `full_url` is "" where none was sent; `made`: only named by others."""

    where: str
    full_url: str
    resource: Resource
    made: bool = False

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])


@dataclass(slots=True)
class Input:
    """A parsed body: the outer resource and what it holds."""

    outer: Resource
    zone: str | None = None
    deep: bool = False
    entries: list[Entry] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    unmapped: list[Unmapped] = field(default_factory=list)
    refused: list[Warning] = field(default_factory=list)
    """The warnings that cost a whole resource."""


def read(body: Body, zone: str | None = None) -> Input:
    """Resources in order, those that cannot be understood safely left out and named in `unmapped` and `warnings`."""
    outer = body.outer
    found = Input(outer, zone, body.deep, warnings=list(body.warnings))
    if outer["resourceType"] == "Bundle":
        _bundle(found, outer, "Bundle", body.lines, 0)
    elif outer["resourceType"] == "Parameters":
        _parameters(found, outer)
    else:
        _take(found, outer["resourceType"], "", outer, 0)
    return found


def _bundle(found: Input, bundle: Resource, prefix: str, lines: list[int] | None, depth: int) -> None:
    given = bundle.get("entry", [])
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        _leave(found, f"{prefix}.entry", "fhir-shape", "entry is not a list", given)
        given = []
    _rest(found, prefix, {k: v for k, v in bundle.items() if k not in _READ})
    _rest(found, prefix, _headers(bundle, depth))
    security = _security(bundle)
    aside: dict[str, int] = {}
    for number, item in enumerate(given):
        where = f"line {lines[number]}" if lines else f"{prefix}.entry[{number}]"
        if not isinstance(item, dict):
            _leave(found, where, "fhir-shape", "the entry is no object", item)
            continue
        request = item.get("request")
        request = request if isinstance(request, dict) else {}
        method = request.get("method")
        for name in item.keys() - {"resource", "fullUrl", "request"}:
            aside[name] = aside.get(name, 0) + leaves(item[name])
        for name in request.keys() - {"method", "url"}:
            aside[f"request.{name}"] = aside.get(f"request.{name}", 0) + leaves(request[name])
        resource = item.get("resource")
        if isinstance(method, str) and method in NOT_DONE:
            _leave(found, where, "fhir-method", f"{method} is not done: send the resource with its new status", item)
        elif isinstance(resource, dict):
            full_url = item.get("fullUrl")
            before = len(found.entries)
            _take(found, where, full_url if isinstance(full_url, str) else "", resource, depth)
            for entry in found.entries[before:]:
                _label(entry.resource, security)
        elif resource is not None:
            _leave(found, where, "fhir-shape", "the entry has no resource object", resource)
    found.unmapped.extend(Unmapped(f"{prefix}.entry.{name}", times) for name, times in sorted(aside.items()) if times)


def _headers(bundle: Resource, depth: int) -> Resource:
    """What of the Bundle's own names and time goes nowhere: one of them is the control id, the time that of the record."""
    identifier, stamp = bundle.get("identifier"), bundle.get("timestamp")
    if depth:
        return {k: bundle[k] for k in ("identifier", "timestamp", "id") if k in bundle}
    left: Resource = {}
    if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        left["identifier"] = {k: v for k, v in identifier.items() if k != "value"}
        left["id"] = bundle.get("id")
    elif identifier:
        left["identifier"] = identifier
    if not isinstance(stamp, str) or len(stamp) < 20:
        left["timestamp"] = stamp
    return left


def _rest(found: Input, where: str, value: Resource) -> None:
    for name, item in value.items():
        if name == "meta" and isinstance(item, dict):
            item = {k: v for k, v in item.items() if k not in ("source", "security")}
        if times := leaves(item):
            found.unmapped.append(Unmapped(f"{where}.{name}", times))


def _security(bundle: Resource) -> list[Resource]:
    meta = bundle.get("meta")
    given = meta.get("security") if isinstance(meta, dict) else None
    return [label for label in given if isinstance(label, dict) and label] if isinstance(given, list) else []


def _label(resource: Resource, security: list[Resource]) -> None:
    """What the Bundle as a whole is labelled holds for a resource that has no label of its own."""
    if security and not resource.get("meta", {}).get("security"):
        resource["meta"] = {**resource.get("meta", {}), "security": [dict(label) for label in security]}


def _parameters(found: Input, outer: Resource) -> None:
    """The resources that operations carry (`$process-message`, payers' exchanges) as parameters."""
    given = outer.get("parameter")
    for number, item in enumerate(given if isinstance(given, list) else ()):
        where = f"Parameters.parameter[{number}]"
        resource = item.get("resource") if isinstance(item, dict) else None
        if isinstance(resource, dict):
            _take(found, where, "", resource, 0)
        elif times := leaves(item):
            found.unmapped.append(Unmapped(where, times))


def _take(found: Input, where: str, full_url: str, resource: Resource, depth: int) -> None:
    kind = resource.get("resourceType")
    if kind == "Bundle" and depth < _NESTED:
        return _bundle(found, resource, where, None, depth + 1)
    if not isinstance(kind, str) or not kind:
        return _leave(found, where, "fhir-type", "the entry has no resourceType", resource)
    if kind in NOT_TAKEN:
        return _leave(found, where, "fhir-not-taken", NOT_TAKEN[kind], resource)
    if kind not in taken():
        return _leave(found, where, "fhir-type", "this type of resource is not taken, or not of R4 (4.0.1)", resource)
    if any(isinstance(resource.get(name), shape) for name, shape in _R5_SHAPES.get(kind, ())):
        return _leave(found, where, "fhir-version", "the resource is not R4 (4.0.1) and would be misread", resource)
    if found.deep and measured(resource)[1] > DEEPEST:
        return _leave(found, where, "fhir-depth", f"the resource is nested deeper than {DEEPEST}", resource)
    cleaner = Cleaner()
    clean = cleaner.clean(resource, where)
    if cleaner.modifiers:
        return _leave(found, where, "fhir-modifier", "a modifier that is not known here changes the meaning", resource)
    if kind != "Patient" and not clean.keys() - _SILENT:
        return _leave(found, where, "fhir-empty", "the resource says nothing but its identity", resource)
    try:
        changes = mended(clean, found.zone)
    except ValueError:
        return _leave(found, where, "fhir-invalid", "the resource cannot be made valid R4", resource)
    for place, times in cleaner.doubled:
        found.warnings.append(
            Warning("fhir-twice", place, "the same name stands twice in one object: the last value holds")
        )
        found.unmapped.append(Unmapped(place, times))
    told: set[tuple[str, tuple[str, ...]]] = set()
    for change in changes:
        place = _place(where, change.path)
        if (key := (change.code, tuple(p for p in change.path if isinstance(p, str)))) not in told:
            told.add(key)
            found.warnings.append(Warning(change.code, place, change.text))
        if change.lost:
            found.unmapped.append(Unmapped(place, change.lost))
    found.entries.append(Entry(where, full_url, clean))
    return None


def _place(where: str, path: tuple[str | int, ...]) -> str:
    return where + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)


def _leave(found: Input, where: str, code: str, text: str, value: Any) -> None:
    found.refused.append(Warning(code, where, text))
    found.warnings.append(found.refused[-1])
    found.unmapped.append(Unmapped(where, max(1, leaves(value))))


class Cleaner:
    """Copies a resource without what says nothing (null, "", {}, []), and notes what needs a word."""

    def __init__(self) -> None:
        self.modifiers = False
        self.doubled: list[tuple[str, int]] = []

    def clean(self, value: Resource, where: str) -> Resource:
        made: Resource = {}
        if type(value) is Doubled:
            self.doubled += [(f"{where}.{name}", 1) for name in value.names]
        for name, item in value.items():
            if name in ("modifierExtension", "implicitRules") and item:
                self.modifiers = True
            kept = self._item(item, f"{where}.{name}", name[:1] == "_" or f"_{name}" in value)
            if kept is not None:
                made[name] = kept
        return made

    def _item(self, item: Any, where: str, positions: bool) -> Any:
        """The cleaned value, None where it says nothing. `positions`: another list counts on where each item stands."""
        if isinstance(item, str):
            return item if item and not item.isspace() else None
        if isinstance(item, dict):
            return self.clean(item, where) or None
        if isinstance(item, list):
            made = [self._item(one, f"{where}[{n}]", False) for n, one in enumerate(item)]
            if not positions:
                made = [one for one in made if one is not None]
            return made if any(one is not None for one in made) else None
        return item
