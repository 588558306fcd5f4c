"""Coverage and policy activities -> Coverage: payer, plan, member, holder, relationship.

Source: C-CDA R2.1 Coverage Activity, Policy Activity, Authorization Activity; FHIR R4 Coverage.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import concept, fixed
from adapters.ccda.contact import addresses, names, telecoms
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifier, identifiers, keyed
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned
from adapters.ccda.quantities import number
from adapters.ccda.statement import PLANNED, Section, begin, finish, fixed_code, is_a, nested, rest, settled, status
from adapters.ccda.times import period, put_date
from adapters.ccda.tree import Node
from hie.model import Resource

_STATUS = {
    "active": "active",
    "completed": "active",
    "new": "draft",
    "aborted": "cancelled",
    "cancelled": "cancelled",
    "suspended": "cancelled",
    "nullified": "entered-in-error",
}
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"


def activity(d: Draft, node: Node, section: Section) -> list[str]:
    """A coverage activity: its policies in their order of benefits."""
    node.used = True
    settled(node)
    # that of a planned coverage is what is planned; else it only repeats the section
    fixed_code(node, *([] if node.get("moodCode") in PLANNED else ["48768-6", "35525-4"]))
    made: list[str] = []
    for link, inner in list(nested(node)):
        if inner.tag == "act" and (is_a(inner, "61", "2.16.840.1.113883.10.20.1.26") or link.get("typeCode") == "COMP"):
            link.used = True
            made += policy(d, inner, section, link)
    section.entries += rest(d, node, section)
    if len(made) == 1 and (cover := d.resources.get(made[0])) is not None:
        known = cover.get("identifier", [])
        put(cover, identifier=known + [one for one in keyed(identifiers(d, node)) if one not in known])
    return made


def policy(d: Draft, node: Node, section: Section, link: Node | None = None) -> list[str]:
    """One policy."""
    made, ids = begin(d, node, "Coverage")
    state = _STATUS.get(status(node, _STATUS))
    if node.get("moodCode") in PLANNED and state == "active":
        # a planned coverage is not in force
        state = "draft"
    if state:
        made["status"] = state
    else:
        made["_status"] = absent("UNK")
    put(made, type=concept(d, node.kid("code")))
    payers: list[Resource] = []
    guarantors: list[Resource] = []
    for kid in node.all("performer"):
        kid.used = True
        entity, code = kid.kid("assignedEntity"), kid.down("assignedEntity", "code")
        answers = is_a(kid, "88") or (code is not None and code.get("code") == "GUAR")
        if answers and entity is not None and entity.kid("assignedPerson") is not None:
            guarantors.append(_guarantor(d, entity))
        elif who := assigned(d, entity, alone=True):
            (guarantors if answers else payers).append(who)
            _numbers(d, made, entity, who)
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if role is None:
            continue
        kid.used = role.used = True
        if kid.get("typeCode") == "HLD":
            _holder(d, made, role)
        else:
            _covered(d, made, kid, role)
    made["beneficiary"] = refer(d.patient)
    if "period" not in made and (when := period(d, node.kid("effectiveTime"))):
        made["period"] = when
    made["payor"] = payers or [absent("UNK")]
    _plans(d, made, node)
    if guarantors:
        section.entries += [g["reference"] for g in guarantors if "reference" in g]
    order = link.kid("sequenceNumber") if link is not None else None
    if order is not None and isinstance(value := number(order.get("value")), int) and value > 0:
        order.used = True
        made["order"] = value
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def _numbers(d: Draft, made: Resource, entity: Node | None, payer: Resource) -> None:
    """The number of a payer among payers, and that by which it knows the patient (C32)."""
    known = d.resources.get(str(payer.get("reference", "")))
    if entity is None:
        return
    if known is not None and known["resourceType"] == "Organization":
        mine = known.get("identifier", [])
        put(known, identifier=mine + [one for one in keyed(identifiers(d, entity)) if one not in mine])
    for patient in (kid for kid in entity.kids if kid.tag in ("sdtc:patient", "patient")):
        ids = keyed(identifiers(d, patient)) + keyed(identifiers(d, patient, "sdtc:id"))
        mine = made.get("identifier", [])
        put(made, identifier=mine + [one for one in ids if one not in mine])


def _covered(d: Draft, made: Resource, link: Node, role: Node) -> None:
    """The covered party: member number, relationship to the holder, period of cover."""
    ids = keyed(identifiers(d, role))
    if ids:
        made.setdefault("subscriberId", ids[0]["value"])
        made.setdefault("identifier", [])
        made["identifier"] += [each for each in ids if each not in made["identifier"]]
    put(made, relationship=concept(d, role.kid("code")))
    put(made, period=period(d, link.kid("time")))
    person = role.kid("playingEntity")
    if person is not None:
        # the same person as the beneficiary: the name as the payer has it
        for named in names(d, person):
            subject = d.resources.get(d.patient, {})
            known = subject.get("name")
            if not known:
                subject["name"] = [named]
                continue
            if not any(_same_name(named, each) for each in known):
                for part in person.walk():
                    part.used = False
                d.warn("covered-party-name", person, "the covered party has another name than the patient")
        born: Resource = {}
        put_date(d, born, "x", person.kid("sdtc:birthTime"))
        if born and born["x"] != d.resources.get(d.patient, {}).get("birthDate"):
            d.warn("contradiction", person, "the covered party has another birth date than the patient")
    here = addresses(d, role)
    known_addresses = d.resources.get(d.patient, {}).get("address", [])
    for each in here:
        if not any(_same_place(each, other) for other in known_addresses):
            d.warn("covered-party-address", role, "the covered party has another address than the patient")
            if (sent := role.kid("addr")) is not None:
                for part in sent.walk():
                    part.used = False


def _same_name(one: Resource, other: Resource) -> bool:
    """Whether two names differ in no more than middle names, case and dots."""
    firsts = [[str(g).strip(".").lower() for g in each.get("given", ())][:1] for each in (one, other)]
    return str(one.get("family", "")).lower() == str(other.get("family", "")).lower() and firsts[0] == firsts[1]


def _same_place(one: Resource, other: Resource) -> bool:
    """Whether two addresses agree in all that both of them say."""
    return all(
        str(one[key]).lower() == str(other[key]).lower()
        for key in ("line", "city", "state", "postalCode", "country")
        if key in one and key in other
    )


def _guarantor(d: Draft, entity: Node) -> Resource:
    """Who answers for the bill: somebody related to the patient, not a clinician."""
    entity.used = True
    one = start("RelatedPerson")
    ids = keyed(identifiers(d, entity))
    put(one, identifier=ids)
    one["patient"] = refer(d.patient)
    shown = concept(d, entity.kid("code"))
    person = entity.kid("assignedPerson")
    put(one, relationship=[shown] if shown else None, name=names(d, person) if person is not None else None)
    put(one, telecom=telecoms(d, entity), address=addresses(d, entity))
    return refer(d.add(one, entity, ids or None))


def _holder(d: Draft, made: Resource, role: Node) -> None:
    """The holder of the policy, where it is not the patient."""
    ids = keyed(identifiers(d, role))
    person = role.kid("playingEntity")
    named = names(d, person) if person is not None else []
    where, reach = addresses(d, role), telecoms(d, role)
    if not named and not where:
        if ids:
            made.setdefault("subscriberId", ids[0]["value"])
            made["subscriber"] = {"identifier": ids[0]}
        return
    one = start("RelatedPerson")
    put(one, identifier=ids)
    one["patient"] = refer(d.patient)
    one["relationship"] = [fixed("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "POLHOLD", "policy holder")]
    put(one, name=named, telecom=reach)
    if person is not None:
        put_date(d, one, "birthDate", person.kid("sdtc:birthTime"))
    put(one, address=where)
    reference = refer(d.add(one, role, ids or None))
    made["policyHolder"] = reference
    made["subscriber"] = reference


def _plans(d: Draft, made: Resource, node: Node) -> None:
    """Plans and authorisations that the policy refers to."""
    for link, inner in list(nested(node)):
        if link.get("typeCode") != "REFR" or inner.tag != "act":
            continue
        if inner.get("moodCode") != "DEF":
            continue
        link.used = inner.used = True
        name = text_of(d, inner.kid("text"))
        number_ = next((one for kid in inner.all("id") if (one := identifier(d, kid)) and one.get("value")), None)
        if (code := inner.kid("code")) is not None:
            shown = concept(d, code)
            name = name or (shown or {}).get("text", "")
        if name or number_:
            plan: Resource = {"type": fixed(_CLASS, "plan", "Plan"), "value": (number_ or {}).get("value") or name}
            put(plan, name=name)
            made.setdefault("class", []).append(plan)
