"""nullFlavor -> data-absent-reason, so that "not known", "not asked" and "masked" stay different things.

Source: C-CDA on FHIR, concept map of nullFlavor to data-absent-reason; FHIR R4 data-absent-reason code system.
"""

from __future__ import annotations

from hie.model import Resource

EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
NULL_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
NULL_EXTENSION = "http://hl7.org/fhir/StructureDefinition/iso21090-nullFlavor"

REASON = {
    "NI": "unknown",
    "UNK": "unknown",
    "ASKU": "asked-unknown",
    "NAV": "temp-unknown",
    "NASK": "not-asked",
    "MSK": "masked",
    "NA": "not-applicable",
    "OTH": "unsupported",
    "UNC": "as-text",
    "INV": "error",
    "NINF": "negative-infinity",
    "PINF": "positive-infinity",
    "NP": "unknown",
    "QS": "unknown",
    "TRC": "unknown",
    "DER": "unknown",
}

_DISPLAY = {
    "unknown": "Unknown",
    "asked-unknown": "Asked But Unknown",
    "temp-unknown": "Temporarily Unknown",
    "not-asked": "Not Asked",
    "masked": "Masked",
    "not-applicable": "Not Applicable",
    "unsupported": "Unsupported",
    "as-text": "As Text",
    "error": "Error",
    "negative-infinity": "Negative Infinity (NINF)",
    "positive-infinity": "Positive Infinity (PINF)",
}


def absent(null: str = "UNK") -> Resource:
    """An element that holds only the reason why it has no value: `{"extension": [...]}`."""
    return {"extension": [{"url": EXTENSION, "valueCode": REASON.get(null, "unknown")}]}


def absent_concept(null: str = "UNK") -> Resource:
    """A CodeableConcept for `dataAbsentReason` elements: the FHIR reason and the nullFlavor as sent."""
    reason = REASON.get(null, "unknown")
    coding = [{"system": SYSTEM, "code": reason, "display": _DISPLAY[reason]}]
    if null in REASON:
        coding.append({"system": NULL_SYSTEM, "code": null})
    return {"coding": coding}
