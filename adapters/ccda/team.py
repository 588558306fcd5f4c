"""Care team organizer -> CareTeam. Source: C-CDA companion guide, Care Team Organizer and Member Act; FHIR R4 CareTeam."""

from __future__ import annotations

from adapters.ccda.coded import concept
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.location import places
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned
from adapters.ccda.statement import Section, begin, finish, is_a, nested, notes, rest, status
from adapters.ccda.times import period
from adapters.ccda.tree import Node
from hie.model import Resource

_STATUS = {
    "active": "active",
    "completed": "inactive",
    "new": "proposed",
    "suspended": "suspended",
    "aborted": "inactive",
    "cancelled": "inactive",
    "nullified": "entered-in-error",
}


def team(d: Draft, node: Node, section: Section) -> list[str]:
    """A team with its members, their functions and times."""
    made, ids = begin(d, node, "CareTeam")
    put(made, status=_STATUS.get(status(node)))
    code = node.kid("code")
    shown = concept(d, code)
    kinds: list[Resource] = [shown] if shown and shown.get("coding") else []
    made["subject"] = refer(d.patient)
    put(made, period=period(d, node.kid("effectiveTime")))
    members: list[Resource] = []
    for kid in node.all("participant"):
        if kid.get("typeCode") == "PPRF" and (role := kid.kid("participantRole")) is not None:
            kid.used = True
            if who := assigned(d, role):
                members.append({"member": who})
    for link, inner in list(nested(node)):
        if is_a(inner, "500.2"):
            link.used = inner.used = True
            status(inner)
            if (inner_code := inner.kid("code")) is not None:
                inner_code.used = True
            if kind := concept(d, inner.kid("value")):
                kinds.append(kind)
        elif is_a(inner, "500.1") or (inner.tag == "act" and inner.kid("performer") is not None):
            link.used = True
            _members(d, inner, section, members)
    put(made, category=kinds)
    if shown and (name := shown.get("text")):
        made["name"] = name
    put(made, participant=_once(members), note=notes(d, node))
    where = places(d, node)
    section.entries += [each["reference"] for each in where if "reference" in each] + rest(d, node, section)
    return [finish(d, node, made, ids)]


def _members(d: Draft, node: Node, section: Section, members: list[Resource]) -> None:
    node.used = True
    status(node)
    if (code := node.kid("code")) is not None:
        code.used = True
    when = period(d, node.kid("effectiveTime"))
    for kid in node.all("performer"):
        kid.used = True
        who = assigned(d, kid.kid("assignedEntity"))
        role = concept(d, kid.kid("sdtc:functionCode")) or concept(d, kid.kid("functionCode"))
        if who:
            one: Resource = {}
            put(one, role=[role] if role else None)
            one["member"] = who
            put(one, period=when)
            members.append(one)
    places(d, node)
    for link, inner in list(nested(node)):
        if is_a(inner, "202"):
            link.used = True
            section.entries += d.dispatch(d, inner, section)
    said = text_of(d, node.kid("text")) if node.kid("text") is not None else ""
    if said and members:
        members[-1].setdefault("role", []).append({"text": said}) if not members[-1].get("role") else None


def _once(members: list[Resource]) -> list[Resource]:
    """A lead who is also listed as a member is one participant."""
    made: list[Resource] = []
    for each in members:
        bare = each.keys() == {"member"}
        if bare and any(other["member"] == each["member"] for other in members if other is not each):
            continue
        if each not in made:
            made.append(each)
    return made
