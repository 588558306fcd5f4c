"""FHIR JSON as sent -> its resources with their places, and what cannot be taken: R5 shapes, unknown modifiers, deletes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from hie.errors import Rejected
from hie.model import Resource, Unmapped, Warning

MAX_DEPTH_HINT = "the body must be one FHIR R4 resource or Bundle as JSON"
_R5_TYPES = frozenset(
    [
        "ActorDefinition",
        "ArtifactAssessment",
        "BiologicallyDerivedProductDispense",
        "ConditionDefinition",
        "DeviceAssociation",
        "DeviceDispense",
        "DeviceUsage",
        "EncounterHistory",
        "FormularyItem",
        "GenomicStudy",
        "ImagingSelection",
        "InventoryItem",
        "InventoryReport",
        "NutritionIntake",
        "NutritionProduct",
        "Permission",
        "Requirements",
        "SubscriptionTopic",
        "TestPlan",
        "Transport",
    ]
)
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
LISTS = {
    "Patient": ("identifier", "name", "telecom", "address", "contact", "communication", "link", "generalPractitioner"),
}
OBJECTS = ("meta", "code", "subject", "patient", "encounter", "period", "maritalStatus")
ONE_IDENTIFIER = frozenset({"Composition", "QuestionnaireResponse", "Bundle", "DocumentManifest"})
NO_IDENTIFIER = frozenset(
    {"Provenance", "AuditEvent", "Binary", "MessageHeader", "OperationOutcome", "Parameters", "Linkage"}
)
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_BIRTH = re.compile(r"\d{4}(-\d\d(-\d\d)?)?\Z")


@dataclass(slots=True)
class Entry:
    """One resource of the input. `full_url` is "" where none was sent."""

    where: str
    full_url: str
    resource: Resource

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])


@dataclass(slots=True)
class Input:
    """A parsed body: the outer resource and, for a Bundle, what it holds."""

    outer: Resource
    entries: list[Entry]
    warnings: list[Warning]
    unmapped: list[Unmapped]


def parsed(raw: bytes) -> Resource:
    """The outer resource. Raises Rejected: `fhir-xml`, `fhir-json`, `fhir-type`."""
    body = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body[:1] == b"<":
        raise Rejected("the body is XML", code="fhir-xml", ack="AR", err=207, hint="FHIR is taken as JSON only")
    try:
        outer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Rejected("the body is not JSON", code="fhir-json", ack="AR", err=207, hint=MAX_DEPTH_HINT) from error
    if not isinstance(outer, dict) or not isinstance(kind := outer.get("resourceType"), str) or not _TYPE.match(kind):
        raise Rejected("the JSON has no resourceType", code="fhir-type", ack="AR", err=200, hint=MAX_DEPTH_HINT)
    return outer


def read(outer: Resource) -> Input:
    """Resources in order, those that cannot be understood safely left out and named in `unmapped` and `warnings`."""
    found = Input(outer, [], [], [])
    if outer["resourceType"] != "Bundle":
        _take(found, outer["resourceType"], "", outer)
        return found
    given = outer.get("entry", [])
    if not isinstance(given, list):
        found.warnings.append(Warning("fhir-shape", "Bundle.entry", "entry is not a list"))
        given = []
    for number, item in enumerate(given):
        where = f"Bundle.entry[{number}]"
        request = item.get("request") if isinstance(item, dict) else None
        method = request.get("method") if isinstance(request, dict) else None
        if method in ("DELETE", "PATCH"):
            _leave(found, where, "fhir-method", f"{method} is not taken: send the resource with its new status")
        elif not isinstance(item, dict) or not isinstance(resource := item.get("resource"), dict):
            if not isinstance(item, dict) or item.get("resource") is not None:
                _leave(found, where, "fhir-shape", "the entry has no resource object")
        else:
            full_url = item.get("fullUrl")
            _take(found, where, full_url if isinstance(full_url, str) else "", resource)
    return found


def _take(found: Input, where: str, full_url: str, resource: Resource) -> None:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.match(kind):
        return _leave(found, where, "fhir-type", "the entry has no resourceType")
    if kind in _R5_TYPES or any(isinstance(resource.get(name), shape) for name, shape in _R5_SHAPES.get(kind, ())):
        return _leave(found, where, "fhir-version", "the resource is not R4 (4.0.1) and would be misread")
    if _has_modifier(resource):
        return _leave(found, where, "fhir-modifier", "a modifier that is not known here changes the meaning")
    if kind == "Bundle":
        return _leave(found, where, "fhir-nested", "a Bundle inside a Bundle is not opened")
    clean = _without_null(resource)
    _check_shape(found, where, clean)
    found.entries.append(Entry(where, full_url, clean))
    return None


def _leave(found: Input, where: str, code: str, text: str) -> None:
    found.warnings.append(Warning(code, where, text))
    found.unmapped.append(Unmapped(where, 1))


def _has_modifier(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value.get("modifierExtension") or value.get("implicitRules")) or any(
            _has_modifier(v) for v in value.values() if isinstance(v, dict | list)
        )
    return isinstance(value, list) and any(_has_modifier(v) for v in value)


def _without_null(value: Any) -> Any:
    """A copy without nulls. In an array they stay only where a sibling `_name` array counts on the positions."""
    if isinstance(value, dict):
        made = {}
        for name, item in value.items():
            if item is None:
                continue
            if isinstance(item, list) and None in item and not name.startswith("_") and f"_{name}" not in value:
                item = [i for i in item if i is not None]
            made[name] = _without_null(item)
        return made
    if isinstance(value, list):
        return [_without_null(v) for v in value]
    return value


def _check_shape(found: Input, where: str, resource: Resource) -> None:
    """Takes out elements whose shape would break a reader: lists that are none, objects that are none, bad dates."""
    kind = resource["resourceType"]
    wrong = [n for n in OBJECTS if n in resource and not isinstance(resource[n], dict)]
    if kind in ("Library", "Measure", "PlanDefinition", "ActivityDefinition", "SupplyRequest"):
        wrong = [n for n in wrong if n not in ("code", "subject")]
    lists = LISTS.get(kind, () if kind in ONE_IDENTIFIER else ("identifier",))
    wrong += [n for n in lists if n in resource and not _is_list_of_objects(resource[n])]
    if kind == "Patient" and not _BIRTH.match(str(resource.get("birthDate", "2000"))):
        wrong.append("birthDate")
    for name in dict.fromkeys(wrong):
        resource.pop(name)
        found.warnings.append(
            Warning("fhir-shape", f"{where}.{name}", "the element has not the shape that R4 gives it")
        )
        found.unmapped.append(Unmapped(f"{where}.{name}", 1))


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)
