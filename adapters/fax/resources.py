"""What was read from a fax as FHIR R4: preliminary, unconfirmed, each resource with the lines it came from.

Extracted facts are not chart truth: Observation and DiagnosticReport are "preliminary", allergies and conditions
"unconfirmed", and every resource carries the tag `unconfirmed` until a person or a second source agrees.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from adapters.fax.document import FaxDocument
from adapters.fax.kinds import LOCAL, LOINC
from adapters.fax.labs import ASSERTED, Lab
from adapters.fax.pages import Line
from adapters.fax.parties import Party
from hie.codes.systems import authority_uri
from hie.fhir.dates import ORIGINAL_TEXT_URL
from hie.fhir.ids import resource_id
from hie.model import FeedContext, Resource, Source, Unmapped, Warning

UNCONFIRMED = {"system": "urn:hie:status", "code": "unconfirmed"}
_THO = "http://terminology.hl7.org/CodeSystem/"
_UCUM = "http://unitsofmeasure.org"
_UNITS = {"mg/dl": "mg/dL", "g/dl": "g/dL", "%": "%", "mmol/l": "mmol/L", "umol/l": "umol/L", "meq/l": "meq/L", "ng/ml": "ng/mL",
          "pg/ml": "pg/mL", "ug/dl": "ug/dL", "mcg/dl": "ug/dL", "u/l": "U/L", "fl": "fL", "pg": "pg", "ng/dl": "ng/dL", "k/ul": "10*3/uL",
          "m/ul": "10*6/uL", "mm/hr": "mm/h", "miu/l": "m[IU]/L", "uiu/ml": "u[IU]/mL"}  # fmt: skip
REASONS = {
    "no-patient": "the pages name no patient",
    "several-patients": "the pages name more than one patient: nobody is assumed",
    "incomplete": "pages of the document are missing by its own numbering",
    "pages-missing": "the cover sheet states more pages than came",
    "type-uncertain": "two document types fit nearly as well",
    "lab-doubtful": "a value contradicts its printed range or flag, or was damaged: not asserted",
    "dose-doubtful": "a dose is no known strength of the drug: not asserted",
    "unreadable": "the page holds no text",
    "junk": "an advertisement",
}


class Builder:
    """Collects the resources of one document with their sources, warnings and places without a resource."""

    def __init__(self, document: FaxDocument, index: int, sha256: str, context: FeedContext) -> None:
        self.document = document
        self.resources: list[Resource] = []
        self.sources: list[Source] = []
        self.unmapped: list[Unmapped] = []
        where = f"page {document.pages[0]}"
        self.warnings = [
            Warning(f"fax-{r}", where, REASONS[r]) for r in dict.fromkeys(document.reasons) if r in REASONS
        ]
        self._scope = f"{context.feed}|fax|{sha256}|{index}"
        self._sha256 = sha256
        self._context = context
        self.patient: str | None = None

    def build(self) -> Builder:
        document = self.document
        if not document.patient.is_empty and not document.patient.conflict:
            self._patient()
        author = self._author(document.sender)
        if self.patient is not None:
            self._facts()
        else:
            self._left_over(
                [*(x.line for x in document.labs), *(m.line for m in document.medications)], "fax-no-patient"
            )
        self._document_reference(author)
        return self

    def _add(self, resource: Resource, business: str, lines: list[Line]) -> str:
        kind = resource["resourceType"]
        made = {"resourceType": kind, "id": resource_id(self._scope, kind, business)}
        made |= {k: v for k, v in resource.items() if v not in (None, "", [], {})}
        self.resources.append(made)
        reference = f"{kind}/{made['id']}"
        places = [line.where for line in lines] or [f"page {n}" for n in self.document.pages]
        self.sources += [Source(reference, where) for where in dict.fromkeys(places)]
        return reference

    def _patient(self) -> None:
        key = self.document.patient
        lines = [line for _, line in key.places]
        where = lines[0].where if lines else f"page {self.document.pages[0]}"
        identifier: list[Resource] = []
        if key.mrn:
            if system := authority_uri(
                self.document.facility or self.document.sender.org, "", "", self._context.authorities
            ):
                kind = {"coding": [{"system": _THO + "v2-0203", "code": "MR"}]}
                identifier.append({"type": kind, "system": system, "value": key.mrn})
            else:
                self.warnings.append(
                    Warning("fax-number-without-facility", where, "a record number says nothing without its facility")
                )
                self.unmapped.append(Unmapped(where, 1))
        name: Resource = {"family": key.family, "given": [g for g in (key.given, key.middle) if g]}
        if key.suffix:
            name["suffix"] = [key.suffix]
        resource: Resource = {"resourceType": "Patient", "meta": {"tag": [UNCONFIRMED]}, "identifier": identifier}
        if key.family:
            resource["name"] = [name]
        if not key.name_sure:
            self.warnings.append(Warning("fax-name-repaired", where, "characters of the name were repaired"))
        if key.dob and key.dob_sure:
            resource["birthDate"] = key.dob
        elif key.dob:
            # near, not equal: matching must not count a repaired date as agreement
            resource["_birthDate"] = {"extension": [{"url": ORIGINAL_TEXT_URL, "valueString": key.dob}]}
            self.warnings.append(
                Warning("fax-birth-date-repaired", where, "the birth date was damaged or its century assumed")
            )
        resource["gender"] = key.sex
        if key.phone:
            resource["telecom"] = [{"system": "phone", "value": key.phone}]
        if key.line or key.city:
            address = {
                "line": [key.line] if key.line else None,
                "city": key.city,
                "state": key.state,
                "postalCode": key.zip,
            }
            resource["address"] = [{k: v for k, v in address.items() if v}]
        self.patient = self._add(resource, "patient", lines)

    def _author(self, sender: Party) -> list[str]:
        """Practitioner and Organization of the sender; the organisation last, as custodian."""
        made = []
        telecom = [{"system": "fax", "value": sender.fax}] if sender.fax else []
        if sender.name:
            npi = [{"system": "http://hl7.org/fhir/sid/us-npi", "value": sender.npi}] if sender.npi else []
            person: Resource = {"resourceType": "Practitioner", "identifier": npi, "name": [{"text": sender.name}]}
            made.append(self._add(person | ({} if sender.org else {"telecom": telecom}), "sender", []))
        if sender.org:
            made.append(
                self._add({"resourceType": "Organization", "name": sender.org, "telecom": telecom}, "sender", [])
            )
        return made

    def _document_reference(self, author: list[str]) -> None:
        document = self.document
        kind = document.kind.name
        coding: Resource = {"system": LOCAL, "code": kind}
        if kind in LOINC:
            coding = {"system": "http://loinc.org", "code": LOINC[kind][0], "display": LOINC[kind][1]}
        data = base64.b64encode(document.text.encode()).decode()
        custodian = next((a for a in author if a.startswith("Organization/")), None)
        self._add(
            {
                "resourceType": "DocumentReference",
                "meta": {"tag": [UNCONFIRMED]},
                "masterIdentifier": {
                    "system": "urn:hie:fax-sha256",
                    "value": f"{self._sha256}#page={document.pages[0]}",
                },
                "status": "current",
                "docStatus": "preliminary",
                "type": {"coding": [coding]},
                "subject": {"reference": self.patient} if self.patient else None,
                "author": [{"reference": a} for a in author],
                "custodian": {"reference": custodian} if custodian else None,
                "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
                "context": {"period": {"start": document.date}} if document.date else None,
            },
            "document",
            [],
        )

    def _facts(self) -> None:
        document = self.document
        subject = {"reference": self.patient}
        results = []
        for number, lab in enumerate(document.labs):
            if lab.conf >= ASSERTED:
                results.append(self._add(_observation(lab, subject, document.date), f"lab{number}", [lab.line]))
            else:
                self._left_over([lab.line], f"fax-lab-{lab.why or 'uncertain'}")
        if results and document.kind.name == "lab-report":
            report = {
                "resourceType": "DiagnosticReport",
                "meta": {"tag": [UNCONFIRMED]},
                "status": "preliminary",
                "category": [{"coding": [{"system": _THO + "v2-0074", "code": "LAB"}]}],
                "code": {"coding": [{"system": "http://loinc.org", "code": "11502-2", "display": "Laboratory report"}]},
                "subject": subject,
                "effectiveDateTime": document.date,
                "result": [{"reference": r} for r in results],
            }
            self._add(report, "report", [lab.line for lab in document.labs if lab.conf >= ASSERTED])
        for number, drug in enumerate(document.medications):
            if drug.why == "no-known-strength":
                self._left_over([drug.line], "fax-dose-doubtful")
                continue
            statement = {
                "resourceType": "MedicationStatement",
                "status": drug.status,
                "medicationCodeableConcept": {"text": f"{drug.name} {drug.dose}".strip()},
                "dosage": [{"text": drug.text}],
            }
            self._add(self._proposal(statement), f"drug{number}", [drug.line])
        for number, allergy in enumerate(document.allergies):
            reaction = [{"manifestation": [{"text": allergy.reaction}]}] if allergy.reaction else []
            self._allergy({"text": allergy.substance}, reaction, f"allergy{number}", [allergy.line])
        if document.no_known_allergies:
            code = {
                "coding": [{"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}]
            }
            self._allergy(code, [], "no-allergy", [])
        for number, problem in enumerate(document.problems):
            concept: dict[str, Any] = {"text": problem.name}
            if problem.code:
                concept["coding"] = [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": problem.code}]
            condition = {
                "resourceType": "Condition",
                "clinicalStatus": {"coding": [{"system": _THO + "condition-clinical", "code": "active"}]},
                "verificationStatus": {"coding": [{"system": _THO + "condition-ver-status", "code": "unconfirmed"}]},
                "code": concept,
            }
            self._add(self._proposal(condition), f"problem{number}", [problem.line])

    def _allergy(self, code: Resource, reaction: list[Resource], business: str, lines: list[Line]) -> None:
        resource = {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": {"coding": [{"system": _THO + "allergyintolerance-clinical", "code": "active"}]},
            "verificationStatus": {
                "coding": [{"system": _THO + "allergyintolerance-verification", "code": "unconfirmed"}]
            },
            "code": code,
            "patient": {"reference": self.patient},
            "reaction": reaction,
            "meta": {"tag": [UNCONFIRMED]},
        }
        self._add(resource, business, lines)

    def _proposal(self, resource: Resource) -> Resource:
        return {**resource, "meta": {"tag": [UNCONFIRMED]}, "subject": {"reference": self.patient}}

    def _left_over(self, lines: list[Line], code: str) -> None:
        for line in lines:
            self.warnings.append(Warning(code, line.where, "read, but not asserted: a person has to look"))
            self.unmapped.append(Unmapped(line.where, 1))


def _observation(lab: Lab, subject: Resource, date: str) -> Resource:
    code: dict[str, Any] = {"text": lab.name}
    if lab.loinc:
        code["coding"] = [{"system": "http://loinc.org", "code": lab.loinc}]
    number = float(lab.value) if "." in lab.value else int(lab.value)
    quantity: Resource = {"value": number}
    if lab.comparator:
        quantity["comparator"] = lab.comparator
    if lab.unit:
        quantity["unit"] = lab.unit
        if (ucum := _UNITS.get(lab.unit.lower())) is not None:
            quantity |= {"system": _UCUM, "code": ucum}
    resource: Resource = {
        "resourceType": "Observation",
        "meta": {"tag": [UNCONFIRMED]},
        "status": "preliminary",
        "category": [{"coding": [{"system": _THO + "observation-category", "code": "laboratory"}]}],
        "code": code,
        "subject": subject,
        "effectiveDateTime": date,
        "valueQuantity": quantity,
    }
    if lab.ref:
        limits: Resource = {"text": lab.ref}
        if (both := re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", lab.ref.replace(" ", ""))) is not None:
            limits |= {"low": {"value": float(both.group(1))}, "high": {"value": float(both.group(2))}}
        resource["referenceRange"] = [limits]
    if lab.flag in ("H", "HH", "L", "LL", "A"):
        resource["interpretation"] = [{"coding": [{"system": _THO + "v3-ObservationInterpretation", "code": lab.flag}]}]
    return resource
