"""References as sent -> references inside the record, or a logical reference where the target did not come along.

Resolution follows FHIR R4 "Resolving references in Bundles": the fullUrl, then `Type/id` against the base of the entry
that refers; beside it conditional references and logical ones, by a business identifier of the input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import orjson

from adapters.fhir.entries import Entry
from hie.fhir import digits
from hie.fhir.ids import resource_id
from hie.fhir.provenance import ABSENT
from hie.fhir.validate import types
from hie.model import Resource

REST = re.compile(r"(?:(https?://.+?)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.\-_]{1,64})(?:/_history/[^/]+)?\Z")
_CONDITIONAL = re.compile(r"(?:https?://.+/)?([A-Z][A-Za-z]+)\?(?:.*&)?identifier=([^&]*)")
_RESOURCE_IDENTIFIER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "RI"}]}
_MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}
_REFERENCE = frozenset(
    {"id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display"}
)
_MATERIAL = "education"
"""Immunization.education has a `reference` that is the address of a leaflet, the only one in R4 that is no Reference."""
_CANONICAL = ("questionnaire", "instantiatesCanonical")


def base_of(url: str) -> str:
    """Base of a RESTful absolute URL, else ""."""
    match = REST.match(url)
    return (match.group(1) or "") if match else ""


def system_of(base: str, feed: str, kind: str) -> str:
    """The identifier system of the ids that a sender's server gives to resources of one type."""
    return f"{base or f'urn:hie:fhir:{feed}'}/{kind}"


def conditional(reference: str) -> tuple[str, str, str] | None:
    """(type, system, value) of `Patient?identifier=system|value`, None where it is no such reference."""
    match = _CONDITIONAL.match(reference)
    if match is None:
        return None
    kind, token = match.group(1), unquote(match.group(2))
    system, bar, value = token.partition("|")
    return (kind, system, value) if bar and value else (kind, "", token) if token and not bar else None


