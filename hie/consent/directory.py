"""A directory made of FHIR resources: organisations and their parents, roles, groups, care teams, identifiers.

The requester's references are expanded once a request (`expand`); a consent's actors are then plain set members.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from hie.consent.period import period
from hie.consent.reference import CARRIERS, plain
from hie.model import Resource

_DIRECTORY_TYPES = CARRIERS | {"CareTeam"}


class Recipient(NamedTuple):
    """Whom a request comes from. `sure` names it; `possible` may name it, which is enough for a denial only."""

    sure: frozenset[str]
    possible: frozenset[str]


class Directory:
    """Implements `hie.consent.reference.Resolver`.

    `known`: references and identifiers (`system|value`) of participants that are configured rather than resources.
    `complete`: the resources are all there is (a file of cases). Otherwise references to clinical resources count as
    resolved, because one message never holds everything a consent may name.
    """

    def __init__(
        self, resources: Iterable[Resource], timezone: str, *, known: Iterable[str] = (), complete: bool = True
    ) -> None:
        self.timezone = timezone
        self.complete = complete
        self.resources: dict[str, Resource] = {}
        self._by_identifier: dict[str, set[str]] = defaultdict(set)
        self._parents: dict[str, str] = {}
        self._children: dict[str, set[str]] = defaultdict(set)
        self._roles: list[tuple[str, str, str, bool]] = []
        self._known = frozenset(known)
        for resource in resources:
            if isinstance(resource, dict) and isinstance(resource.get("id"), str):
                self._add(f"{resource.get('resourceType')}/{resource['id']}", resource)

    def _add(self, reference: str, resource: Resource) -> None:
        self.resources[reference] = resource
        for identifier in _list(resource.get("identifier")):
            if isinstance(identifier, dict) and identifier.get("value"):
                self._by_identifier[f"{identifier.get('system', '')}|{identifier['value']}"].add(reference)
        kind = resource.get("resourceType")
        if kind == "Organization" and (parent := _target(resource.get("partOf"))):
            self._parents[reference] = parent
            self._children[parent].add(reference)
        elif kind == "PractitionerRole":
            person, organisation = _target(resource.get("practitioner")), _target(resource.get("organization"))
            self._roles.append((reference, person, organisation, resource.get("active") is not False))

    # -- the consent's side ---------------------------------------------------------------------------------------

    def resolves(self, reference: str) -> bool:
        if reference in self.resources or reference in self._known:
            return True
        return not self.complete and reference.partition("/")[0] not in _DIRECTORY_TYPES and "/" in reference

    def open_ended(self, reference: str) -> bool:
        group = self.resources.get(reference, {})
        if group.get("resourceType") != "Group":
            return False
        return group.get("actual") is False or "characteristic" in group or "modifierExtension" in group

    def same(self, reference: str) -> frozenset[str]:
        found = {reference}
        if reference.startswith("Organization/"):
            queue = [reference]
            while queue:
                for child in self._children.get(queue.pop(), ()):
                    if child not in found:
                        found.add(child)
                        queue.append(child)
        for role, person, organisation, _ in self._roles:
            if person == reference or organisation in found:
                found.add(role)
        return frozenset(found)

    def outgoing(self, reference: str) -> frozenset[str]:
        return frozenset(targets(self.resources.get(reference, {})))

    def identified(self, system: str, value: str) -> frozenset[str]:
        name = f"{system}|{value}"
        found = frozenset(self._by_identifier.get(name, ()))
        return found | {name} if name in self._known else found

    # -- the requester's side -------------------------------------------------------------------------------------

    def state(self, references: Iterable[str]) -> str:
        """active, suspended (something held is marked inactive) or unknown (nothing held is in the directory)."""
        held = [self.resources[r] for r in references if r in self.resources]
        if any(one.get("active") is False for one in held):
            return "suspended"
        return "active" if held else "unknown"

    def expand(self, references: Iterable[str], now: float) -> Recipient:
        """All names of a requester: its roles, organisations and their parents, groups, care teams, identifiers."""
        held = {plain(r) for r in references} - {""}
        sure = set(held)
        for role, person, organisation, active in self._roles:
            if role in held and active:
                sure |= {person, organisation} - {""}
        self._upward(sure)
        for role, person, organisation, active in self._roles:
            if active and person in sure and organisation in sure:
                sure.add(role)
        possible: set[str] = set()
        if not any(r.startswith("Organization/") for r in sure):
            # a person who names no organisation may be acting for any of theirs
            for role, person, organisation, active in self._roles:
                if active and person in sure:
                    possible |= {role, organisation} - {""}
            self._upward(possible)
        self._memberships(sure, possible, now)
        for reference in list(sure):
            for identifier in _list(self.resources.get(reference, {}).get("identifier")):
                if isinstance(identifier, dict):
                    sure.add(f"{identifier.get('system', '')}|{identifier.get('value', '')}")
        return Recipient(frozenset(sure), frozenset(possible | sure))

    def _upward(self, found: set[str]) -> None:
        for reference in list(found):
            while (parent := self._parents.get(reference)) is not None and parent not in found:
                found.add(parent)
                reference = parent

    def _memberships(self, sure: set[str], possible: set[str], now: float) -> None:
        changed = True
        while changed:
            changed = False
            for reference, resource in self.resources.items():
                if reference in sure or resource.get("resourceType") not in ("Group", "CareTeam"):
                    continue
                if any(self._counts(resource, m, now) and _member(m) in sure for m in _members(resource)):
                    sure.add(reference)
                    changed = True
                elif reference not in possible and any(
                    _member(m) in sure or _member(m) in possible for m in _members(resource)
                ):
                    possible.add(reference)
                    changed = True

    def _counts(self, resource: Resource, member: dict[str, Any], now: float) -> bool:
        if resource.get("active") is False or resource.get("status") in ("suspended", "inactive", "entered-in-error"):
            return False
        if resource.get("actual") is False or "modifierExtension" in resource or "modifierExtension" in member:
            return False
        if member.get("inactive") not in (None, False):
            return False
        if "period" not in member:
            return True
        during = period(member["period"], self.timezone)
        return during is not None and during.start <= now < during.end


def targets(node: Any) -> set[str]:
    """Every reference inside a resource."""
    found: set[str] = set()
    stack = [node]
    while stack:
        at = stack.pop()
        if type(at) is dict:
            for key, value in at.items():
                kind = type(value)
                if kind is dict or kind is list:
                    stack.append(value)
                elif key == "reference" and kind is str:
                    found.add(plain(value))
        elif type(at) is list:
            stack.extend(at)
    return found


def _members(resource: Resource) -> list[dict[str, Any]]:
    key = "member" if resource.get("resourceType") == "Group" else "participant"
    return [m for m in _list(resource.get(key)) if isinstance(m, dict)]


def _member(member: dict[str, Any]) -> str:
    return _target(member.get("entity") or member.get("member"))


def _target(value: Any) -> str:
    return plain(value.get("reference")) if isinstance(value, dict) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
