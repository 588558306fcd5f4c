"""NTE: a comment belongs to the segment that it follows, whatever that is.

Resources with a `note` take it there; for a patient, a visit or a report it becomes an Observation "annotation comment"
(LOINC 48767-8) about them, since they have no element for it.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

NOTED = frozenset(
    (
        "AllergyIntolerance", "CarePlan", "ClinicalImpression", "Communication", "CommunicationRequest", "Condition",
        "DeviceRequest", "Goal", "Immunization", "MedicationAdministration", "MedicationDispense", "MedicationRequest",
        "MedicationStatement", "NutritionOrder", "Observation", "Procedure", "ServiceRequest", "Specimen", "Task", "ChargeItem",
    )
)  # fmt: skip
COMMENT = {"coding": [{"system": "http://loinc.org", "code": "48767-8"}]}


def nte(d: Draft, s: Segment) -> None:
    if d.owner is None and d.now.get("orc") is not None:
        d.now.setdefault("notes", []).append(s)  # about an order that the next segment will tell
        return
    put(d, s, d.owner if d.owner is not None else d.now.get("patient"))


def put(d: Draft, s: Segment, owner: Resource | None) -> None:
    """The comment on `owner`, or about it."""
    d.source(s, owner)
    lines = [d.text(part) for part in s.get(3).split(d.message.repetition)]
    text = "\n".join(lines).strip()
    if s.get(4):
        d.lose(s, 4)
    if not text or owner is None:
        fill(d, s)
        if text:
            d.lose(s, 3)
        return
    note: dict[str, Any] = {"text": text}
    if s.get(5) and (who := practitioner(d, s, 5, d.single(s, 5))):
        if "reference" in who:
            note["authorReference"] = who
        else:
            note["authorString"] = who.get("display") or who["identifier"]["value"]
    if s.get(6):
        put_time(d, s, 6, s.get(6), note, "time")
    fill(d, s)
    kind = owner["resourceType"]
    if kind in NOTED:
        _append(owner.setdefault("note", []), note, s)
    elif kind == "Appointment":
        owner["comment"] = f"{owner['comment']}\n{text}" if "comment" in owner else text
    elif kind == "DocumentReference":
        owner["description"] = f"{owner['description']}\n{text}" if "description" in owner else text
    else:
        for n in (5, 6):
            if s.get(n):
                d.lose(s, n)
        _observation(d, s, owner, text)


def _append(notes: list[dict[str, Any]], note: dict[str, Any], s: Segment) -> None:
    """Lines that a sender spreads over NTEs with rising set ids are one comment."""
    if notes and s.get(1).isdigit() and int(s.get(1)) > 1 and set(note) == {"text"} and set(notes[-1]) == {"text"}:
        notes[-1]["text"] += "\n" + note["text"]
    else:
        notes.append(note)


def _observation(d: Draft, s: Segment, owner: Resource, text: str) -> None:
    reference = d.ref(owner)
    found = d.now.get(("comment", reference["reference"]))
    if found is not None:
        found["valueString"] += "\n" + text
        d.source(s, found)
        return
    made = d.unique("Observation", d.scope, d.control_id, reference["reference"], "comment")
    d.now[("comment", reference["reference"])] = made
    made["status"] = "unknown"
    made["code"] = COMMENT
    kind = owner["resourceType"]
    if d.patient:
        made["subject"] = dict(d.patient)
    if kind == "Encounter":
        made["encounter"] = reference
    elif kind not in ("Patient", "Organization", "Practitioner"):
        made["focus"] = [reference]
    made["valueString"] = text
    d.source(s, made)