class Ids:
    """Ids of ours for every entry of one input, and how its references find them."""

    def __init__(self, scope: str, feed: str, entries: list[Entry]) -> None:
        self._feed = feed
        self._by_url: dict[str, Entry] = {}
        self._by_identifier: dict[tuple[str, str, str], Entry] = {}
        self._new: dict[int, str] = {}
        used: set[str] = set()
        for entry in entries:
            sent = entry.resource.get("id")
            base = base_of(entry.full_url)
            self._new[id(entry)] = _own(scope, entry, base, used)
            if entry.full_url:
                self._by_url[entry.full_url] = entry
            if isinstance(sent, str):
                self._by_url.setdefault(f"{base}/{entry.type}/{sent}" if base else f"{entry.type}/{sent}", entry)
                self._by_url.setdefault(f"{entry.type}/{sent}", entry)
            if isinstance(url := entry.resource.get("url"), str):
                self._by_url.setdefault(url, entry)
            for identifier in identifiers(entry.resource):
                key = (entry.type, str(identifier.get("system", "")), str(identifier["value"]))
                self._by_identifier.setdefault(key, entry)

    def new(self, entry: Entry) -> str:
        """`Type/id` of an entry in the record."""
        return f"{entry.type}/{self._new[id(entry)]}"

    def target(self, entry: Entry, reference: str) -> Entry | None:
        """The entry that `reference`, standing in `entry`, points to."""
        match = REST.match(reference)
        if match is None:
            if named := conditional(reference):
                return self.identified(*named)
            found = self._by_url.get(reference)
            return found or (self._by_url.get(reference.partition("|")[0]) if "|" in reference else None)
        base, kind, identity = match.groups()
        if base:
            return self._by_url.get(f"{base}/{kind}/{identity}") or self._by_url.get(reference)
        own = base_of(entry.full_url)
        found = self._by_url.get(f"{own}/{kind}/{identity}") if own else None
        return found or self._by_url.get(f"{kind}/{identity}")

    def identified(self, kind: str, system: str, value: str) -> Entry | None:
        """The entry of a type with a business identifier."""
        return self._by_identifier.get((kind, system, value))

    def pointed(self, entry: Entry, element: Mapping[str, Any]) -> Entry | None:
        """The entry that a Reference points to, by its literal or, without one, by its identifier."""
        reference = element.get("reference")
        if isinstance(reference, str):
            return None if reference.startswith("#") else self.target(entry, reference)
        identifier, kind = element.get("identifier"), element.get("type")
        if isinstance(identifier, dict) and isinstance(kind, str) and identifier.get("value"):
            return self.identified(kind, str(identifier.get("system", "")), str(identifier["value"]))
        return None

    def targets(self, entry: Entry) -> Iterator[Entry]:
        """Every entry that `entry` refers to."""
        for element in pointers(entry.resource):
            found = self.target(entry, element) if isinstance(element, str) else self.pointed(entry, element)
            if found is not None and found is not entry:
                yield found

    def rewritten(self, entry: Entry, allowed: Callable[[Entry], bool]) -> tuple[Resource, list[str], list[str]]:
        """The resource with its id and references inside the record; the places (`subject`) of references to entries that
        are not `allowed` and were cut; and the places of what went otherwise (an id that has no place)."""
        cut: list[str] = []
        lost: list[str] = []
        made: Resource = self._walk(entry, entry.resource, "", allowed, cut, lost)
        inside = {f"#{c.get('id')}" for c in made.get("contained", ())}
        _within(made, "", inside | {"#"}, lost)
        sent = made.get("id")
        made["id"] = self._new[id(entry)]
        if isinstance(sent, str) and not self._keeps_sent_id(entry, made, sent):
            lost.append("id")
        meta = made.pop("meta", {})
        lost.extend(f"meta.{name}" for name in ("versionId", "lastUpdated") if name in meta)
        meta = {k: v for k, v in meta.items() if k.lstrip("_") not in ("versionId", "lastUpdated")}
        if meta:
            made["meta"] = meta
        return made, cut, lost

    def _keeps_sent_id(self, entry: Entry, made: Resource, sent: str) -> bool:
        element = types()[entry.type].elements.get("identifier")
        if element is None or element.kind != "Identifier" or (not element.many and "identifier" in made):
            return False
        own = {"type": _RESOURCE_IDENTIFIER, "system": system_of(base_of(entry.full_url), self._feed, entry.type)}
        if not element.many:
            made["identifier"] = {**own, "value": sent}
        elif not any(i.get("system") == own["system"] and i.get("value") == sent for i in made.get("identifier", ())):
            made["identifier"] = [*made.get("identifier", ()), {**own, "value": sent}]
        return True

    def _walk(
        self, entry: Entry, value: Any, path: str, allowed: Callable[[Entry], bool], cut: list[str], lost: list[str]
    ) -> Any:
        if isinstance(value, list):
            items = [self._walk(entry, v, path, allowed, cut, lost) for v in value]
            kept = [v for v in items if v is not _MASKED]
            return kept if kept or not items else [dict(_MASKED)]
        if not isinstance(value, dict) or (path == _MATERIAL and entry.type == "Immunization"):
            return value
        made: Resource = {}
        for name, item in value.items():
            one = self._walk(entry, item, f"{path}.{name}" if path else name, allowed, cut, lost)
            made[name] = dict(_MASKED) if one is _MASKED else one
        reference = made.get("reference")
        if isinstance(reference, str) and not reference.startswith("#") and made.keys() <= _REFERENCE:
            found = self.target(entry, reference)
            if found is None:
                if "identifier" in made:
                    lost.append(f"{path}.reference")
                return logical(made, reference, base_of(entry.full_url), self._feed)
            if not allowed(found):
                cut.append(path)
                return _MASKED
            made["reference"] = self.new(found)
        elif (
            reference is None
            and "identifier" in made
            and made.keys() <= _REFERENCE
            and (found := self.pointed(entry, made))
        ):
            if allowed(found):
                made["reference"] = self.new(found)
            elif found.type == "Patient":
                cut.append(path)
                return _MASKED
        if isinstance(url := made.get("url"), str) and "contentType" in made:
            self._attached(entry, made, url, path, allowed, cut)
        return made

    def _attached(
        self, entry: Entry, made: Resource, url: str, path: str, allowed: Callable[[Entry], bool], cut: list[str]
    ) -> None:
        found = self.target(entry, url)
        if found is None:
            if (match := REST.match(url)) and not match.group(1) and (base := base_of(entry.full_url)):
                made["url"] = f"{base}/{url}"
        elif allowed(found):
            made["url"] = self.new(found)
        else:
            del made["url"]
            cut.append(f"{path}.url")


