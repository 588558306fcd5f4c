"""The output as values at paths, references followed, so that a fact can be looked for at the element of its meaning."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from typing import Any

from tests.fidelity.compare import plain, same
from tests.fidelity.fact import Fact

Resource = dict[str, Any]
Leaf = tuple[str, str, Any]

# links from a statement to its context: following them would let a value count for any statement of the message
CONTEXT = {
    "subject",
    "patient",
    "beneficiary",
    "encounter",
    "focus",
    "basedOn",
    "hasMember",
    "result",
    "derivedFrom",
    "partOf",
    "target",
    "context",
    "entry",
}
STANDARD = ("http://hl7.org/fhir/", "http://hl7.org/cda/", "https://hl7.org/")
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
UNCOUNTED = {"div", "reference", "id"}
# elements that FHIR gives no time of day
DATES = {"birthDate", "startDate", "expirationDate"}
DEPTH = 4


class Output:
    """The resources of one line of `hie decode`."""

    def __init__(self, resources: list[Resource]) -> None:
        self.resources = resources
        self.by_reference = {f"{each['resourceType']}/{each['id']}": each for each in resources if "id" in each}
        self.sources: dict[str, list[Resource]] = {}
        self._narratives: list[str] = []
        self._leaves: dict[int, list[Leaf]] = {}
        for each in resources:
            if each["resourceType"] != "Provenance":
                continue
            targets = [
                self.by_reference[t["reference"]]
                for t in each.get("target", [])
                if t.get("reference") in self.by_reference
            ]
            for entity in each.get("entity", []):
                display = entity.get("what", {}).get("display")
                if display:
                    self.sources.setdefault(display, []).extend(targets)

    def leaves(self, resource: Resource) -> list[Leaf]:
        """Every value of a resource and of what it refers to: (path, last element, value)."""
        found = self._leaves.get(id(resource))
        if found is None:
            found = list(self._walk(resource["resourceType"], resource, resource, 0))
            self._leaves[id(resource)] = found
        return found

    def _walk(self, path: str, value: Any, root: Resource, depth: int) -> Iterator[Leaf]:
        if isinstance(value, list):
            for each in value:
                yield from self._walk(path, each, root, depth)
            return
        if not isinstance(value, dict):
            name = path.rsplit(".", 1)[-1]
            if name not in UNCOUNTED:
                yield path, name, value
            return
        for key, inner in value.items():
            if key in ("resourceType", "text") and isinstance(inner, dict) and "div" in inner:
                continue
            if key == "contained" or key == "resourceType":
                continue
            if key in ("extension", "modifierExtension"):
                for each in inner:
                    url = each.get("url", "")
                    nested = ".extension" in path
                    if url != ABSENT and (url.startswith(STANDARD) or (nested and ":" not in url)):
                        yield from self._walk(
                            f"{path}.extension", {k: v for k, v in each.items() if k != "url"}, root, depth
                        )
                continue
            yield from self._walk(f"{path}.{key.removeprefix('_')}", inner, root, depth)
        reference = value.get("reference")
        if (
            isinstance(reference, str)
            and depth < DEPTH
            and (reference[0] == "#" or "ocation" in path or path.rsplit(".", 1)[-1] not in CONTEXT)
        ):
            target = self._resolve(reference, root)
            if target is not None:
                yield from self._walk(
                    path, target, root if reference.startswith("#") else target, depth + (reference[0] != "#")
                )

    def _resolve(self, reference: str, root: Resource) -> Resource | None:
        if reference.startswith("#"):
            return next((each for each in root.get("contained", []) if each.get("id") == reference[1:]), None)
        return self.by_reference.get(reference)

    def near(self, scope: str) -> list[Resource]:
        """The resources that came from a segment, or from an element, what contains it up to its entry, and what it contains."""
        if not scope.startswith("/"):
            return self.sources.get(scope, []) or self.sources.get(scope.split("[")[0], [])
        found: list[Resource] = []
        for display, targets in self.sources.items():
            if display.startswith(scope) or (scope.startswith(display) and "/entry" in display):
                found.extend(targets)
        return found

    def finds(self, fact: Fact) -> bool:
        """Is the fact at a place of its meaning: in what came from its segment or entry, or, if that is no matter, anywhere."""
        if fact.form == "narrative":
            return self._narrated(fact.accept[0])
        near = self.near(fact.scope) if fact.scope else []
        if any(self._holds(each, fact) for each in near):
            return True
        if fact.strict and near:
            return False
        return any(self._holds(each, fact) for each in self.resources)

    def _narrated(self, text: str) -> bool:
        """Is a section's text, word for word, in a section of the Composition?"""
        if not self._narratives:
            for each in self.resources:
                if each["resourceType"] == "Composition":
                    self._narratives.extend(_divs(each.get("section", [])))
        wanted = re.sub(r"\W+", "", plain(text))
        return any(wanted in each for each in self._narratives)

    def _holds(self, resource: Resource, fact: Fact) -> bool:
        kind = resource["resourceType"]
        places = [p for p in fact.places if p.startswith("*") or p.split(".")[0] == kind]
        if not places:
            return False
        for path, name, value in self.leaves(resource):
            if fact.ends and not any(name == end or path.endswith("." + end) for end in fact.ends):
                continue
            if any(_under(path, place, kind) for place in places) and _equal(value, fact, name):
                return True
        return False


def _under(path: str, place: str, kind: str) -> bool:
    if place.startswith("*"):
        return place[1:] in path[len(kind) :]
    return path.startswith(place)


def _equal(value: Any, fact: Fact, name: str = "") -> bool:
    if fact.form == "base64" or (name == "data" and fact.form == "has"):
        try:
            text = plain(base64.b64decode(str(value)).decode("utf-8", "replace"))
        except (binascii.Error, ValueError):
            text = ""
        return any(
            plain(each) in text or re.sub(r"\s", "", each) == re.sub(r"\s", "", str(value))
            for each in fact.accept
            if each
        )
    if fact.form == "time" and name in DATES:
        return any(same(value, each[:8], "time") for each in fact.accept)
    return any(same(value, each, fact.form) for each in fact.accept)


def _divs(sections: list[dict[str, Any]]) -> Iterator[str]:
    for each in sections:
        div = each.get("text", {}).get("div", "")
        yield re.sub(r"\W+", "", plain(html.unescape(re.sub(r"<[^>]*>", "", div))))
        yield from _divs(each.get("section", []))
