"""GOL -> Goal, PTH -> CarePlan. Sources: HL7 v2.8.2 sections 12.4.1 (GOL), 12.4.3 (PTH); FHIR R4 Goal, CarePlan."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_date, put_time

_LIFE = {
    "ACTIVE": "active",
    "CANCELLED": "cancelled",
    "COMPLETED": "completed",
    "PROPOSED": "proposed",
    "PLANNED": "planned",
    "ON-HOLD": "on-hold",
    "REJECTED": "rejected",
}


def gol(d: Draft, s: Segment) -> None:
    number = ei(d, s, 4, s.get(4)) if s.get(4) else None
    made = d.unique(
        "Goal", (number or {}).get("system") or d.scope, (number or {}).get("value") or d.control_id, d.first(s.get(3))
    )
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    life = d.first(s.get(18)).upper()
    made["lifecycleStatus"] = (
        "entered-in-error"
        if d.first(s.get(1)).upper() == "DE"
        else _LIFE.get(life, "active" if not life else "proposed")
    )
    if life and life not in _LIFE:
        d.lose(s, 18)
    made["description"] = (concept(d, s, 3, s.get(3)) if s.get(3) else None) or d.nobody()
    if number:
        made["identifier"] = [number]
    d.owner = d.now["about"] = made
    d.source(s, made)
    if s.get(7):
        put_date(d, s, 7, s.get(7), made, "startDate")
    target: dict[str, Any] = {}
    if s.get(8):
        put_date(d, s, 8, s.get(8), target, "dueDate")
    if target:
        made["target"] = [target]
    fill(d, s, made)


def pth(d: Draft, s: Segment) -> None:
    number = ei(d, s, 3, s.get(3)) if s.get(3) else None
    made = d.unique(
        "CarePlan",
        (number or {}).get("system") or d.scope,
        (number or {}).get("value") or d.control_id,
        d.first(s.get(2)),
    )
    made["status"] = "entered-in-error" if d.first(s.get(1)).upper() == "DE" else "unknown"
    made["intent"] = "plan"
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if number:
        made["identifier"] = [number]
    if (raw := s.get(2)) and (kind := concept(d, s, 2, raw)):
        made["category"] = [kind]
    if s.get(4):
        put_time(d, s, 4, s.get(4), made, "created")
    d.owner = d.now["about"] = made
    d.source(s, made)
    fill(d, s, made)
