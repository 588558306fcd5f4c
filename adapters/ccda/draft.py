"""The record while it is being written: resources under deterministic ids, where each came from, what was odd.

One fact is written once: the same identifier with compatible content completes the resource that is there; the same
identifier with contradicting content (vendors reuse ids) becomes a resource of its own, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

import orjson

from adapters.ccda.place import Places
from adapters.ccda.tree import Node, Tree
from hie.codes.systems import from_oid, from_v2_name, is_oid
from hie.fhir import digits
from hie.fhir.ids import resource_id
from hie.model import FeedContext, Resource, Source, Warning


class Dispatch(Protocol):
    """Maps one statement in the light of its section; references of what it became."""

    def __call__(self, d: Draft, node: Node, section: Any) -> list[str]: ...


def _nobody(d: Draft, node: Node, section: Any) -> list[str]:
    return []


class Draft:
    """All that the mappers of one document share."""

    def __init__(self, tree: Tree, context: FeedContext, sender: str) -> None:
        self.tree = tree
        self.context = context
        self.sender = sender
        self.patient = ""
        """Reference of the subject, set once the patient is written."""
        self.patient_name = ""
        self.resources: dict[str, Resource] = {}
        self.origins: list[tuple[str, Node]] = []
        self.flags: list[tuple[str, Node, str]] = []
        self.places = Places()
        self.people: dict[str, str] = {}
        """Identifier of a clinician, device or organisation -> reference, so that an id alone finds the full entry."""
        self.systems: dict[str, str] = {}
        self.pending: list[Node] = []
        """Entry references whose target has not been met yet."""
        self.authored: list[tuple[Node, str]] = []
        """Statement -> the reference it became, for the authors that its resource has no element for."""
        self.gone: set[str] = set()
        """References taken back by `rollback`."""
        self.labels: list[Resource] = []
        """Security labels of the document as a whole."""
        self.visits: dict[str, list[str]] = {}
        """Start of an encounter -> its references."""
        self.stays: list[Resource] = []
        """Composition.event for the times of a visit that differ from those of its Encounter."""
        self.quotes: dict[int, tuple[str, str]] = {}
        """Narrative element -> (its XHTML, its text), once an entry has quoted it."""
        self.quota = 2 * len(tree.raw) + 100_000
        """Characters that entries may still quote: many entries that each point to a whole table must not multiply it."""
        self.made: dict[int, tuple[str, ...]] = {}
        """Statement node -> references of what it became, so that one entry is mapped once."""
        self.dispatch: Dispatch = _nobody
        """Maps a nested statement; set by the decoder, because every kind of statement may hold every other."""
        self.aliases: dict[str, str] = {}
        """Entry id (root|extension) -> reference, for entries that point to another one by id."""

    def system(self, oid: str) -> str:
        """URI of an OID, UUID or configured name used as a code or identifier system."""
        known = self.systems.get(oid)
        if known is None:
            known = self.systems[oid] = self._system(oid)
        return known

    def _system(self, oid: str) -> str:
        configured = self.context.authorities.get(oid)
        if configured:
            return configured
        bare = oid.strip()
        if ("://" in bare or bare.lower().startswith("urn:")) and not any(c.isspace() for c in bare):
            return bare
        if len(bare) == 36 and bare.count("-") == 4:
            return f"urn:uuid:{bare.lower()}"
        # a name where an OID belongs ("LOINC") is taken as the name it is
        return from_oid(bare) if is_oid(bare) else from_v2_name(bare, self.context.authorities)

    def warn(self, code: str, node: Node, text: str) -> None:
        """`text` never holds a value of the document."""
        self.flags.append((code, node, text))

    def add(self, resource: Resource, node: Node | None, ids: list[Resource] | None = None) -> str:
        """Files `resource` (its `id` is set here) and returns its reference. `ids` are FHIR identifiers, best first."""
        kind: str = resource["resourceType"]
        digest = ""
        if ids:
            first = ids[0]
            business = f"{first.get('system', '')}|{first.get('value', '')}"
        else:
            business = digest = _digest(resource)
        reference = f"{kind}/{resource_id(self.sender, kind, business)}"
        present = self.resources.get(reference)
        if present is not None and present is not resource:
            doubled = _doubled(present, resource)
            if merge(present, resource):
                if doubled and node is not None:
                    self.warn(
                        "second-value", node, "another mention of one fact dates it differently: the first stands"
                    )
            else:
                if node is not None:
                    self.warn("id-reused", node, "one identifier stands for different content")
                reference = f"{kind}/{resource_id(self.sender, kind, business, digest or _digest(resource))}"
                present = self.resources.get(reference)
                if present is None:
                    resource["id"] = reference.partition("/")[2]
                    self.resources[reference] = resource
        else:
            resource["id"] = reference.partition("/")[2]
            self.resources[reference] = resource
        if node is not None:
            self.origins.append((reference, node))
        return reference

    def mark(self) -> tuple[int, int, int]:
        """A point to come back to with `rollback`."""
        return len(self.resources), len(self.origins), len(self.flags)

    def rollback(self, mark: tuple[int, int, int], node: Node) -> None:
        """Takes back what an entry wrote since `mark`, and un-reads its nodes."""
        resources, origins, flags = mark
        gone = set(list(self.resources)[resources:])
        for reference in gone:
            del self.resources[reference]
        del self.origins[origins:]
        del self.flags[flags:]
        self.gone |= gone
        self.people = {k: v for k, v in self.people.items() if v.partition("\x1f")[0] not in gone}
        self.aliases = {k: v for k, v in self.aliases.items() if v not in gone}
        for each in node.walk():
            each.used = False
            self.made.pop(id(each), None)

    def finished(self) -> tuple[Resource, ...]:
        """All resources; what a failed entry had already hung onto others is taken out again."""
        gone = self.gone - self.resources.keys()
        if not gone:
            return tuple(self.resources.values())
        return tuple(without(resource, gone) for resource in self.resources.values())

    def sources(self) -> tuple[Source, ...]:
        path = self.places.path
        return tuple(Source(reference, path(node)) for reference, node in dict.fromkeys(self.origins))

    def warnings(self) -> list[Warning]:
        path = self.places.path
        return list(dict.fromkeys(Warning(code, path(node), text) for code, node, text in self.flags))


def start(kind: str) -> Resource:
    """A resource with its type first and its id reserved."""
    return {"resourceType": kind, "id": ""}


def refer(reference: str, display: str = "") -> Resource:
    return {"reference": reference, "display": display} if display else {"reference": reference}


def put(resource: Resource, **values: Any) -> None:
    """Sets the elements that have a value."""
    for key, value in values.items():
        if value or value is False or (value == 0 and value is not None):
            resource[key] = value


def merge(present: Resource, other: Mapping[str, Any]) -> bool:
    """Completes `present` with what only `other` says; False (and no change) where they contradict each other."""
    if not _same_person(present, other):
        return False
    for key, value in other.items():
        if key not in ("id", "text") and key in present and not _compatible(key, present[key], value):
            return False
    for key, value in other.items():
        if key == "id":
            continue
        mine = present.get(key)
        if mine is None:
            present[key] = value
        elif key == "code" and isinstance(mine, dict) and mine != value:
            codings = mine.get("coding", [])
            mine["coding"] = codings + [each for each in value["coding"] if each not in codings]
            if "text" in value:
                mine.setdefault("text", value["text"])
        elif key == "extension":
            urls = {each["url"] for each in mine}
            present[key] = mine + [each for each in value if each["url"] not in urls]
        elif isinstance(mine, list) and isinstance(value, list):
            present[key] = joined(mine, value)
    return True


def joined(mine: list[Any], more: list[Any]) -> list[Any]:
    """Both lists as one, without what says no more than another item: the same number once with and once without its use."""
    made = list(mine)
    for item in more:
        if any(_within(item, each) for each in made):
            continue
        made = [each for each in made if not _within(each, item)]
        made.append(item)
    return made


def _within(item: Any, other: Any) -> bool:
    if isinstance(item, dict) and isinstance(other, dict):
        return all(other.get(key) == value for key, value in item.items())
    return bool(item == other)


def _same_person(present: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Placeholder ids are shared by whole staffs: people of one id but of no common family name are not one."""
    if present["resourceType"] not in ("Practitioner", "RelatedPerson"):
        return True
    mine, theirs = (
        {each.get("family", each.get("text", "")).lower() for each in r.get("name", ())} for r in (present, other)
    )
    return not mine or not theirs or bool(mine & theirs)


