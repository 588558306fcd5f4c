"""Keys of a FHIR body before it is stored."""

from __future__ import annotations

import re
from typing import Any

from adapters.fhir.body import parsed
from hie.model import Identifier, Keys, Resource

_PATIENT = re.compile(r"(?:\A|/)Patient/([A-Za-z0-9.\-_]{1,64})(?:/_history/[^/]+)?\Z")


def peek(raw: bytes) -> Keys:
    """Id, type, ordering keys of every patient, sender. Raises Rejected: `fhir-xml`, `fhir-json`, `fhir-type`."""
    return keys_of(parsed(raw))


def keys_of(outer: Resource) -> Keys:
    """Keys of a parsed body."""
    resources = [outer]
    if outer["resourceType"] == "Bundle":
        given = outer.get("entry")
        entries = [e for e in given if isinstance(e, dict)] if isinstance(given, list) else []
        resources = [r for e in entries if isinstance(r := e.get("resource"), dict)]
    first = resources[0] if resources else outer
    ordering: dict[str, None] = {}
    for resource in resources:
        for key in _patient_keys(resource):
            ordering[key] = None
    return Keys(
        format="fhir",
        control_id=_control_id(outer).encode("utf-8", "replace"),
        event=_event(outer, first),
        ordering=tuple(ordering),
        sender=sender_of(outer, first),
        processing="T" if any(is_test(r) for r in (outer, *resources)) else "P",
    )


def patient_identifiers(patient: Resource) -> list[Identifier]:
    """Identifiers of a Patient as sent, those without a value left out."""
    found = []
    given = patient.get("identifier")
    for identifier in given if isinstance(given, list) else ():
        if isinstance(identifier, dict) and isinstance(value := identifier.get("value"), str) and value:
            found.append(Identifier(str(identifier.get("system", "")), _kind(identifier), value))
    return found


def _patient_keys(resource: Resource) -> list[str]:
    if resource.get("resourceType") == "Patient":
        keys = [identifier.key for identifier in patient_identifiers(resource)]
        # what names the patient by the server's id alone has to come after it
        return [*keys, f"||Patient/{resource['id']}"] if isinstance(resource.get("id"), str) else keys
    for name in ("subject", "patient", "beneficiary"):
        reference = resource.get(name)
        if isinstance(reference, dict) and isinstance(reference.get("identifier"), dict):
            return [i.key for i in patient_identifiers({"identifier": [reference["identifier"]]})]
        if isinstance(reference, dict) and isinstance(to := reference.get("reference"), str):
            return [f"||Patient/{found.group(1)}"] if (found := _PATIENT.search(to)) else []
    return []


def _kind(identifier: dict[str, Any]) -> str:
    kind = identifier.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    first = codings[0] if isinstance(codings, list) and codings else None
    return str(first.get("code", "")) if isinstance(first, dict) else ""


def _control_id(outer: Resource) -> str:
    identifier = outer.get("identifier")
    if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        return str(identifier["value"])
    return str(outer.get("id", ""))


def _event(outer: Resource, first: Resource) -> str:
    kind = first.get("resourceType")
    if outer["resourceType"] == "Bundle" and outer.get("type") == "message" and kind == "MessageHeader":
        coding = first.get("eventCoding")
        return str(coding.get("code", "")) if isinstance(coding, dict) else str(first.get("eventUri", ""))
    if outer["resourceType"] == "Bundle" and outer.get("type") == "document" and kind == "Composition":
        concept = first.get("type")
        codings = concept.get("coding") if isinstance(concept, dict) else None
        if isinstance(codings, list) and codings and isinstance(codings[0], dict):
            return str(codings[0].get("code", ""))
    return str(outer["resourceType"])


def sender_of(outer: Resource, first: Resource) -> str:
    """MessageHeader.source, else meta.source, else ""."""
    source = first.get("source") if first.get("resourceType") == "MessageHeader" else None
    if isinstance(source, dict):
        return str(source.get("name") or source.get("endpoint") or "")
    meta = outer.get("meta")
    return str(meta.get("source", "")) if isinstance(meta, dict) else ""


def is_test(resource: Resource) -> bool:
    """True where meta says HTEST (v3-ActReason): data for tests, not of a person."""
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return False
    labels = [x for name in ("tag", "security") if isinstance(given := meta.get(name), list) for x in given]
    return any(isinstance(label, dict) and label.get("code") == "HTEST" for label in labels)
