"""IPC -> what an imaging order says for the modality: accession, study UID, steps, station. Source: HL7 v2.8.2 section 4.5.6.

Pointers alone: the pixels are not our job.
"""

from __future__ import annotations

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill

DICOM_UID = "urn:dicom:uid"


def ipc(d: Draft, s: Segment) -> None:
    order = d.now.get("order")
    d.source(s, order or d.now.get("header"))
    if order is None or order["resourceType"] != "ServiceRequest":
        for n in range(1, len(s.fields)):
            if s.get(n):
                d.lose(s, n)
        return
    if uid := d.first(s.get(3)):
        value = uid if uid.startswith("urn:") else f"urn:oid:{uid}"
        if not any(one.get("value") == value for one in order.get("identifier", ())):
            order.setdefault("identifier", []).append({"system": DICOM_UID, "value": value})
    fill(d, s, order)
