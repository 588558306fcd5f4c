"""Writes `hie/fhir/tables/r4.tsv` from the R4B models of fhir.resources, limited to what R4 (4.0.1) and R4B share.

python tests/fhir/r4_elements.py > hie/fhir/tables/r4.tsv
"""

from __future__ import annotations

import types
import typing
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

RESOURCES = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MessageHeader",
    "MolecularSequence",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "Subscription",
    "Substance",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
]

CODES = {
    ("Observation", "status"): "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ("DiagnosticReport", "status"): "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown",
    ("Encounter", "status"): "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
    ("EncounterStatusHistory", "status"): "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
    ("ServiceRequest", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("ServiceRequest", "intent"): "proposal plan directive order original-order reflex-order filler-order instance-order option",
    ("MedicationRequest", "status"): "active on-hold cancelled completed entered-in-error stopped draft unknown",
    ("MedicationRequest", "intent"): "proposal plan order original-order reflex-order filler-order instance-order option",
    ("MedicationDispense", "status"): "preparation in-progress cancelled on-hold completed entered-in-error stopped declined unknown",
    ("MedicationAdministration", "status"): "in-progress not-done on-hold completed entered-in-error stopped unknown",
    ("MedicationStatement", "status"): "active completed entered-in-error intended stopped on-hold unknown not-taken",
    ("Procedure", "status"): "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
    ("Appointment", "status"): "proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist",
    ("Goal", "lifecycleStatus"): "proposed planned accepted active on-hold completed cancelled entered-in-error rejected",
    ("ChargeItem", "status"): "planned billable not-billable aborted billed entered-in-error unknown",
    ("CarePlan", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("CommunicationRequest", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("Timing", "periodUnit"): "s min h d wk mo a",
    ("TimingRepeat", "when"): "MORN MORN.early MORN.late NOON AFT AFT.early AFT.late EVE EVE.early EVE.late NIGHT PHS IMD HS WAKE C CM CD CV AC ACM ACD ACV PC PCM PCD PCV",
    ("AuditEvent", "action"): "C R U D E",
    ("AuditEvent", "outcome"): "0 4 8 12",
    ("AuditEventAgentNetwork", "type"): "1 2 3 4 5",
    ("Composition", "confidentiality"): "U L M N R V",
    ("DetectedIssue", "status"): "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ("RiskAssessment", "status"): "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ("DeviceUdiCarrier", "entryType"): "barcode rfid manual card self-reported unknown",
    ("DeviceUseStatement", "status"): "active completed entered-in-error intended stopped on-hold",
    ("OperationOutcomeIssue", "code"): "invalid structure required value invariant security login unknown expired forbidden suppressed processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational",
    ("QuestionnaireItem", "type"): "group display question boolean decimal integer date dateTime time string text url choice open-choice attachment reference quantity",
    ("SupplyRequest", "status"): "draft active suspended cancelled completed entered-in-error unknown",
    ("Task", "status"): "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error",
    **dict.fromkeys(((q, "comparator") for q in ("Quantity", "Age", "Count", "Distance", "Duration")), "< <= >= >"),
}  # fmt: skip
"""Required bindings that the models abbreviate with "+", or do not list."""


def rows() -> list[str]:
    found: dict[str, list[str]] = {}
    queue = list(RESOURCES)
    while queue:
        name = queue.pop(0)
        if name in found:
            continue
        model = get_fhir_model_class(name)
        found[name] = lines = []
        for field in model.model_fields.values():
            alias = field.alias or ""
            if (
                alias
                in (
                    "valueCodeableReference",
                    "valueRatioRange",
                    "subjectCanonical",
                    "resourceType",
                    "resource_type",
                    "fhir_comments",
                )
                or alias.startswith("_")
                or not alias
            ):
                continue
            kind, many = _kind(field.annotation)
            extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            required = bool(extra.get("element_required")) or field.is_required()
            choice = str(extra.get("one_of_many") or "")
            choice_required = bool(extra.get("one_of_many_required"))
            codes = CODES.get((name, alias), "")
            sent = extra.get("enum_values") or []
            if not codes and sent and "+" not in sent and not any("+" in v or "|" in v for v in sent):
                codes = " ".join(sent)
            flag = ("1" if required else "0") + ("*" if many else "1")
            lines.append(
                "\t".join((name, alias, kind, flag, choice + ("!" if choice and choice_required else ""), codes))
            )
            if kind[0].isupper() and kind not in ("Resource",):
                queue.append(kind)
    return [line for name in sorted(found) for line in found[name]]


def _kind(annotation: Any) -> tuple[str, bool]:
    many = False
    text = repr(annotation)

    def plain(one: Any) -> Any:
        if typing.get_origin(one) in (typing.Union, types.UnionType):
            return next(a for a in typing.get_args(one) if a is not type(None))
        return one

    inner = plain(annotation)
    if typing.get_origin(inner) is list:
        many = True
        inner = plain(typing.get_args(inner)[0])
    if isinstance(inner, typing.TypeVar):
        raise TypeError(text)
    metadata = getattr(inner, "__metadata__", ())
    for one in metadata:
        special = {"EncodedBytes": "base64Binary", "UuidVersion": "uuid"}.get(type(one).__name__)
        if special:
            return special, many
        label = type(one).__name__ if not isinstance(one, type) else one.__name__
        if label[0].isupper() and label not in ("FieldInfo", "WrapValidator", "Strict"):
            return label[0].lower() + label[1:], many
    name = getattr(inner, "__resource_type__", None) or getattr(inner, "__name__", str(inner))
    basic = {"bool": "boolean", "str": "string", "int": "integer", "Decimal": "decimal"}
    name = basic.get(name, name)
    return name.rpartition(".")[2].removesuffix("Type"), many


if __name__ == "__main__":
    print(
        "# type<TAB>element<TAB>FHIR type<TAB>min and max<TAB>choice (! = one is required)<TAB>codes of a required binding"
    )
    print("\n".join(rows()))
