"""Which resource belongs to which patient: never to one that neither it nor what it is part of names.

Source: FHIR R4 Patient compartment, reduced to the elements that say whom a resource is about.
"""

from __future__ import annotations

from adapters.fhir.entries import ABOUT, Entry
from adapters.fhir.references import Ids
from adapters.fhir.subjects import subjects

SHARED = frozenset(
    [
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "OrganizationAffiliation",
        "Location",
        "HealthcareService",
        "Medication",
        "MedicationKnowledge",
        "Substance",
        "Device",
        "DeviceDefinition",
        "Endpoint",
        "Binary",
        "Group",
        "Schedule",
        "Slot",
        "ResearchStudy",
        "InsurancePlan",
        "ActivityDefinition",
        "CodeSystem",
        "ConceptMap",
        "Library",
        "Measure",
        "ObservationDefinition",
        "PlanDefinition",
        "Questionnaire",
        "SpecimenDefinition",
        "ValueSet",
    ]
)
"""Types that say nothing about a person unless they name one: they go to every record that refers to them."""
_EVERYWHERE = frozenset({"Provenance", "MessageHeader", "Linkage", "VerificationResult"})
"""Types about other resources: they go to every record that holds one of these."""


def patients_of(ids: Ids, entry: Entry) -> list[Entry]:
    """The Patient entries that `entry` says it is about."""
    if entry.type == "Patient":
        return [entry]
    found: list[Entry] = []
    for element in subjects(entry):
        target = ids.pointed(entry, element)
        if target is not None and target.type == "Patient" and not any(target is f for f in found):
            found.append(target)
    return found


def is_about_somebody(entry: Entry) -> bool:
    """True where an element that names the subject is filled, whether or not it can be resolved."""
    return any(entry.resource.get(name) for name in ABOUT)


def split(ids: Ids, entries: list[Entry]) -> tuple[list[tuple[Entry, list[Entry]]], list[Entry]]:
    """(patient, resources of the record in input order) for every Patient, and the entries that belong to nobody."""
    patients = sorted((e for e in entries if e.type == "Patient"), key=lambda e: e.made)
    about = {id(e): patients_of(ids, e) for e in entries}
    placed: dict[int, set[int]] = {id(e): {id(p) for p in about[id(e)]} for e in entries}
    targets = {id(e): list(ids.targets(e)) for e in entries}
    # what names a subject that is no patient of the input (a group, a device) is about that and nobody else
    loose = [e for e in entries if not about[id(e)] and not is_about_somebody(e)]
    referrers: dict[int, list[Entry]] = {}
    for entry in entries:
        for target in targets[id(entry)]:
            referrers.setdefault(id(target), []).append(entry)
    moving = True
    while moving:
        moving = False
        for entry in loose:
            reached = _reached(entry, placed, targets[id(entry)], referrers.get(id(entry), []))
            if reached - placed[id(entry)]:
                placed[id(entry)] |= reached
                moving = True
    members: dict[int, list[Entry]] = {id(p): [] for p in patients}
    for entry in entries:
        for patient in placed[id(entry)]:
            members[patient].append(entry)
    return [(p, members[id(p)]) for p in patients], [e for e in entries if not placed[id(e)]]


def _reached(entry: Entry, placed: dict[int, set[int]], targets: list[Entry], referrers: list[Entry]) -> set[int]:
    """The patients whose records `entry` belongs to by what refers to it, or by what it refers to."""
    referring = {p for e in referrers for p in placed[id(e)]}
    if entry.type in SHARED:
        return referring
    named = {p for t in targets if t.type not in SHARED for p in placed[id(t)]}
    if entry.type in _EVERYWHERE:
        return referring | named
    whole = referring | named | placed[id(entry)]
    return whole if len(whole) == 1 else set()
