"""Sections of a C-CDA document by LOINC code, and which resources may carry what their entries say."""

from __future__ import annotations

SECTIONS = {
    "48765-2": "allergies", "10160-0": "medications", "10183-2": "medications", "42346-7": "medications", "29549-3": "medications",
    "18610-6": "medications", "11450-4": "problems", "11348-0": "problems", "46241-6": "problems", "11535-2": "problems", "29308-4": "problems",
    "10219-4": "problems", "10218-6": "problems", "75310-3": "problems", "46240-8": "encounters", "30954-2": "results", "8716-3": "vitals", "11369-6": "immunizations",
    "47519-4": "procedures", "29554-3": "procedures", "29762-2": "social", "18776-5": "plan", "61146-7": "goals", "10157-6": "family",
    "47420-5": "functional", "10190-7": "mental", "46264-8": "equipment", "48768-6": "payers", "85847-2": "careteam", "42348-3": "directives",
    "62387-6": "interventions", "51848-0": "plan", "51847-2": "plan", "11383-7": "other", "11493-4": "other",
}  # fmt: skip

T = "2.16.840.1.113883.10.20.22.4."
"""The arc of C-CDA entry templates."""
PLANNED = {"INT", "RQO", "PRMS", "PRP", "APT", "ARQ", "GOL", "RSK"}
MEDICATION = "MedicationStatement. MedicationRequest. MedicationAdministration. MedicationDispense."
# the value of an observation that is neither problem nor allergy
OBSERVED = "Observation.value Observation.component Observation.dataAbsentReason"
DONE = {
    "completed": (
        "completed",
        "final",
        "finished",
        "resolved",
        "inactive",
        "not-done",
        "not-taken",
        "stopped",
        "active",
    ),
    "active": (
        "active",
        "in-progress",
        "preliminary",
        "registered",
        "intended",
        "on-hold",
        "partial",
        "unknown",
        "not-done",
        "not-taken",
        "completed",
    ),
    "aborted": ("stopped", "not-done", "cancelled", "revoked", "entered-in-error", "inactive"),
    "cancelled": ("cancelled", "not-done", "revoked", "entered-in-error", "stopped"),
    "suspended": ("on-hold", "inactive", "suspended"),
    "held": ("on-hold", "registered"),
}
ALLERGY_TYPES = {
    "419199007": ("allergy",), "416098002": ("medication", "allergy"), "414285001": ("food", "allergy"), "59037007": ("intolerance", "medication"),
    "235719002": ("food", "intolerance"), "419511003": ("medication",), "418471000": ("food",), "426232007": ("environment",), "232347008": ("allergy",),
    "418038007": (), "420134006": (), "106190000": ("allergy",),
}  # fmt: skip
SEVERITIES = {
    "255604002": ("mild",), "371923003": ("mild", "moderate"), "6736007": ("moderate",), "371924009": ("moderate", "severe"), "24484000": ("severe",),
    "399166001": ("severe",),
}  # fmt: skip
