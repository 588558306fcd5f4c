"""Procedure activity (procedure, act, observation) and other acts that happened -> Procedure.

Sources: C-CDA R2.1 Procedure Activity Procedure/Act/Observation; C-CDA on FHIR procedures map; FHIR R4 procedure-method.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import concept, required
from adapters.ccda.device import codes, devices
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.indication import reasons_of
from adapters.ccda.location import places
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author
from adapters.ccda.specimen import specimens
from adapters.ccda.statement import (
    Section,
    begin,
    finish,
    is_a,
    negated,
    nested,
    notes,
    responsible,
    rest,
    settled,
    status,
    take,
)
from adapters.ccda.times import put_when
from adapters.ccda.tree import Node
from adapters.ccda.values import put_value
from adapters.ccda.visit import visit
from hie.model import Resource

STATUS = {
    "completed": "completed",
    "active": "in-progress",
    "new": "preparation",
    "held": "on-hold",
    "suspended": "on-hold",
    "aborted": "stopped",
    "cancelled": "not-done",
    "nullified": "entered-in-error",
}
_METHOD = "http://hl7.org/fhir/StructureDefinition/procedure-method"


def procedure(d: Draft, node: Node, section: Section) -> list[str]:
    """One procedure that was done, is being done, or was not done."""
    made, ids = begin(d, node, "Procedure")
    state = STATUS.get(status(node, STATUS), "unknown")
    made["status"] = "not-done" if negated(node) and state != "entered-in-error" else state
    reasons, indications = reasons_of(d, node, section)
    if made["status"] == "not-done" and reasons:
        made["statusReason"] = reasons[0]
        reasons = reasons[1:]
    made["code"] = required(d, node.kid("code"), text_of(d, node.kid("text")))
    made["subject"] = refer(d.patient)
    put(made, encounter=visit(d, node))
    when = node.kid("effectiveTime")
    if not put_when(d, made, "performed", when) and when is not None and (null := _null(when)):
        made["_performedDateTime"] = absent(null)
    writer, _ = author(d, node)
    put(made, recorder=writer if writer and not str(writer.get("reference", "")).startswith("Device/") else None)
    put(made, performer=_performers(d, node))
    # a device that stands as a location (sic) is a device
    not_done = made["status"] == "not-done"
    put(made, usedCode=codes(d, node) if not_done else None)
    devices_used = [] if not_done else devices(d, node)
    where = places(d, node)
    put(made, location=where[0] if where else None)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    made_performers = made.get("performer", [])
    extra = [{"actor": who} for who in responsible(d, node, section)]
    put(made, performer=made_performers + [e for e in extra if e not in made_performers])
    sites = [c for tag in ("targetSiteCode", "approachSiteCode") for kid in node.all(tag) if (c := concept(d, kid))]
    put(made, bodySite=sites)
    for kid in node.all("methodCode"):
        if method := concept(d, kid):
            made.setdefault("extension", []).append({"url": _METHOD, "valueCodeableConcept": method})
    put(made, focalDevice=[{"manipulated": each} for each in devices_used])
    follow = []
    for inner in take(node, "20", "2.16.840.1.113883.10.20.1.49"):
        settled(inner)
        shown = concept(d, inner.kid("code"))
        text = text_of(d, inner.kid("text"))
        if shown or text:
            follow.append({**(shown or {}), **({"text": text} if text else {})})
    put(made, followUp=follow, note=notes(d, node))
    _complications(d, made, node, section)
    others = [each["reference"] for each in specimens(d, node) if "reference" in each]
    nested_facts = rest(d, node, section)
    section.entries += nested_facts + others
    reference = finish(d, node, made, ids)
    _finding(d, made, node, section, reference)
    return [reference]


def _performers(d: Draft, node: Node) -> list[Resource]:
    made = []
    for kid in node.all("performer"):
        entity = kid.kid("assignedEntity")
        kid.used = True
        who = assigned(d, entity)
        if not who:
            continue
        one: Resource = {}
        put(one, function=concept(d, kid.kid("sdtc:functionCode") or kid.kid("functionCode")))
        one["actor"] = who
        if one not in made:
            made.append(one)
    return made


def _null(when: Node) -> str:
    low = when.kid("low")
    return when.null or (low.null if low is not None else "")


def _complications(d: Draft, made: Resource, node: Node, section: Section) -> None:
    """Reactions to a procedure: what they were, and the observation with the rest."""
    found: list[Resource] = []
    for link, inner in list(nested(node)):
        if link.get("typeCode") in ("COMP", "MFST", "CAUS") and is_a(inner, "9"):
            link.used = True
            references = d.dispatch(d, inner, section)
            shown = d.resources.get(references[0], {}).get("valueCodeableConcept") if references else None
            if shown:
                found.append(shown)
            section.entries += references
    put(made, complication=found)


def _finding(d: Draft, made: Resource, node: Node, section: Section, reference: str) -> None:
    """The value of a procedure that was an observation is an observation of its own, part of the procedure."""
    for value in node.all("value"):
        probe: Resource = {}
        if not put_value(d, probe, value) or "dataAbsentReason" in probe:
            continue
        one = start("Observation")
        one["partOf"] = [refer(reference)]
        one["status"] = "final" if made["status"] == "completed" else "unknown"
        one["code"] = made["code"]
        one["subject"] = refer(d.patient)
        for key in ("DateTime", "Period"):
            if f"performed{key}" in made:
                one[f"effective{key}"] = made[f"performed{key}"]
        one.update(probe)
        put(one, interpretation=[c for kid in node.all("interpretationCode") if (c := concept(d, kid))])
        section.entries.append(d.add(one, node))
