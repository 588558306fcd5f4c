"""Care team organizer -> CareTeam. Source: C-CDA companion guide, Care Team Organizer and Member Act; FHIR R4 CareTeam."""

from __future__ import annotations

from adapters.ccda.coded import concept, fixed
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.location import places
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned
from adapters.ccda.statement import Section, begin, finish, fixed_code, is_a, nested, notes, rest, settled, status
from adapters.ccda.times import period
from adapters.ccda.tree import Node
from hie.model import Resource

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
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
    put(made, status=_STATUS.get(status(node, _STATUS)))
    code = node.kid("code")
    shown = concept(d, code)
    kinds: list[Resource] = [shown] if shown and shown.get("coding") else []
    made["subject"] = refer(d.patient)
    put(made, period=period(d, node.kid("effectiveTime")))
    members: list[Resource] = []
    for link, inner in list(nested(node)):
        if is_a(inner, "500.2"):
            link.used = inner.used = True
            settled(inner)
            fixed_code(inner, "86744-0")
            if kind := concept(d, inner.kid("value")):
                kinds.append(kind)
        elif is_a(inner, "500.1") or (inner.tag == "act" and inner.kid("performer") is not None):
            link.used = True
            _members(d, inner, section, members)
    _leads(d, node, members)
    put(made, category=kinds)
    if shown and (name := shown.get("text")):
        made["name"] = name
    put(made, participant=_once(members), note=notes(d, node))
    where = places(d, node)
    section.entries += [each["reference"] for each in where if "reference" in each] + rest(d, node, section)
    return [finish(d, node, made, ids)]


def _members(d: Draft, node: Node, section: Section, members: list[Resource]) -> None:
    node.used = True
    if (state := node.kid("statusCode")) is not None:
        # a member of a team has no status in FHIR: that one takes part is said by being listed
        state.used = state.get("code") == "active"
    fixed_code(node, "85847-2", "86744-0", "92707-7")
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


def _leads(d: Draft, node: Node, members: list[Resource]) -> None:
    """The lead of the team: a further role of the member that they are, else a member of their own."""
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if kid.get("typeCode") != "PPRF" or role is None or not (who := assigned(d, role)):
            continue
        kid.used = True
        lead = fixed(_PARTICIPATION, "PPRF")
        known = next((each for each in members if each["member"] == who), None)
        if known is None:
            members.append({"role": [lead], "member": who})
        else:
            members[members.index(known)] = {
                "role": [*known.get("role", ()), lead],
                **{k: v for k, v in known.items() if k != "role"},
            }


def _once(members: list[Resource]) -> list[Resource]:
    made: list[Resource] = []
    for each in members:
        if each not in made:
            made.append(each)
    return made