def _within(value: Any, path: str, inside: set[str], lost: list[str]) -> None:
    """Takes away references to contained resources that are not there."""
    for item in value if isinstance(value, list) else ():
        _within(item, path, inside, lost)
    if not isinstance(value, dict):
        return
    reference = value.get("reference")
    if isinstance(reference, str) and reference[:1] == "#" and reference not in inside and value.keys() <= _REFERENCE:
        del value["reference"]
        lost.append(f"{path}.reference")
        if not value:
            value["extension"] = [{"url": ABSENT, "valueCode": "unknown"}]
    for name, item in value.items():
        if isinstance(item, dict | list):
            _within(item, f"{path}.{name}" if path else name, inside, lost)


def _own(scope: str, entry: Entry, base: str, used: set[str]) -> str:
    """An id for the entry. Where two would get the same (one accession number on ten results), their content decides."""
    business = _business(entry, base)
    made = resource_id(scope, entry.type, *business)
    if f"{entry.type}/{made}" in used:
        content = _digest(entry.resource)
        made = resource_id(scope, entry.type, *business, content)
        number = 1
        while f"{entry.type}/{made}" in used:
            number += 1
            made = resource_id(scope, entry.type, *business, content, str(number))
    used.add(f"{entry.type}/{made}")
    return made


def _business(entry: Entry, base: str) -> tuple[str, ...]:
    """What identifies the resource at its sender: base and id, else its first identifier, else what it says."""
    sent = entry.resource.get("id")
    temporary = entry.full_url.startswith("urn:")
    if isinstance(sent, str) and not temporary:
        return ("id", base, sent)
    first = next(identifiers(entry.resource), None)
    if first is not None:
        named = ("identifier", str(first.get("system", "")), str(first["value"]))
        # one accession or order number stands on every result of it, today's and tomorrow's
        return (*named, _digest(entry.resource.get("code"))) if entry.type == "Observation" else named
    if entry.full_url.startswith(("urn:uuid:", "urn:oid:", "http")):
        return ("url", entry.full_url)
    return ("content", _digest(entry.resource))


def _digest(value: Any) -> str:
    return sha256(digits.dumps(value, orjson.OPT_SORT_KEYS)).hexdigest()


def identifiers(resource: Resource) -> Iterator[dict[str, Any]]:
    """The business identifiers of a resource that have a value."""
    given = resource.get("identifier")
    for identifier in given if isinstance(given, list) else [given]:
        if isinstance(identifier, dict) and identifier.get("value"):
            yield identifier


def logical(element: dict[str, Any], reference: str, base: str, feed: str) -> dict[str, Any]:
    """A Reference whose target did not come along: by identifier, never by an id that is not ours."""
    made = {k: v for k, v in element.items() if k != "reference"}
    if "identifier" in made:
        return made
    if named := conditional(reference):
        kind, system, value = named
        made |= {"type": kind, "identifier": {"value": value} | ({"system": system} if system else {})}
    elif rest := REST.match(reference):
        own, kind, value = rest.groups()
        made |= {"type": kind, "identifier": {"system": system_of(own or base, feed, kind), "value": value}}
    else:
        made["identifier"] = {"system": "urn:ietf:rfc:3986", "value": reference}
    return made


def pointers(value: Any) -> Iterator[Any]:
    """Every Reference, as an element, and every address or canonical, as text, below `value`."""
    if isinstance(value, list):
        for item in value:
            yield from pointers(item)
    elif isinstance(value, dict):
        if value.keys() <= _REFERENCE and (isinstance(value.get("reference"), str) or "identifier" in value):
            yield value
        for name, item in value.items():
            if isinstance(item, str):
                if name in _CANONICAL or (name == "url" and "contentType" in value):
                    yield item
            elif name in _CANONICAL and isinstance(item, list):
                yield from (one for one in item if isinstance(one, str))
            elif isinstance(item, dict | list):
                yield from pointers(item)