_ADDITIVE = frozenset(
    [
        "identifier",
        "category",
        "name",
        "telecom",
        "address",
        "performer",
        "participant",
        "note",
        "reasonCode",
        "reasonReference",
        "hasMember",
        "author",
        "extension",
        "result",
        "specialty",
        "code",
        "type",
        "location",
        "diagnosis",
        "recorder",
        "qualification",
        "communication",
    ]
)
"""Lists of which two statements of one fact may each hold a part. Doses, reactions or ranges do not add up."""


def _doubled(present: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both carry one extension with different values: there is room for the first."""
    mine = {each["url"]: each for each in present.get("extension", ())}
    return any(mine.get(each["url"], each) != each for each in other.get("extension", ()))


def _compatible(key: str, mine: Any, other: Any) -> bool:
    if key == "code" and isinstance(mine, dict):
        # one code in common is one thing, whatever the narrative beside it and the translations say
        shared = [(c.get("system"), c["code"]) for c in mine.get("coding", ())]
        return mine == other or any((c.get("system"), c["code"]) in shared for c in other.get("coding", ()))
    return mine == other or (key in _ADDITIVE and isinstance(mine, list) and isinstance(other, list))


def without(value: Any, gone: set[str]) -> Any:
    """`value` without the references in `gone` and without what holds nothing else."""
    if isinstance(value, dict):
        if value.get("reference") in gone:
            return None
        kept = {key: without(each, gone) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return [each for each in (without(item, gone) for item in value) if each is not None] or None
    return value


def _digest(resource: Resource) -> str:
    return sha256(digits.dumps(resource, orjson.OPT_SORT_KEYS)).hexdigest()
