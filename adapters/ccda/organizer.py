"""Organizers: result batteries -> DiagnosticReport, vital signs and other panels -> Observation with members.

Sources: C-CDA R2.1 Result Organizer, Vital Signs Organizer, Functional and Mental Status Organizer; C-CDA on FHIR.
"""

from __future__ import annotations

from adapters.ccda.coded import concept, fixed, required
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.narrative import text_of
from adapters.ccda.observation import CATEGORIES, STATUS
from adapters.ccda.people import author, performers, uncredited
from adapters.ccda.specimen import specimens
from adapters.ccda.statement import Section, begin, finish, instant_or, nested, notes, responsible, status, unread_code
from adapters.ccda.times import put_when
from adapters.ccda.tree import Node
from hie.model import Resource

_REPORT = {
    "completed": "final",
    "active": "registered",
    "new": "registered",
    "held": "registered",
    "suspended": "registered",
    "aborted": "cancelled",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
_LAB = fixed("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")
_IMAGING = fixed("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")


def report(d: Draft, node: Node, section: Section) -> list[str]:
    """A result organizer with its observations."""
    made, ids = begin(d, node, "DiagnosticReport")
    made["status"] = _REPORT.get(status(node, _REPORT), "unknown")
    made["category"] = [_IMAGING if section.kind == "imaging" else _LAB]
    made["code"] = required(d, node.kid("code"))
    made["subject"] = refer(d.patient)
    put_when(d, made, "effective", node.kid("effectiveTime"))
    writer, written = author(d, node)
    instant_or(d, made, "issued", written)
    put(made, performer=_people(d, node, section, writer), specimen=specimens(d, node))
    remarks = notes(d, node)
    collected = [
        each for part in node.all("component") for inner in part.all("procedure") for each in specimens(d, inner)
    ]
    put(made, specimen=made.get("specimen", []) + [each for each in collected if each not in made.get("specimen", ())])
    members, others = _members(d, node, section)
    put(made, result=[refer(each) for each in members])
    if remarks:
        made["conclusion"] = "\n".join(each["text"] for each in remarks)
    section.entries += others
    return [finish(d, node, made, ids)]


def panel(d: Draft, node: Node, section: Section) -> list[str]:
    """Any other organizer of observations. One without code, time or text only groups: its members stand alone."""
    made, ids = begin(d, node, "Observation")
    made["status"] = STATUS.get(status(node, STATUS), "unknown")
    if category := CATEGORIES.get(section.kind):
        made["category"] = [category]
    code = concept(d, node.kid("code"))
    made["code"] = code or required(d, node.kid("code"))
    made["subject"] = refer(d.patient)
    remarks = notes(d, node)
    members, others = _members(d, node, section)
    section.entries += others
    said = text_of(d, node.kid("text")) if code and not members else ""
    if not (said or remarks or (members and (code or ids))):
        if code:
            unread_code(node)
        for number in node.all("id"):
            number.used = False
        return members
    put_when(d, made, "effective", node.kid("effectiveTime"))
    writer, written = author(d, node)
    instant_or(d, made, "issued", written)
    put(made, performer=_people(d, node, section, writer))
    put(made, note=remarks, valueString=said, hasMember=[refer(each) for each in members])
    return [finish(d, node, made, ids)]


def _people(d: Draft, node: Node, section: Section, writer: Resource | None) -> list[Resource]:
    found = performers(d, node)
    found += [who for who in responsible(d, node, section) if who not in found]
    if found and writer and writer not in found:
        uncredited(d, node)
    return found or ([writer] if writer else [])


def _members(d: Draft, node: Node, section: Section) -> tuple[list[str], list[str]]:
    members: list[str] = []
    others: list[str] = []
    for link, inner in list(nested(node)):
        link.used = True
        for each in d.dispatch(d, inner, section):
            (members if each.startswith("Observation/") else others).append(each)
    return list(dict.fromkeys(members)), others
