"""NPU -> Location: the state of a bed (A20). Source: HL7 v2.8.2 section 3.4.8; FHIR R4 Location.operationalStatus."""

from __future__ import annotations

from adapters.hl7v2.concepts import first_coding
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import location
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill


def npu(d: Draft, s: Segment) -> None:
    """NPU-1 the bed, NPU-2 its state (table 0116)."""
    place = location(d, s, 1, s.get(1)) if s.get(1) else None
    held = d.resources.get((place or {}).get("reference", ""))
    if status := first_coding(d, s, 2, s.get(2), "0116") if s.get(2) else None:
        if held is None:
            d.lose(s, 2)
        else:
            held["operationalStatus"] = status
    fill(d, s)
    d.source(s, held or d.now.get("header"))
