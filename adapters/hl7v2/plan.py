"""GOL -> Goal, PTH -> CarePlan, VAR -> a note of either. Sources: HL7 v2.8.2 sections 12.4.1 (GOL), 12.4.3 (PTH), 12.4.4 (VAR); FHIR R4 Goal, CarePlan."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.notes import NOTED
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import fhir_time_of, put_date, put_time

_GOAL = {
    "ACTIVE": "active", "CANCELLED": "cancelled", "CANCELED": "cancelled", "COMPLETED": "completed", "COMPLETE": "completed",
    "PROPOSED": "proposed", "PLANNED": "planned", "ACCEPTED": "accepted", "ON-HOLD": "on-hold", "ON HOLD": "on-hold",
    "SUSPENDED": "on-hold", "REJECTED": "rejected", "ACHIEVED": "completed",
}  # fmt: skip
"""GOL-18 (user-defined) -> Goal.lifecycleStatus, where the word says it plainly."""
_PATH = {
    "ACTIVE": "active", "COMPLETED": "completed", "COMPLETE": "completed", "CANCELLED": "revoked", "CANCELED": "revoked",
    "STOPPED": "revoked", "SUSPENDED": "on-hold", "ON-HOLD": "on-hold", "ON HOLD": "on-hold", "DRAFT": "draft",
}  # fmt: skip
"""PTH-5 (user-defined) -> CarePlan.status."""


def _said(d: Draft, s: Segment, n: int, words: dict[str, str]) -> str:
    """What a user-defined status means, by its code or its text; "" and listed where neither says it."""
    for part in d.parts(s.get(n))[:2] if s.get(n) else ():
        if found := words.get(d.text(part).upper()):
            return found
    if s.get(n):
        d.lose(s, n)
    return ""


def gol(d: Draft, s: Segment) -> None:
    number = ei(d, s, 4, s.get(4)) if s.get(4) else None
    made = d.unique(
        "Goal", (number or {}).get("system") or d.scope, (number or {}).get("value") or d.control_id, d.first(s.get(3))
    )
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    life = _said(d, s, 18, _GOAL)
    if d.first(s.get(1)).upper() == "DE":
        made["lifecycleStatus"] = "entered-in-error"
    elif life:
        made["lifecycleStatus"] = life
    else:
        made["_lifecycleStatus"] = d.nobody()
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
    for n in (19, 2):  # when it came into this state; else when the sender last did something to it
        if s.get(n) and "statusDate" not in made:
            put_date(d, s, n, s.get(n), made, "statusDate")
        elif s.get(n) and made["statusDate"] != fhir_time_of(d, s.get(n))[:10]:
            d.lose(s, n)
    for _, part in d.repeats(s.get(17)) if s.get(17) else ():
        if text := readable(d, part):
            made.setdefault("note", []).append({"text": text})
    fill(d, s, made)


def pth(d: Draft, s: Segment) -> None:
    number = ei(d, s, 3, s.get(3)) if s.get(3) else None
    made = d.unique(
        "CarePlan",
        (number or {}).get("system") or d.scope,
        (number or {}).get("value") or d.control_id,
        d.first(s.get(2)),
    )
    status = _said(d, s, 5, _PATH)
    made["status"] = "entered-in-error" if d.first(s.get(1)).upper() == "DE" else status or "unknown"
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


def var(d: Draft, s: Segment) -> None:
    """A variance from a plan, goal or problem: a note of it, with who documented it and when."""
    owner = d.owner
    d.source(s, owner or d.now.get("header"))
    lines = [t for _, part in d.repeats(s.get(6)) if (t := readable(d, part))] if s.get(6) else []
    fill(d, s, owner)
    if owner is None or owner["resourceType"] not in NOTED or not lines:
        for n in (2, 3, 4, 6):
            if s.get(n):
                d.lose(s, n)
        return
    note: dict[str, Any] = {"text": "\n".join(lines)}
    for n in (2, 3):
        if s.get(n) and "time" not in note:
            put_time(d, s, n, s.get(n), note, "time")
        elif s.get(n) and note["time"] != fhir_time_of(d, s.get(n)):
            d.lose(s, n)
    for rep, part in d.repeats(s.get(4)) if s.get(4) else ():
        who = practitioner(d, s, 4, part, rep)
        if rep > 1 or who is None:
            d.lose(s, 4, rep)
        elif "reference" in who:
            note["authorReference"] = who
        else:
            note["authorString"] = who.get("display") or who["identifier"]["value"]
    owner.setdefault("note", []).append(note)
