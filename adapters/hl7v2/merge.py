"""MRG and the identity events: Patient.link, the prior Patient, and statements for the person index.

Sources: HL7 v2.8.2 sections 3.3.18-3.3.61 (A18, A24, A34-A51), 3.4.10 (MRG).
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import as_key, cx
from adapters.hl7v2.names import names
from adapters.hl7v2.patient import identifier_id
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.related import account
from adapters.hl7v2.rules import fill
from hie.fhir.ids import resource_id
from hie.model import IdentityStatement, Resource, StatementKind

MERGES = frozenset(("A18", "A30", "A34", "A36", "A39", "A40"))
"""The prior patient is the surviving one."""
CHANGES = frozenset(("A46", "A47", "A48", "A49", "A50", "A51"))
"""One person under a changed number: the former number is kept, marked as old."""
ACCOUNTS = frozenset(("A41", "A44", "A49"))
VISITS = frozenset(("A42", "A45", "A50", "A51"))
_STATED = {
    **dict.fromkeys(MERGES, StatementKind.MERGE),
    **dict.fromkeys(("A43", "A46", "A47", "A48"), StatementKind.MOVE),
}


def mrg(d: Draft, s: Segment) -> None:
    trigger = d.event.partition("^")[2]
    patient = d.now.get("patient")
    d.source(s, patient)
    prior = _prior(d, s, patient, trigger)
    _numbers(d, s, patient, trigger)
    fill(d, s, patient)
    if prior is not None:
        d.source(s, prior)
        if s.get(7):
            prior["name"] = names(d, s, 7, s.get(7))
            if not prior["name"]:
                del prior["name"]
    elif s.get(7) and patient is not None:
        _former(d, s, patient)


def _former(d: Draft, s: Segment, patient: Resource) -> None:
    """MRG-7 of the patient himself: a name he had, unless he still has it."""
    known: list[dict[str, Any]] = patient.setdefault("name", [])
    for name in names(d, s, 7, s.get(7)):
        name.pop("use", None)
        if not any(all(one.get(key) == value for key, value in name.items()) for one in known):
            known.append({**name, "use": "old"})
    if not known:
        del patient["name"]


def _prior(d: Draft, s: Segment, patient: Resource | None, trigger: str) -> Resource | None:
    """The patient that is no more, with links both ways; the statement of a merge or a move."""
    found: list[dict[str, Any]] = []
    for n in (1, 2, 4):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            made = cx(d, s, n, part, rep)
            if made and not any(
                one["value"] == made["value"] and one.get("system") == made.get("system") for one in found
            ):
                found.append(made)
    if not found or patient is None or d.patient is None:
        for n in (1, 2, 4, 7):
            if s.get(n) and patient is None:  # nobody whom it could be prior to
                d.lose(s, n)
        return None
    mine = patient.get("identifier", [])
    kind = _STATED.get(trigger)
    for one, other in zip(found, _matched(found, mine), strict=True):
        if kind is not None and other is not None and as_key(one) != as_key(other):
            d.statements.append(IdentityStatement(kind, as_key(other), as_key(one)))
    identity = identifier_id(d, found)
    if trigger in CHANGES or identity == patient["id"]:
        for one in found:
            if not any(i["value"] == one["value"] and i.get("system") == one.get("system") for i in mine):
                patient.setdefault("identifier", []).append({"use": "old", **one})
        return None
    if identity is None:
        return None
    # A35, A41, A06 and the rest speak of accounts and visits: a prior patient of another number stays a person of his own
    if (
        trigger not in MERGES
    ):  # he lives on under his number: what is known of him elsewhere must not become this little
        identity = resource_id(d.scope, "Patient", "former holder", identity)
    prior = d.resources.setdefault(f"Patient/{identity}", {"resourceType": "Patient", "id": identity})
    prior["identifier"] = found
    if trigger in MERGES:
        prior["active"] = False
        prior["link"] = [{"other": dict(d.patient), "type": "replaced-by"}]
        patient.setdefault("link", []).append({"other": d.ref(prior), "type": "replaces"})
    return prior


def _matched(found: list[dict[str, Any]], mine: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """For each prior identifier the surviving one of the same issuer and type, else the first."""
    chosen: list[dict[str, Any] | None] = []
    for one in found:
        same = [i for i in mine if i.get("system") == one.get("system") and i.get("type") == one.get("type")]
        near = same or [i for i in mine if i.get("system") == one.get("system")] or mine[:1]
        chosen.append(near[0] if near else None)
    return chosen


def _numbers(d: Draft, s: Segment, patient: Resource | None, trigger: str) -> None:
    """MRG-3 account, MRG-5 and MRG-6 visit: former numbers."""
    if s.get(3):
        prior = account(d, s, 3)
        if prior is not None:
            current = d.now.get("account")
            if current is not None and current is not prior and trigger in ACCOUNTS:
                one, other = current["identifier"][0], prior["identifier"][0]
                d.statements.append(IdentityStatement(StatementKind.MOVE, as_key(one), as_key(other)))
            prior["status"] = "inactive" if trigger in MERGES | {"A35", "A41"} else prior["status"]
    visits = (
        [(n, i) for n in (5, 6) for rep, part in d.repeats(s.get(n)) if (i := cx(d, s, n, part, rep, "VN"))]
        if s.get(5) or s.get(6)
        else []
    )
    if visits:
        waiting = Merging(d, s, visits, trigger)
        d.now["merging"] = waiting
        d.later.append(waiting.close)


class Merging:
    """Former visit numbers until the PV1 comes that tells which visit they are of: A45 has a pair for each visit."""

    def __init__(self, d: Draft, s: Segment, visits: list[tuple[int, dict[str, Any]]], trigger: str) -> None:
        self.draft, self.segment, self.visits, self.trigger = d, s, visits, trigger
        self.done = False

    def __call__(self, encounter: Resource) -> None:
        self.done = True
        _visits(self.draft, self.segment, self.visits, self.trigger, encounter)

    def close(self) -> None:
        """At the end of the message: no PV1 came behind, one before it may have."""
        if not self.done:
            _visits(self.draft, self.segment, self.visits, self.trigger, self.draft.now.get("encounter"))


def _visits(
    d: Draft, s: Segment, visits: list[tuple[int, dict[str, Any]]], trigger: str, encounter: Resource | None
) -> None:
    if encounter is None:
        first = visits[0][1]
        encounter = d.add("Encounter", first.get("system") or d.scope, first["value"])
        encounter["status"] = "unknown"
        encounter["class"] = {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "NI"}
        encounter["identifier"] = [i for _, i in visits]
        if d.patient:
            encounter["subject"] = dict(d.patient)
    else:
        current = (encounter.get("identifier") or [None])[0]
        for _, one in visits:
            if not any(i["value"] == one["value"] for i in encounter.get("identifier", ())):
                encounter.setdefault("identifier", []).append({"use": "old", **one})
            if trigger in VISITS and current is not None and as_key(current) != as_key(one):
                d.statements.append(IdentityStatement(StatementKind.MOVE, as_key(current), as_key(one)))
    d.source(s, encounter)
