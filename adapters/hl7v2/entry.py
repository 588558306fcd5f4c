"""Who entered, verified, acted on or transcribed an order or a report -> Provenance: R4 orders have no element for them.

Sources: HL7 v2.8.2 sections 4.5.1 (ORC-10, 11, 13, 17, 18, 19), 7.4.1 (OBR-35); FHIR R4 Provenance.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.parties import location, practitioners
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import time_of
from hie.model import Resource

_TYPE = THO + "provenance-participant-type"
ENTERER = {"system": _TYPE, "code": "enterer"}
VERIFIER = {"system": _TYPE, "code": "verifier"}
AUTHOR = {"system": _TYPE, "code": "author"}
TRANSCRIBER = {"system": THO + "v3-ParticipationType", "code": "TRANS"}
ROLES = {"EP": ENTERER, "VP": VERIFIER, "TR": TRANSCRIBER, "AUT": AUTHOR}
"""Roles of table 0912 that say who wrote, entered, verified or transcribed."""
_ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def of_order(d: Draft, s: Segment, order: Resource, *, entered: bool = True, verified: bool = True) -> None:
    """ORC-10, 11, 19 and what stands around them; the caller says which of the people the order itself has room for."""
    agents: list[dict[str, Any]] = []
    for n, role, wanted in ((10, ENTERER, entered), (11, VERIFIER, verified), (19, AUTHOR, True)):
        if wanted and (raw := s.get(n)):
            agents += [_agent(role, who) for who in practitioners(d, s, n, raw)]
    if raw := s.get(18):  # the terminal
        agents.append(_agent(ENTERER, _named(d, s, 18, raw, "Device")))
    if raw := s.get(17):
        behalf = _named(d, s, 17, raw, "Organization")
        if agents:
            agents[0]["onBehalfOf"] = behalf
        else:
            agents.append(_agent(ENTERER, behalf))
    if not agents:
        if s.get(13):  # a place where nobody is said to have done anything
            d.lose(s, 13)
        return
    held = _held(d, s, order, s.get(9))
    held.setdefault("agent", []).extend(a for a in agents if a not in held.get("agent", ()))
    if (
        (raw := s.get(13))
        and (where := location(d, s, 13, d.single(s, 13)))
        and held.setdefault("location", where) != where
    ):
        d.lose(s, 13)


def transcribed(d: Draft, s: Segment, report: Resource, people: list[dict[str, Any]]) -> None:
    """OBR-35."""
    add(d, s, report, "TR", people)


def add(d: Draft, s: Segment, target: Resource, role: str, people: list[dict[str, Any]]) -> None:
    """People in one of `ROLES`."""
    held = _held(d, s, target, "")
    held.setdefault("agent", []).extend(_agent(ROLES[role], who) for who in people)


def _agent(role: dict[str, str], who: dict[str, Any]) -> dict[str, Any]:
    return {"type": {"coding": [dict(role)]}, "who": who}


def _named(d: Draft, s: Segment, n: int, raw: str, kind: str) -> dict[str, Any]:
    """Something told by a coded value: a reference by code and name."""
    parts = [d.text(p) for p in d.single(s, n).split(d.message.component)]
    parts += [""] * (3 - len(parts))
    made: dict[str, Any] = {"type": kind}
    if parts[0]:
        made["identifier"] = {**({"system": d.system(parts[2])} if parts[2] else {}), "value": parts[0]}
    if parts[1]:
        made["display"] = parts[1]
    d.rest(s, n, 0, parts, 3)
    return made


def _held(d: Draft, s: Segment, target: Resource, when: str) -> Resource:
    reference = d.ref(target)
    made = d.add("Provenance", d.scope, reference["reference"], "entry")
    made["target"] = [reference]
    time = time_of(d, when) if when else None
    if time is not None and time.instant is not None:
        made["recorded"] = time.value
    elif "recorded" not in made:
        made["_recorded"] = _ABSENT
    d.source(s, made)
    return made
