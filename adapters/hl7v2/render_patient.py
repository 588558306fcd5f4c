"""Patient, visit, contacts, allergies, diagnoses and procedures as PID, PD1, NK1, PV1, PV2, AL1, DG1, PR1.

Source: HL7 v2.5.1 chapter 3 and 6; US Core race, ethnicity and birth sex extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.hl7v2.render_record import RecordIndex, extension
from adapters.hl7v2.render_types import (
    coded,
    composed,
    cwe,
    cx,
    identifier_type,
    repeated,
    segment,
    text,
    ts,
    xad,
    xpn,
    xtn,
)
from hie.model import Resource

_PLACES = {"wa": 0, "ro": 1, "bd": 2, "bu": 6, "lvl": 7}
"""Physical type of a Location -> component of PL."""
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_US = "http://hl7.org/fhir/us/core/StructureDefinition/"
_SEX = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_CLASS = {
    "IMP": "I",
    "ACUTE": "I",
    "NONAC": "I",
    "OBSENC": "O",
    "AMB": "O",
    "VR": "O",
    "HH": "O",
    "SS": "O",
    "EMER": "E",
    "PRENC": "P",
}
_ALLERGY = {"food": "FA", "medication": "DA", "environment": "EA", "biologic": "DA"}
_SEVERITY = {"severe": "SV", "moderate": "MO", "mild": "MI", "high": "SV", "low": "MI"}
_PARTICIPANTS = {"ATND": 7, "REF": 8, "CON": 9, "ADM": 17}


def pid(index: RecordIndex, patient: Resource) -> str:
    """PID with the enterprise id first in PID-3, then the identifiers of the sources."""
    ids = [i for i in patient.get("identifier", ()) if i.get("value")]
    own = []
    if index.view.enterprise_id:
        kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PI"}]}
        own = [{"system": "urn:hie:enterprise-id", "value": index.view.enterprise_id, "type": kind}]
        ids = [i for i in ids if i.get("system") != "urn:hie:enterprise-id"]
    account = next((i for i in ids if identifier_type(i) == "AN"), None)
    phones = patient.get("telecom", ())
    dead = patient.get("deceasedDateTime")
    order = patient.get("multipleBirthInteger")
    several = order is not None or patient.get("multipleBirthBoolean") is True
    birth = extension(patient.get("_birthDate", {}), _CORE + "patient-birthTime").get("valueDateTime")
    return segment(
        "PID",
        {
            1: "1",
            3: repeated([cx(i) for i in own + [i for i in ids if i is not account]]),
            5: repeated([xpn(n) for n in patient.get("name", ())]),
            6: text(extension(patient, _CORE + "patient-mothersMaidenName").get("valueString", "")),
            7: ts(birth or patient.get("birthDate")),
            8: _SEX.get(patient.get("gender", ""), ""),
            10: _omb(patient, "us-core-race"),
            11: repeated([xad(a) for a in patient.get("address", ())]),
            13: repeated([xtn(t) for t in phones if t.get("use") != "work"]),
            14: repeated([xtn(t) for t in phones if t.get("use") == "work"]),
            15: _language(patient),
            16: cwe(patient.get("maritalStatus")),
            17: cwe(extension(patient, _CORE + "patient-religion").get("valueCodeableConcept")),
            18: cx(account) if account else "",
            22: _omb(patient, "us-core-ethnicity"),
            24: "Y" if several else "N" if patient.get("multipleBirthBoolean") is False else "",
            25: str(order) if order is not None else "",
            29: ts(dead),
            30: "Y"
            if dead or patient.get("deceasedBoolean")
            else "N"
            if patient.get("deceasedBoolean") is False
            else "",
        },
    )


def _omb(patient: Resource, name: str) -> str:
    parts = extension(patient, _US + name).get("extension", ())
    return repeated([coded(p.get("valueCoding")) for p in parts if p.get("url") in ("ombCategory", "detailed")])


def _language(patient: Resource) -> str:
    spoken = patient.get("communication", ())
    first = next((c for c in spoken if c.get("preferred")), spoken[0] if spoken else {})
    return cwe(first.get("language"))


def pd1(index: RecordIndex, patient: Resource) -> list[str]:
    doctor = next((index.xcn(r) for r in patient.get("generalPractitioner", ())), "")
    fields = {4: doctor, 12: "Y" if index.level else ""}
    return [segment("PD1", fields)] if any(fields.values()) else []


def nk1(index: RecordIndex, patient: Resource) -> list[str]:
    people: list[Mapping[str, Any]] = [
        {**c, "name": [c["name"]] if "name" in c else [], "address": [c["address"]] if "address" in c else []}
        for c in patient.get("contact", ())
    ]
    people += index.all("RelatedPerson")
    return [
        segment(
            "NK1",
            {
                1: str(number),
                2: repeated([xpn(n) for n in person.get("name", ())]),
                3: cwe(next(iter(person.get("relationship", ())), None)),
                4: repeated([xad(a) for a in person.get("address", ())]),
                5: repeated([xtn(t) for t in person.get("telecom", ())]),
            },
        )
        for number, person in enumerate(people, 1)
    ]


def pv1(index: RecordIndex, encounter: Resource | None) -> list[str]:
    """PV1, and PV2 where there is a reason; PV1 with class N (not applicable) where there is no visit."""
    if encounter is None:
        return ["PV1|1|N"]
    stay = encounter.get("hospitalization", {})
    period = encounter.get("period", {})
    fields = {
        1: "1",
        2: _CLASS.get(encounter.get("class", {}).get("code", ""), "U"),
        3: _location(index, encounter),
        10: cwe(encounter.get("serviceType")),
        14: cwe(stay.get("admitSource")),
        18: cwe(next(iter(encounter.get("type", ())), None)),
        19: cx(next(iter(encounter.get("identifier", ())), {})),
        36: cwe(stay.get("dischargeDisposition")),
        44: ts(period.get("start")),
        45: ts(period.get("end")),
    }
    for participant in encounter.get("participant", ()):
        code = next((c.get("code") for t in participant.get("type", ()) for c in t.get("coding", ())), "ATND")
        number = _PARTICIPANTS.get(code)
        if number:
            fields[number] = repeated([fields.get(number, ""), index.xcn(participant.get("individual"))])
    made = [segment("PV1", fields)]
    if reason := cwe(next(iter(encounter.get("reasonCode", ())), None)):
        made.append(segment("PV2", {3: reason}))
    return made


def _location(index: RecordIndex, encounter: Resource) -> str:
    """PL: each place from the bed outwards in the component of its physical type; without one, the point of care."""
    stay: Mapping[str, Any] = next(iter(encounter.get("location", ())), {})
    place = stay.get("location")
    if not place:
        return ""
    at: Mapping[str, Any] = index.at(place) or {}
    inside: dict[str, Mapping[str, Any]] = {f"#{c.get('id')}": c for c in at.get("contained", ())}
    parts = [""] * 8
    for _ in range(8):  # a chain of places may close on itself
        kinds = at.get("physicalType", {}).get("coding", ())
        number = next((_PLACES[c["code"]] for c in kinds if c.get("code") in _PLACES), 0)
        if not parts[number]:
            parts[number] = text(at.get("name", ""))
        outer: Mapping[str, Any] | None = at.get("partOf")
        at = (inside.get(outer.get("reference", "")) or index.at(outer) or {}) if outer else {}
        if not at:
            break
    return composed(*parts) if any(parts) else composed(index.organization(place))


def status_code(resource: Mapping[str, Any], element: str) -> str:
    """Code of clinicalStatus or verificationStatus, or ""."""
    return next((str(c.get("code", "")) for c in resource.get(element, {}).get("coding", ())), "")


def is_unconfirmed(resource: Mapping[str, Any]) -> bool:
    """True for what was read from a fax and not yet agreed to by anybody."""
    return any(t.get("code") == "unconfirmed" for t in resource.get("meta", {}).get("tag", ()))


def is_firm(resource: Mapping[str, Any]) -> bool:
    """False for what AL1 and DG1 cannot qualify: unconfirmed, refuted, inactive or erroneous statements."""
    if is_unconfirmed(resource):
        return False
    verified = status_code(resource, "verificationStatus")
    active = status_code(resource, "clinicalStatus")
    return verified in ("", "confirmed") and active not in ("inactive", "resolved", "remission")


def al1(allergies: list[Resource]) -> list[str]:
    made = []
    for number, allergy in enumerate(allergies, 1):
        reactions = allergy.get("reaction", ())
        severity = next((r["severity"] for r in reactions if r.get("severity")), allergy.get("criticality", ""))
        shown = [_shown(m) for r in reactions for m in r.get("manifestation", ())]
        made.append(
            segment(
                "AL1",
                {
                    1: str(number),
                    2: _ALLERGY.get(next(iter(allergy.get("category", ())), ""), "MA"),
                    3: cwe(allergy.get("code")),
                    4: _SEVERITY.get(severity, "U"),
                    5: repeated(shown),
                    6: ts(allergy.get("onsetDateTime"))[:8],
                },
            )
        )
    return made


def _first_actor(procedure: Mapping[str, Any]) -> Any:
    performer: Mapping[str, Any] = next(iter(procedure.get("performer", ())), {})
    return performer.get("actor")


def _shown(concept: Mapping[str, Any]) -> str:
    coding: Mapping[str, Any] = next(iter(concept.get("coding", ())), {})
    return text(concept.get("text") or coding.get("display") or coding.get("code", ""))


def dg1(conditions: list[Resource]) -> list[str]:
    return [
        segment(
            "DG1",
            {
                1: str(number),
                3: cwe(condition.get("code")),
                5: ts(condition.get("onsetDateTime") or condition.get("recordedDate")),
                6: "F",
            },
        )
        for number, condition in enumerate(conditions, 1)
    ]


def pr1(index: RecordIndex, procedures: list[Resource]) -> list[str]:
    return [
        segment(
            "PR1",
            {
                1: str(number),
                3: cwe(procedure.get("code")),
                5: ts(procedure.get("performedDateTime") or procedure.get("performedPeriod", {}).get("start")),
                11: index.xcn(_first_actor(procedure)),
            },
        )
        for number, procedure in enumerate(procedures, 1)
    ]
