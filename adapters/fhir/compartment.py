"""Which resource belongs to which patient: never to one that it does not name.

Source: FHIR R4 Patient compartment, reduced to the elements that say whom a resource is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.fhir.entries import Entry
from adapters.fhir.references import Ids

ABOUT = ("subject", "patient", "beneficiary", "for", "individual")
SHARED = frozenset(
    [
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "HealthcareService",
        "Medication",
        "Substance",
        "Device",
        "Endpoint",
        "DeviceDefinition",
        "Binary",
        "Questionnaire",
        "ValueSet",
        "CodeSystem",
        "Library",
        "InsurancePlan",
    ]
)
"""Types that say nothing about a person unless they name one: they go to every record that refers to them."""


def patients_of(ids: Ids, entry: Entry) -> list[Entry]:
    """The Patient entries that `entry` says it is about."""
    if entry.type == "Patient":
        return [entry]
    found = []
    for name in ABOUT:
        given = entry.resource.get(name)
        for reference in given if isinstance(given, list) else [given]:
            if isinstance(reference, dict) and isinstance(to := reference.get("reference"), str):
                target = ids.target(entry, to)
                if target is not None and target.type == "Patient" and target not in found:
                    found.append(target)
    return found


def is_about_somebody(entry: Entry) -> bool:
    """True where an element that names the subject is filled, whether or not it can be resolved."""
    return any(entry.resource.get(name) for name in ABOUT)


def split(ids: Ids, entries: list[Entry]) -> tuple[list[tuple[Entry, list[Entry]]], list[Entry]]:
    """(patient, resources of the record in input order) for every Patient, and the entries that belong to nobody."""
    about = {id(e): patients_of(ids, e) for e in entries}
    records = []
    placed: set[int] = set()
    for patient in (e for e in entries if e.type == "Patient"):
        mine = {id(e) for e in entries if about[id(e)] == [patient]}
        waiting = [e for e in entries if id(e) in mine]
        while waiting:
            member = waiting.pop()
            for reference in references(member.resource):
                target = ids.target(member, reference)
                if target is None or id(target) in mine or about[id(target)] or is_about_somebody(target):
                    continue
                if target.type in SHARED:
                    mine.add(id(target))
                    waiting.append(target)
        records.append((patient, [e for e in entries if id(e) in mine]))
        placed |= mine
    return records, [e for e in entries if id(e) not in placed]


def references(value: Any) -> Iterator[str]:
    """Every literal reference and attachment address below `value`."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in ("reference", "url") and isinstance(item, str):
                yield item
            elif isinstance(item, dict | list):
                yield from references(item)
