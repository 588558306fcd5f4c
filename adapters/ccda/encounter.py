"""encompassingEncounter and encounter activities -> Encounter: the visit of the header and of the section are one.

Sources: C-CDA R2.1 Encounter Activity, Encounter Diagnosis, encompassingEncounter; C-CDA on FHIR encounters map.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import concept, fixed
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import alias, identifiers, keyed
from adapters.ccda.indication import reasons_of
from adapters.ccda.location import place, places
from adapters.ccda.people import assigned, organisation
from adapters.ccda.statement import Section, begin, is_a, nested, rest, status
from adapters.ccda.times import bounds_unknown, period
from adapters.ccda.tree import Node
from hie.model import Resource

STATUS = {
    "completed": "finished",
    "active": "in-progress",
    "new": "planned",
    "held": "onleave",
    "suspended": "onleave",
    "aborted": "cancelled",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_CLASSES = frozenset({"AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC", "SS", "VR"})


def header(d: Draft, root: Node) -> str:
    """The encounter of the header, "" where there is none."""
    link = root.kid("componentOf")
    node = link.kid("encompassingEncounter") if link is not None else None
    if link is None or node is None:
        return ""
    link.used = node.used = True
    made = start("Encounter")
    ids = keyed(identifiers(d, node))
    put(made, identifier=ids)
    made["status"] = "unknown"
    _kinds(d, made, node)
    made["subject"] = refer(d.patient)
    people = []
    responsible = node.kid("responsibleParty")
    if responsible is not None:
        responsible.used = True
        if who := assigned(d, responsible.kid("assignedEntity")):
            people.append(_participant("RESP", who, d, responsible))
    for kid in node.all("encounterParticipant"):
        kid.used = True
        if who := assigned(d, kid.kid("assignedEntity")):
            people.append(_participant(kid.get("typeCode"), who, d, kid))
    put(made, participant=_individuals(d, node, people))
    _when(d, made, node)
    _discharge(d, made, node, "dischargeDispositionCode")
    if source := concept(d, node.kid("sdtc:admissionReferralSourceCode") or node.kid("admissionReferralSourceCode")):
        made.setdefault("hospitalization", {})["admitSource"] = source
    location = node.down("location", "healthCareFacility")
    if location is not None:
        if (parent := node.kid("location")) is not None:
            parent.used = True
        where = place(d, location)
        put(made, location=[{"location": where}] if where else None)
        put(made, serviceProvider=organisation(d, location.kid("serviceProviderOrganization")))
    if not made.keys() - {"resourceType", "id", "status", "subject", "class"} and not ids:
        return ""
    reference = d.add(made, node, ids or None)
    _remember(d, reference, made)
    for key in alias(node):
        d.aliases.setdefault(key, reference)
    return reference


def _remember(d: Draft, reference: str, made: Resource) -> None:
    begun = made.get("period", {}).get("start")
    if begun:
        d.visits.setdefault(begun, []).append(reference)


def encounter(d: Draft, node: Node, section: Section) -> list[str]:
    """One encounter of a section, joined with that of the header where they are the same."""
    made, ids = begin(d, node, "Encounter")
    made["status"] = STATUS.get(status(node, STATUS), "unknown")
    _kinds(d, made, node)
    put(made, priority=concept(d, node.kid("priorityCode")))
    made["subject"] = refer(d.patient)
    people = []
    for kid in node.all("performer"):
        kid.used = True
        if who := assigned(d, kid.kid("assignedEntity")):
            people.append(_participant(kid.get("typeCode") or "PRF", who, d, kid))
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if kid.get("typeCode") in ("LOC", "ELOC", "DST", "ORG") or role is None or role.get("classCode") == "SDLOC":
            continue
        if role.kid("playingDevice") is None and (who := assigned(d, role)):
            kid.used = True
            people.append(_participant(kid.get("typeCode"), who, d, kid))
    put(made, participant=_individuals(d, node, people))
    _when(d, made, node)
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    diagnoses = _diagnoses(d, node, section)
    put(made, diagnosis=diagnoses)
    _discharge(d, made, node, "sdtc:dischargeDispositionCode")
    put(made, location=[{"location": each} for each in places(d, node)])
    section.entries += rest(d, node, section)
    same = _same(d, node, made)
    if same:
        _join(d, node, d.resources[same], made)
        d.origins.append((same, node))
        d.authored.append((node, same))
        d.made[id(node)] = (same,)
        for key in alias(node):
            d.aliases.setdefault(key, same)
        return [same]
    reference = d.add(made, node, ids)
    d.authored.append((node, reference))
    _remember(d, reference, made)
    d.made[id(node)] = (reference,)
    for key in alias(node):
        d.aliases.setdefault(key, reference)
    return [reference]


def _kinds(d: Draft, made: Resource, node: Node) -> None:
    """class from an ActCode among the codes; every code is a type."""
    sent = concept(d, node.kid("code"))
    found = next(
        (c for c in (sent or {}).get("coding", ()) if c.get("system") == _ACT and c.get("code") in _CLASSES), None
    )
    made["class"] = dict(found) if found else absent("UNK")
    if sent and not (found and sent.get("coding") == [found] and "text" not in sent):
        made["type"] = [sent]


def _participant(kind: str, who: Resource, d: Draft, node: Node) -> Resource:
    made: Resource = {}
    function = concept(d, node.kid("sdtc:functionCode") or node.kid("functionCode"))
    put(made, type=[each for each in (fixed(_PARTICIPATION, kind) if kind else None, function) if each])
    if when := period(d, node.kid("time")):
        made["period"] = when
    return {**made, "individual": who}


def _individuals(d: Draft, node: Node, people: list[Resource]) -> list[Resource]:
    """Encounter.participant takes persons only: an organisation takes part as the role that somebody plays for it."""
    made: list[Resource] = []
    for each in people:
        who = each["individual"]
        if str(who.get("reference", "")).startswith("Organization/"):
            job = start("PractitionerRole")
            job["organization"] = who
            each = {**each, "individual": refer(d.add(job, node), who.get("display", ""))}
        if not str(who.get("reference", "")).startswith("Device/") and each not in made:
            made.append(each)
    return made


def _when(d: Draft, made: Resource, node: Node) -> None:
    when = node.kid("effectiveTime")
    found = period(d, when) or {}
    if when is not None and when.get("value"):
        # a point is when it began; that it ended then is not said
        found.pop("end", None)
        found.pop("_end", None)
    found.update({k: v for k, v in bounds_unknown(d, when).items() if k[1:] not in found})
    put(made, period=found)
    if made["status"] == "unknown" and "end" in found:
        made["status"] = "finished"


def _discharge(d: Draft, made: Resource, node: Node, tag: str) -> None:
    for name in (tag, "dischargeDispositionCode", "sdtc:dischargeDispositionCode"):
        if shown := concept(d, node.kid(name)):
            made["hospitalization"] = {"dischargeDisposition": shown}
            return


def _diagnoses(d: Draft, node: Node, section: Section) -> list[Resource]:
    found = []
    for link, inner in list(nested(node)):
        if is_a(inner, "80", "34", "33") or (inner.tag == "observation" and is_a(inner, "4")):
            link.used = True
            here = Section("diagnosis", section.code, section.node)
            found += [
                {"condition": refer(each)} for each in d.dispatch(d, inner, here) if each.startswith("Condition/")
            ]
            section.entries += here.entries
    return found


def _same(d: Draft, node: Node, made: Resource) -> str:
    """The Encounter already written that this one is: by id, else by the same start and a compatible type."""
    for key in alias(node):
        found = d.aliases.get(key, "")
        if found.startswith("Encounter/") and found in d.resources and _agree(d.resources[found], made):
            return found
    begun = made.get("period", {}).get("start", "")
    if not begun:
        return ""
    for reference in d.visits.get(begun, ()):
        other = d.resources.get(reference)
        if other is not None and not (other.get("identifier") and made.get("identifier")) and _overlap(other, made):
            return reference
    return ""


def _agree(one: Resource, other: Resource) -> bool:
    """One id, one visit: unless both say when it began, on different days."""
    first, second = (each.get("period", {}).get("start", "")[:10] for each in (one, other))
    return not first or not second or first == second or first.startswith(second) or second.startswith(first)


def _overlap(one: Resource, other: Resource) -> bool:
    first, second = ({c["code"] for t in each.get("type", ()) for c in t.get("coding", ())} for each in (one, other))
    return not first or not second or bool(first & second)


def _join(d: Draft, node: Node, present: Resource, other: Resource) -> None:
    """Completes the header's encounter with the section's."""
    for key, value in other.items():
        mine = present.get(key)
        if key in ("id", "resourceType", "subject"):
            continue
        if mine is None or (key == "status" and mine == "unknown") or (key == "class" and "code" not in mine):
            present[key] = value
        elif isinstance(mine, list) and isinstance(value, list):
            present[key] = mine + [each for each in value if each not in mine]
        elif key == "period":
            for side in ("start", "end"):
                if side in value and (side not in mine or _finer(value[side], mine[side])):
                    mine[side] = value[side]
                elif side in value and value[side] != mine[side] and not mine[side].startswith(value[side]):
                    d.warn("contradiction", node, "the times of this encounter differ between header and section")
                    told = {"period": value, "detail": [refer(f"Encounter/{present['id']}")]}
                    if told not in d.stays:
                        d.stays.append(told)


def _finer(one: str, other: str) -> bool:
    return len(one) > len(other) and one.startswith(other)
