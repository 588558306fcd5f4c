"""CTI: the clinical trial that an order or a result belongs to. Source: HL7 v2.8.2 section 7.8.3."""

from __future__ import annotations

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill

_STUDY = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
_OF = frozenset(("ServiceRequest", "DiagnosticReport", "Observation", "MedicationRequest", "Procedure"))


def cti(d: Draft, s: Segment) -> None:
    about = d.now.get("report") or d.now.get("about") or d.now.get("order")
    number = ei(d, s, 1, s.get(1)) if s.get(1) else None
    if about is not None and about["resourceType"] in _OF and number is not None:
        made = {"url": _STUDY, "valueReference": {"type": "ResearchStudy", "identifier": number}}
        if made not in (known := about.setdefault("extension", [])):
            known.append(made)
    elif s.get(1):
        d.lose(s, 1)
    d.source(s, about or d.now.get("header"))
    fill(d, s)
