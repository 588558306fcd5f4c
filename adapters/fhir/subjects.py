"""Patients whom the resources of an input name without bringing them: by their own server's id, or by a business identifier.

Without one, what an app posts alone (an Observation about `Patient/123`) would be about nobody. The Patient that is made
carries the identifier and nothing else, so it says who is meant and overwrites nothing that is known of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.fhir.entries import ABOUT, Entry
from adapters.fhir.references import REST, Ids, base_of, conditional, system_of
from hie.model import Resource

_RESOURCE_IDENTIFIER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "RI"}]}
_INSIDE: dict[str, tuple[str, str]] = {
    "Appointment": ("participant", "actor"),
    "Person": ("link", "target"),
    "Group": ("member", "entity"),
}
"""Types that name patients one level below: element, and the Reference in it."""
_BESIDE = {"AppointmentResponse": "actor", "Schedule": "actor", "QuestionnaireResponse": "source"}


def subjects(entry: Entry) -> Iterator[dict[str, Any]]:
    """The References of a resource that say, or may say, which patient it is about."""
    resource = entry.resource
    for name in ABOUT:
        yield from _all(resource.get(name))
    if (inside := _INSIDE.get(entry.type)) is not None:
        for item in _all(resource.get(inside[0])):
            yield from _all(item.get(inside[1]))
    if (beside := _BESIDE.get(entry.type)) is not None and not resource.get("subject"):
        yield from _all(resource.get(beside))


def _all(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def with_named(entries: list[Entry], ids: Ids, feed: str) -> list[Entry]:
    """`entries` with a Patient for every subject that is named only, before the rest; references are made to point there.
    Contained Patients that are a subject become entries of their own, because a person is nobody's part."""
    made: dict[tuple[str, str], Entry] = {}
    lifted: list[Entry] = []
    for entry in entries:
        if entry.type == "Patient":
            continue
        for element in subjects(entry):
            reference = element.get("reference")
            if isinstance(reference, str) and reference.startswith("#"):
                if (inside := _lifted(entry, reference)) is not None:
                    lifted.append(inside)
                    _point(entry.resource, reference, inside.full_url)
                continue
            if ids.pointed(entry, element) is not None:
                continue
            named = _named(entry, element, feed)
            if named is None:
                continue
            known = ids.identified("Patient", named.get("system", ""), named["value"])
            if known is None:
                key = (named.get("system", ""), named["value"])
                if key not in made:
                    patient: Resource = {"resourceType": "Patient", "identifier": [named]}
                    made[key] = Entry(
                        f"{entry.where}.{_name(entry, element)}", f"urn:hie:named:{len(made)}", patient, True
                    )
                known = made[key]
                element["reference"] = known.full_url
            elif known.full_url:
                element["reference"] = known.full_url
            else:
                element.setdefault("type", "Patient")
                element["identifier"] = named
                element.pop("reference", None)
    return [*made.values(), *lifted, *entries]


def _name(entry: Entry, element: dict[str, Any]) -> str:
    return next((n for n in ABOUT if any(e is element for e in _all(entry.resource.get(n)))), "subject")


def _named(entry: Entry, element: dict[str, Any], feed: str) -> dict[str, Any] | None:
    """The identifier by which an unresolved Reference names a patient, None where it names none."""
    identifier = element.get("identifier")
    if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        if element.get("type", "Patient") == "Patient" and _may_be_patient(element):
            return dict(identifier)
        return None
    reference = element.get("reference")
    if not isinstance(reference, str):
        return None
    if found := conditional(reference):
        kind, system, value = found
        return ({"value": value} | ({"system": system} if system else {})) if kind == "Patient" else None
    if (rest := REST.match(reference)) and rest.group(2) == "Patient":
        system = system_of(rest.group(1) or base_of(entry.full_url), feed, "Patient")
        return {"type": _RESOURCE_IDENTIFIER, "system": system, "value": rest.group(3)}
    return None


def _may_be_patient(element: dict[str, Any]) -> bool:
    reference = element.get("reference")
    rest = REST.match(reference) if isinstance(reference, str) else None
    return rest is None or rest.group(2) == "Patient"


def _lifted(entry: Entry, reference: str) -> Entry | None:
    contained = entry.resource.get("contained", [])
    for number, inside in enumerate(contained):
        if isinstance(inside, dict) and inside.get("resourceType") == "Patient" and f"#{inside.get('id')}" == reference:
            entry.resource["contained"] = [c for c in contained if c is not inside]
            if not entry.resource["contained"]:
                del entry.resource["contained"]
            where = f"{entry.where}.contained[{number}]"
            patient = {k: v for k, v in inside.items() if k != "id"}
            return Entry(where, f"urn:hie:contained:{where}", patient)
    return None


def _point(value: Any, old: str, new: str) -> None:
    if isinstance(value, list):
        for item in value:
            _point(item, old, new)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "reference" and item == old:
                value[name] = new
            elif isinstance(item, dict | list):
                _point(item, old, new)
