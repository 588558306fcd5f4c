"""The directory of participants: who may send and receive, under which names consents know them, who belongs to whom."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from hie.model import Resource
from hie.sections import Participant


class Directory:
    def __init__(self, participants: Iterable[Participant]) -> None:
        self.by_name = {p.name: p for p in participants}

    def line(self, name: str) -> list[Participant]:
        """The participant, then its parents, nearest first. A cycle ends where it closes."""
        found: list[Participant] = []
        step: str | None = name
        while step is not None and step in self.by_name and self.by_name[step] not in found:
            found.append(self.by_name[step])
            step = found[-1].part_of
        return found

    def references(self, name: str) -> frozenset[str]:
        """Everything by which a consent may name the participant or a parent of it."""
        return frozenset(r for p in self.line(name) for r in (f"Organization/{p.name}", *p.references))

    def organizations(self) -> list[Resource]:
        """The participants as FHIR Organizations, as consents and their actors see them."""
        found: list[Resource] = []
        for p in self.by_name.values():
            named: Resource = {"resourceType": "Organization", "id": p.name, "active": p.state == "active"}
            if p.part_of:
                named["partOf"] = {"reference": f"Organization/{p.part_of}"}
            pairs = [r.partition("|") for r in p.references if "|" in r]
            if pairs:
                named["identifier"] = [{"system": system, "value": value} for system, _, value in pairs]
            found.append(named)
        return found

    @property
    def known(self) -> frozenset[str]:
        """Every reference that names a participant."""
        return frozenset(r for p in self.by_name.values() for r in p.references if "|" not in r)

    def state(self, name: str) -> str:
        """active, suspended, left, or unknown; a suspended parent suspends its children."""
        line = self.line(name)
        if not line:
            return "unknown"
        return next((p.state for p in line if p.state != "active"), "active")

    @cached_property
    def types(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(t for p in self.line(name) for t in p.types) for name in self.by_name}
