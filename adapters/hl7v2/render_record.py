"""The resources of a view, found by type and by reference, and the segments that people and places become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.hl7v2.render_types import authority, composed, text
from hie.model import Resource, View

_NPI = "http://hl7.org/fhir/sid/us-npi"


class RecordIndex:
    """Looks up resources of one view; those marked entered-in-error by verificationStatus are not there."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._by_type: dict[str, list[Resource]] = {}
        self._by_reference: dict[str, Resource] = {}
        for resource in view.resources:
            self._by_type.setdefault(resource["resourceType"], []).append(resource)
            self._by_reference[f"{resource['resourceType']}/{resource.get('id')}"] = resource

    def all(self, *types: str) -> list[Resource]:
        return [resource for name in types for resource in self._by_type.get(name, ())]

    def at(self, reference: Mapping[str, Any] | None) -> Resource | None:
        """The resource a Reference points to, where it is in the view."""
        return self._by_reference.get(reference.get("reference", "")) if reference else None

    @property
    def patient(self) -> Resource | None:
        found = self._by_reference.get(self.view.patient or "")
        return found or next(iter(self.all("Patient")), None)

    @property
    def encounter(self) -> Resource | None:
        return next(iter(self.all("Encounter")), None)

    @property
    def level(self) -> str:
        """V, R or "": the highest confidentiality in the view."""
        codes = {
            label.get("code")
            for resource in self.view.resources
            for label in resource.get("meta", {}).get("security", ())
            if str(label.get("system", "")).endswith("v3-Confidentiality")
        }
        return "V" if "V" in codes else "R" if "R" in codes else ""

    @property
    def processing(self) -> str:
        """MSH-11: T or D where the source said so (table 0103) or a resource is tagged HTEST, else P."""
        found = "P"
        for resource in self.view.resources:
            for kind in ("tag", "security"):
                for tag in resource.get("meta", {}).get(kind, ()):
                    if tag.get("code") == "HTEST":
                        return "T"
                    if str(tag.get("system", "")).endswith("v2-0103") and tag.get("code") in ("T", "D"):
                        found = tag["code"]
        return found

    def xcn(self, reference: Mapping[str, Any] | None) -> str:
        """A Practitioner (or PractitionerRole, or display) as XCN, the NPI first."""
        if not reference:
            return ""
        found = self.at(reference)
        if found is not None and found["resourceType"] == "PractitionerRole":
            return self.xcn(found.get("practitioner"))
        if found is None or found["resourceType"] != "Practitioner":
            words = reference.get("display") or (found or {}).get("name", "")
            return composed("", text(words)) if isinstance(words, str) and words else ""
        identifiers = sorted(found.get("identifier", ()), key=lambda i: i.get("system") != _NPI)
        identifier = identifiers[0] if identifiers else {}
        name = (found.get("name") or [{}])[0]
        given = name.get("given") or [""]
        system = identifier.get("system", "")
        return composed(
            text(identifier.get("value", "")),
            text(name.get("family") or name.get("text", "")),
            text(given[0]),
            text(" ".join(given[1:])),
            text(" ".join(name.get("suffix") or [])),
            text(" ".join(name.get("prefix") or [])),
            "",
            "",
            authority(system),
            "",
            "",
            "",
            "NPI" if system == _NPI else "",
        )

    def organization(self, reference: Mapping[str, Any] | None) -> str:
        """The name of an Organization or Location, or the display."""
        found = self.at(reference) or {}
        return text(found.get("name") or (reference or {}).get("display", ""))


def extension(resource: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    return next((e for e in resource.get("extension", ()) if e.get("url") == url), {})


def notes(resource: Mapping[str, Any]) -> list[str]:
    """Texts of Annotation elements."""
    found: Iterable[Mapping[str, Any]] = resource.get("note", ())
    return [n["text"] for n in found if n.get("text")]
