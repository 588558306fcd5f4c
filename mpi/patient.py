"""FHIR R4 (4.0.1) Patient -> Person. Tolerates what senders leave out or misplace; raises nothing on odd content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mpi.person import Address, Identifier, Name, Person

MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
SSN = "http://hl7.org/fhir/sid/us-ssn"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
PAST_USES = ("old", "maiden")
SECONDARY_USES = ("nickname", "anonymous", "temp")


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _items(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    return tuple(filter(None, map(_text, value))) if isinstance(value, list) else ()


def _rank(use: str) -> int:
    return {"official": 0, "": 1, "usual": 1, "home": 1}.get(use, 3 if use in PAST_USES else 2)


def _names(patient: dict[str, Any]) -> tuple[Name, ...]:
    names = []
    for item in _items(patient.get("name")):
        given, family = _strings(item.get("given")), _text(item.get("family"))
        if not given and not family:
            words = _text(item.get("text"))
            if "," in words:
                family, _, rest = words.partition(",")
                given = tuple(rest.split())
            elif words:
                *first, family = words.split()
                given = tuple(first)
        if given or family:
            names.append(Name(given, family.strip(), " ".join(_strings(item.get("suffix"))), _text(item.get("use"))))
    return tuple(sorted(names, key=lambda name: _rank(name.use)))


def _identifiers(patient: dict[str, Any]) -> Iterable[Identifier]:
    for item in _items(patient.get("identifier")):
        value, system = _text(item.get("value")), _text(item.get("system"))
        kind = ""
        type_ = item.get("type")
        for coding in _items(type_.get("coding") if isinstance(type_, dict) else None):
            if coding.get("system") in (TYPES, None, "http://hl7.org/fhir/v2/0203"):
                kind = _text(coding.get("code")) or kind
        if value:
            yield Identifier(system, "SS" if system == SSN else kind, value)


def _addresses(patient: dict[str, Any]) -> tuple[Address, ...]:
    found = []
    for item in _items(patient.get("address")):
        lines = _strings(item.get("line"))
        street = lines[0] if lines else _text(item.get("text"))
        address = Address(
            street,
            " ".join(lines[1:]),
            _text(item.get("city")),
            _text(item.get("state")),
            _text(item.get("postalCode")),
            _text(item.get("use")),
        )
        if any(address[:5]):
            found.append(address)
    return tuple(sorted(found, key=lambda address: _rank(address.use)))


def read(patient: dict[str, Any]) -> Person:
    """All names, addresses and telecoms are kept, current ones first."""
    telecoms = _items(patient.get("telecom"))
    mother_family = ""
    for extension in _items(patient.get("extension")):
        if extension.get("url") == MAIDEN_NAME:
            mother_family = _text(extension.get("valueString"))
    mother_given = ""
    for contact in _items(patient.get("contact")):
        codes = {
            coding.get("code")
            for relationship in _items(contact.get("relationship"))
            for coding in _items(relationship.get("coding"))
        }
        name = contact.get("name")
        if codes & {"MTH", "NMTH", "PRN"} - {"PRN"} and isinstance(name, dict):
            mother_given = " ".join(_strings(name.get("given")))
    order = patient.get("multipleBirthInteger")
    multiple = patient.get("multipleBirthBoolean")
    deceased = patient.get("deceasedBoolean")
    return Person(
        names=_names(patient),
        birth_date=_text(patient.get("birthDate")),
        sex=_text(patient.get("gender")),
        identifiers=tuple(dict.fromkeys(_identifiers(patient))),
        addresses=_addresses(patient),
        phones=tuple(_text(t.get("value")) for t in telecoms if t.get("system") in ("phone", "sms", None)),
        emails=tuple(_text(t.get("value")) for t in telecoms if t.get("system") == "email"),
        mother_given=mother_given,
        mother_family=mother_family,
        multiple_birth=True
        if isinstance(order, int) and order > 0
        else multiple
        if isinstance(multiple, bool)
        else None,
        birth_order=order if isinstance(order, int) and not isinstance(order, bool) and order > 0 else 0,
        deceased=True if "deceasedDateTime" in patient else deceased if isinstance(deceased, bool) else None,
    )
