"""Immunisations as RXA groups, documents as TXA, and what a message has no segment for as coded OBX.

An unconfirmed allergy or a proposed medication must not become AL1 or RXE, which cannot say so: it is an OBX with the
LOINC code of its section and the status "preliminary". Sources: HL7 v2.5.1 chapters 4A, 9; tables 0270-0273, 0322;
LOINC section codes of C-CDA; CDC implementation guide for immunisation messaging (NIP001, OBX codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.hl7v2.render_patient import is_unconfirmed, status_code
from adapters.hl7v2.render_record import RecordIndex, notes
from adapters.hl7v2.render_results import OBX_STATUS, encapsulated, nte, obx
from adapters.hl7v2.render_types import coded, cwe, ei, segment, text, ts
from hie.model import Resource

_SECTIONS = {
    "AllergyIntolerance": "48765-2^Allergies and adverse reactions^LN",
    "Condition": "11450-4^Problem list^LN",
    "Procedure": "47519-4^History of procedures^LN",
    "Immunization": "11369-6^History of immunization^LN",
    "MedicationStatement": "10160-0^History of medication use^LN",
    "MedicationRequest": "10160-0^History of medication use^LN",
    "MedicationAdministration": "18610-6^Medication administered^LN",
    "MedicationDispense": "60590-7^Medication dispensed^LN",
    "FamilyMemberHistory": "10157-6^History of family member diseases^LN",
    "CarePlan": "18776-5^Plan of care^LN",
    "Goal": "61146-7^Goals^LN",
    "Device": "46264-8^History of medical device use^LN",
}
STATEMENTS = tuple(_SECTIONS)
_DOCUMENT_STATUS = {"final": "AU", "amended": "AU", "preliminary": "IP", "entered-in-error": "IN"}
_AVAILABILITY = {"current": "AV", "superseded": "OB", "entered-in-error": "CA"}
_FUNDING, _DOSE = "30963-3^Vaccine funding source^LN", "30973-2^Dose number in series^LN"


def rxa(index: RecordIndex, immunisation: Resource) -> list[str]:
    """ORC, RXA, RXR and OBX of one immunisation."""
    amount = immunisation.get("doseQuantity", {})
    status = immunisation.get("status", "completed")
    refused = cwe(immunisation.get("statusReason"))
    given: Mapping[str, Any] = next(iter(immunisation.get("performer", ())), {})
    performer = given.get("actor")
    maker = immunisation.get("manufacturer", {})
    when = ts(immunisation.get("occurrenceDateTime"))
    historical = immunisation.get("primarySource") is False
    made = [
        segment("ORC", {1: "RE", 3: ei(next(iter(immunisation.get("identifier", ())), None)) or "9999"}),
        segment(
            "RXA",
            {
                1: "0",
                2: "1",
                3: when,
                4: when,
                5: cwe(immunisation.get("vaccineCode")),
                6: text(amount["value"]) if "value" in amount else "999",
                7: coded(
                    {"code": amount["code"], "display": amount.get("unit", ""), "system": amount.get("system", "")}
                )
                if amount.get("code")
                else text(amount.get("unit", "")),
                9: cwe(immunisation.get("reportOrigin"))
                or ("01^Historical^NIP001" if historical else "00^New record^NIP001"),
                10: index.xcn(performer),
                11: f"^^^{place}" if (place := index.organization(immunisation.get("location"))) else "",
                15: text(immunisation.get("lotNumber", "")),
                16: ts(immunisation.get("expirationDate")),
                17: _maker(index, maker),
                18: refused,
                20: ("RE" if refused else "NA") if status == "not-done" else "CP",
                21: "D" if status == "entered-in-error" else "A",
            },
        ),
    ]
    if immunisation.get("route") or immunisation.get("site"):
        made.append(segment("RXR", {1: cwe(immunisation.get("route")), 2: cwe(immunisation.get("site"))}))
    made += nte(notes(immunisation))
    extra = []
    if funding := cwe(immunisation.get("fundingSource")):
        extra.append(("CWE", _FUNDING, funding))
    for series in immunisation.get("protocolApplied", ()):
        dose = series.get("doseNumberPositiveInt", series.get("doseNumberString"))
        if dose is not None:
            extra.append(("NM" if isinstance(dose, int) else "ST", _DOSE, text(dose)))
    made += [
        segment("OBX", {1: str(n), 2: kind, 3: code, 5: value, 11: "F"})
        for n, (kind, code, value) in enumerate(extra, 1)
    ]
    count = len(extra)
    for observation in index.all("Observation"):
        if any(p.get("reference") == f"Immunization/{immunisation.get('id')}" for p in observation.get("partOf", ())):
            lines = obx(index, count + 1, observation)
            count += sum(line.startswith("OBX") for line in lines)
            made += lines
    return made


def without_vaccine(index: RecordIndex, observations: list[Resource]) -> list[str]:
    """Observations that belong to no immunisation: under RXA 998, "no vaccine administered" (CDC guide)."""
    if not observations:
        return []
    when = next((ts(o["effectiveDateTime"]) for o in observations if o.get("effectiveDateTime")), "")
    made = [
        segment("ORC", {1: "RE", 3: "9999"}),
        segment(
            "RXA", {1: "0", 2: "1", 3: when, 4: when, 5: "998^No vaccine administered^CVX", 6: "999", 20: "NA", 21: "A"}
        ),
    ]
    for observation in observations:
        made += obx(index, sum(line.startswith("OBX") for line in made) + 1, observation)
    return made


def _maker(index: RecordIndex, reference: Mapping[str, Any]) -> str:
    organization = index.at(reference) or {}
    code = next(
        (i.get("value", "") for i in organization.get("identifier", ()) if str(i.get("system", "")).endswith("/mvx")),
        "",
    )
    if reference.get("identifier", {}).get("value"):
        code = code or reference["identifier"]["value"]
    name = organization.get("name") or reference.get("display", "")
    if not code and not name:
        return ""
    return f"{text(code)}^{text(name)}^{'MVX' if code else ''}".rstrip("^")


def txa(index: RecordIndex, document: Resource) -> list[str]:
    """TXA and the content as OBX of one DocumentReference."""
    contents = [c.get("attachment", {}) for c in document.get("content", ())]
    kind = contents[0].get("contentType", "") if contents else ""
    identifier = document.get("masterIdentifier") or next(iter(document.get("identifier", ())), None)
    labels = {c.get("code") for k in document.get("securityLabel", ()) for c in k.get("coding", ())}
    level = "V" if "V" in labels or index.level == "V" else "R" if "R" in labels or index.level == "R" else ""
    author = next(iter(document.get("author", ())), None)
    status = document.get("docStatus", "final" if document.get("status") == "current" else "")
    made = [
        segment(
            "TXA",
            {
                1: "1",
                2: cwe(document.get("type")),
                3: "TX" if kind.startswith("text/") else "AP",
                4: ts(document.get("context", {}).get("period", {}).get("start") or document.get("date")),
                6: ts(document.get("date")),
                9: index.xcn(author),
                12: ei(identifier),
                16: text(document.get("description", "")),
                17: _DOCUMENT_STATUS.get(status, "DO"),
                18: level,
                19: _AVAILABILITY.get(document.get("status", ""), "UN"),
            },
        )
    ]
    for number, content in enumerate(contents, 1):
        value_type, value, _ = encapsulated(content)
        if value_type:
            state = "P" if status == "preliminary" else "F"
            fields = {1: str(number), 2: value_type, 3: cwe(document.get("type")), 5: value, 11: state}
            made.append(segment("OBX", fields))
    return made


def sections(index: RecordIndex, resources: list[Resource], first: int) -> list[str]:
    """OBX for statements that the message has no segment for: section code, statement, preliminary where not firm."""
    return [
        segment(
            "OBX",
            {
                1: str(number),
                2: "CWE",
                3: _SECTIONS[resource["resourceType"]],
                4: str(number),
                5: _statement(index, resource),
                11: _state(resource),
                14: ts(_when(resource)),
            },
        )
        for number, resource in enumerate(resources, first)
    ]


def _statement(index: RecordIndex, resource: Resource) -> str:
    medication = index.at(resource.get("medicationReference")) or {}
    concept = (
        resource.get("code")
        or resource.get("vaccineCode")
        or resource.get("medicationCodeableConcept")
        or medication.get("code")
        or resource.get("type")
        or resource.get("description")
        or resource.get("relationship")
    )
    if isinstance(concept, str):
        concept = {"text": concept}
    shown = cwe(concept)
    dosage = next(
        (d.get("text") for d in (resource.get("dosage") or resource.get("dosageInstruction") or ()) if d.get("text")),
        "",
    )
    if dosage and "~" not in shown:
        shown = "~".join((shown, cwe({"text": dosage})))
    return shown


_NOT_CHARTED = {"unconfirmed": "P", "provisional": "P", "differential": "P", "refuted": "W", "entered-in-error": "W"}


def _state(resource: Resource) -> str:
    verified = status_code(resource, "verificationStatus")
    if verified in _NOT_CHARTED:
        return _NOT_CHARTED[verified]
    status = resource.get("status", "")
    if is_unconfirmed(resource):
        return "P"
    if resource.get("intent") in ("proposal", "plan") or status in ("draft", "intended", "unknown"):
        return "P"
    return "W" if status == "entered-in-error" else OBX_STATUS.get(status, "F")


def _when(resource: Resource) -> str | None:
    for name in (
        "onsetDateTime",
        "recordedDate",
        "occurrenceDateTime",
        "performedDateTime",
        "effectiveDateTime",
        "authoredOn",
    ):
        if resource.get(name):
            return str(resource[name])
    period = resource.get("performedPeriod") or resource.get("effectivePeriod") or {}
    return period.get("start")
