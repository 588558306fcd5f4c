"""References as sent -> references inside the record, or a logical reference where the target did not come along.

Resolution follows FHIR R4 "Resolving references in Bundles": the fullUrl, then `Type/id` against the base of the entry
that refers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from adapters.fhir.entries import NO_IDENTIFIER, ONE_IDENTIFIER, Entry
from hie.fhir.ids import resource_id
from hie.model import Resource

_REST = re.compile(r"(?:(https?://.+?)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?\Z")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?identifier=([^|&]*)\|([^&]+)\Z")
_RESOURCE_IDENTIFIER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "RI"}]}


def base_of(url: str) -> str:
    """Base of a RESTful absolute URL, else ""."""
    match = _REST.match(url)
    return (match.group(1) or "") if match else ""


class Ids:
    """Ids of ours for every entry of one input, and how its references find them."""

    def __init__(self, scope: str, feed: str, entries: list[Entry]) -> None:
        self._feed = feed
        self._by_url: dict[str, Entry] = {}
        self._new: dict[int, str] = {}
        for entry in entries:
            sent = entry.resource.get("id")
            base = base_of(entry.full_url)
            self._new[id(entry)] = resource_id(scope, entry.type, *_business(entry, base))
            if entry.full_url:
                self._by_url[entry.full_url] = entry
            if isinstance(sent, str):
                self._by_url.setdefault(f"{base}/{entry.type}/{sent}" if base else f"{entry.type}/{sent}", entry)
                self._by_url.setdefault(f"{entry.type}/{sent}", entry)

    def new(self, entry: Entry) -> str:
        """`Type/id` of an entry in the record."""
        return f"{entry.type}/{self._new[id(entry)]}"

    def target(self, entry: Entry, reference: str) -> Entry | None:
        """The entry that `reference`, standing in `entry`, points to."""
        match = _REST.match(reference)
        if match is None:
            return self._by_url.get(reference)
        base, kind, identity = match.groups()
        if base:
            return self._by_url.get(f"{base}/{kind}/{identity}")
        own = base_of(entry.full_url)
        found = self._by_url.get(f"{own}/{kind}/{identity}") if own else None
        return found or self._by_url.get(f"{kind}/{identity}")

    def rewritten(self, entry: Entry, allowed: Callable[[Entry], bool]) -> tuple[Resource, list[str]]:
        """The resource with its id and references inside the record, and the places (`subject`) of references to
        entries that are not `allowed` and were cut."""
        cut: list[str] = []
        made = self._walk(entry, entry.resource, "", allowed, cut)
        sent = made.get("id")
        made["id"] = self._new[id(entry)]
        if isinstance(sent, str):
            self._keep_sent_id(entry, made, sent)
        meta = {k: v for k, v in made.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
        made.pop("meta", None)
        if meta:
            made["meta"] = meta
        return made, cut

    def _keep_sent_id(self, entry: Entry, made: Resource, sent: str) -> None:
        system = base_of(entry.full_url) or f"urn:hie:fhir:{self._feed}"
        own = {"type": _RESOURCE_IDENTIFIER, "system": f"{system}/{entry.type}", "value": sent}
        if entry.type in NO_IDENTIFIER:
            return
        if entry.type in ONE_IDENTIFIER:
            made.setdefault("identifier", own)
        else:
            made["identifier"] = [*made.get("identifier", ()), own]

    def _walk(self, entry: Entry, value: Any, path: str, allowed: Callable[[Entry], bool], cut: list[str]) -> Any:
        if isinstance(value, list):
            return [self._walk(entry, v, path, allowed, cut) for v in value]
        if not isinstance(value, dict):
            return value
        made = {k: self._walk(entry, v, f"{path}.{k}" if path else k, allowed, cut) for k, v in value.items()}
        reference = made.get("reference")
        if isinstance(reference, str) and not reference.startswith("#"):
            found = self.target(entry, reference)
            if found is None:
                return _logical(made, reference, self._feed)
            if not allowed(found):
                cut.append(path)
                return {"display": "not part of this record"}
            made["reference"] = self.new(found)
        if isinstance(url := made.get("url"), str) and "contentType" in made and (found := self.target(entry, url)):
            made["url"] = self.new(found) if allowed(found) else ""
        return made


def _business(entry: Entry, base: str) -> tuple[str, ...]:
    """What identifies the resource at its sender: base and id, else its first identifier, else its place."""
    sent = entry.resource.get("id")
    temporary = entry.full_url.startswith("urn:uuid:")
    identifier = entry.resource.get("identifier")
    first: Mapping[str, Any] = identifier[0] if isinstance(identifier, list) and identifier else {}
    if isinstance(identifier, dict):
        first = identifier
    named = (str(first.get("system", "")), str(first["value"])) if first.get("value") else ()
    if isinstance(sent, str) and not temporary:
        return ("id", base, sent)
    return ("identifier", *named) if named else ("url", entry.full_url or entry.where)


def _logical(element: dict[str, Any], reference: str, feed: str) -> dict[str, Any]:
    """A Reference whose target did not come along: by identifier, never by an id that is not ours."""
    made = {k: v for k, v in element.items() if k != "reference"}
    if "identifier" in made:
        return made
    if conditional := _CONDITIONAL.match(reference):
        kind, system, value = conditional.groups()
        made |= {"type": kind, "identifier": {"value": value} | ({"system": system} if system else {})}
    elif rest := _REST.match(reference):
        base, kind, value = rest.groups()
        made |= {"type": kind, "identifier": {"system": f"{base or f'urn:hie:fhir:{feed}'}/{kind}", "value": value}}
    else:
        made["identifier"] = {"system": "urn:ietf:rfc:3986", "value": reference}
    return made
