"""Result, vital sign, social, functional, mental and any other observation -> Observation.

Sources: C-CDA R2.1 Result Observation, Vital Sign Observation, Social History Observation, Smoking Status; C-CDA on FHIR.
"""

from __future__ import annotations

from adapters.ccda.absence import SYSTEM as ABSENT_SYSTEM
from adapters.ccda.coded import code_of, concept, fixed, required
from adapters.ccda.contact import names
from adapters.ccda.device import used_device
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.location import place
from adapters.ccda.media import attached, externals
from adapters.ccda.narrative import text_of
from adapters.ccda.people import author, performers, uncredited
from adapters.ccda.quantities import interval, quantity
from adapters.ccda.specimen import specimen
from adapters.ccda.statement import Section, begin, finish, instant_or, negated, nested, notes, responsible, status
from adapters.ccda.times import put_when
from adapters.ccda.tree import Node
from adapters.ccda.values import put_value
from hie.model import Resource

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_CORE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
CATEGORIES = {
    "results": fixed(CATEGORY, "laboratory", "Laboratory"),
    "imaging": fixed(CATEGORY, "imaging", "Imaging"),
    "vitals": fixed(CATEGORY, "vital-signs", "Vital Signs"),
    "social": fixed(CATEGORY, "social-history", "Social History"),
    "functional": fixed(_CORE_CATEGORY, "functional-status", "Functional Status"),
    "exam": fixed(CATEGORY, "exam", "Exam"),
}
STATUS = {
    "completed": "final",
    "active": "registered",
    "new": "registered",
    "held": "registered",
    "suspended": "registered",
    "aborted": "cancelled",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
    "obsolete": "entered-in-error",
    "normal": "final",
}
"""ActStatus -> Observation.status (C-CDA on FHIR, result status)."""

_BIRTH_SEX = "76689-9"
_SEX = "46098-0"
_GENDER_IDENTITY = "76691-5"


def observation(d: Draft, node: Node, section: Section, kind: str | None = None) -> list[str]:
    """One observation, its ranges, interpretation, specimen and the observations nested in it (hasMember)."""
    made, ids = begin(d, node, "Observation")
    made["status"] = STATUS.get(status(node, STATUS), "unknown")
    if category := CATEGORIES.get(kind or section.kind):
        made["category"] = [category]
    code = node.kid("code")
    made["code"] = required(d, code)
    _subject(d, made, node)
    put_when(d, made, "effective", node.kid("effectiveTime"))
    device = used_device(d, node)
    _places(d, made, node)
    who = performers(d, node)
    writer, written = author(d, node)
    answering = responsible(d, node, section)
    put(made, performer=who + [w for w in answering if w not in who] or ([writer] if writer else None))
    if writer and writer not in made["performer"]:
        uncredited(d, node)
    instant_or(d, made, "issued", written)
    if _linked(text := node.kid("text")) and text is not None and (document := attached(d, text, node)):
        made["derivedFrom"] = [refer(document)]
    if documents := externals(d, node):
        made["derivedFrom"] = [*made.get("derivedFrom", []), *map(refer, documents)]
    _values(d, made, node)
    put(made, interpretation=[c for kid in node.all("interpretationCode") if (c := concept(d, kid))])
    sites = [c for kid in node.all("targetSiteCode") if (c := concept(d, kid))]
    methods = [c for kid in node.all("methodCode") if (c := concept(d, kid))]
    if sites:
        made["bodySite"] = sites[0]
    if methods:
        made["method"] = methods[0]
    _extra(d, made, "site", sites[1:])
    _extra(d, made, "method", methods[1:])
    put(made, specimen=specimen(d, node))
    put(made, referenceRange=_ranges(d, node))
    put(made, device=device, note=notes(d, node))
    if negated(node):
        _negate(d, made, node)
    members, others, shown = _members(d, node, section)
    put(made, hasMember=[refer(each) for each in members])
    if shown:
        made["derivedFrom"] = [*made.get("derivedFrom", []), *map(refer, shown)]
    section.entries += others
    _sex(d, made, code)
    if not (made.keys() - _FRAME) and not (made["code"].keys() & {"coding", "text"}):
        d.warn("no-information", node, "an observation of nothing: no code, value or time")
        return members
    return [finish(d, node, made, ids)]


_FRAME = frozenset({"resourceType", "id", "identifier", "status", "category", "code", "subject"})
"""What every observation has, whether it says something or not."""


def _subject(d: Draft, made: Resource, node: Node) -> None:
    """The patient; where the finding is of a fetus, a donor or a relative, that person is its focus."""
    made["subject"] = refer(d.patient)
    link = node.kid("subject")
    role = link.kid("relatedSubject") if link is not None else None
    if link is None or role is None:
        return
    who = start("RelatedPerson")
    who["patient"] = refer(d.patient)
    relation, person = concept(d, role.kid("code")), role.kid("subject")
    put(who, relationship=[relation] if relation else None, name=names(d, person) if person is not None else None)
    if len(who) > 3:
        link.used = role.used = True
        made["focus"] = [refer(d.add(who, role))]


def _values(d: Draft, made: Resource, node: Node) -> None:
    for value in node.all("value"):
        if (value.get("representation") == "B64" or _linked(value)) and (document := attached(d, value, node)):
            made.setdefault("derivedFrom", []).append(refer(document))
            continue
        if any(key.startswith("value") for key in made):
            part: Resource = {"code": made["code"]}
            if put_value(d, part, value):
                made.setdefault("component", []).append(part)
        else:
            put_value(d, made, value)
    if any(key.startswith("value") for key in made):
        made.pop("dataAbsentReason", None)


def _linked(node: Node | None) -> bool:
    """Whether a text or value stands somewhere else, behind a URL."""
    reference = node.kid("reference") if node is not None else None
    return reference is not None and "://" in reference.get("value")


def _extra(d: Draft, made: Resource, what: str, more: list[Resource]) -> None:
    """Second body sites and methods, which R4 has no room for, as components that say what they are."""
    code = {
        "site": fixed("http://snomed.info/sct", "363698007", "Finding site"),
        "method": fixed("http://snomed.info/sct", "418775008", "Finding method"),
    }[what]
    for each in more:
        made.setdefault("component", []).append({"code": code, "valueCodeableConcept": each})


def _negate(d: Draft, made: Resource, node: Node) -> None:
    """A negated finding: what was looked for is not there (value false), or nothing was done at all."""
    value = made.pop("valueCodeableConcept", None)
    if value is None:
        # FHIR has no "it is not 5 mg": the denied value must not stand there as if it held
        for key in [key for key in made if key.startswith("value")]:
            del made[key]
            d.warn("value-negated", node, "a negated observation with a value: the value was left out")
            for each in (part for sent in node.all("value") for part in sent.walk()):
                each.used = False
        made["status"] = "cancelled"
        made["dataAbsentReason"] = fixed(ABSENT_SYSTEM, "not-performed", "Not Performed")
        return
    if any(each.get("code") == "ASSERTION" for each in made["code"].get("coding", ())):
        made["code"] = value
        made["valueBoolean"] = False
    else:
        made.setdefault("component", []).append({"code": value, "valueBoolean": False})


def _ranges(d: Draft, node: Node) -> list[Resource]:
    """referenceRange: low, high, text, the meaning of the range and whom it is for."""
    made = []
    for link in node.all("referenceRange"):
        inner = link.kid("observationRange")
        if inner is None:
            continue
        link.used = inner.used = True
        one: Resource = {}
        value = inner.kid("value")
        text = text_of(d, inner.kid("text"))
        if value is not None:
            low, high = interval(d, value)
            put(one, low=low, high=high)
            if not one and (single := quantity(d, value)):
                one["low"] = one["high"] = single
            if not one:
                shown = concept(d, value) if value.get("code") or value.kid("translation") is not None else None
                said = text_of(d, value)
                text = text or (shown or {}).get("text", "") or said
                if shown and not text:
                    text = shown["coding"][0].get("display") or shown["coding"][0]["code"]
                    # a range has no room for a code: its name is carried, the code is not
                    value.used = text == shown["coding"][0]["code"]
        if text:
            one["text"] = text
        if not one:
            continue
        meaning = concept(d, inner.kid("interpretationCode"))
        if meaning:
            one["type"] = meaning
        if (code := concept(d, inner.kid("code"))) is not None:
            one["appliesTo"] = [code]
        made.append(one)
    return made


def _places(d: Draft, made: Resource, node: Node) -> None:
    """A location participant: US and core extension event-location."""
    for kid in node.all("participant"):
        if kid.get("typeCode") in ("LOC", "ELOC") and not kid.used and (where := place(d, kid.kid("participantRole"))):
            kid.used = True
            made.setdefault("extension", []).append(
                {"url": "http://hl7.org/fhir/StructureDefinition/event-location", "valueReference": where}
            )


def _members(d: Draft, node: Node, section: Section) -> tuple[list[str], list[str], list[str]]:
    """What the nested statements became: observations, pictures that show what was found, and anything else."""
    members: list[str] = []
    others: list[str] = []
    shown: list[str] = []
    for link, inner in list(nested(node)):
        link.used = True
        picture = inner.tag == "observationMedia" or inner.get("classCode") == "DGIMG"
        for each in d.dispatch(d, inner, section):
            if each.startswith("Observation/"):
                members.append(each)
            else:
                (shown if picture and each.startswith("DocumentReference/") else others).append(each)
    return list(dict.fromkeys(members)), others, list(dict.fromkeys(shown))


def _sex(d: Draft, made: Resource, code: Node | None) -> None:
    """Birth sex and gender identity belong to the patient as well: the US Core extensions."""
    kind = code_of(code)
    if kind not in (_BIRTH_SEX, _GENDER_IDENTITY, _SEX) or made.get("status") == "entered-in-error":
        return
    value = made.get("valueCodeableConcept")
    person = d.resources.get(d.patient)
    if value is None or person is None or "component" in made:
        return
    base = "http://hl7.org/fhir/us/core/StructureDefinition/"
    if kind == _BIRTH_SEX:
        sent = next((c["code"] for c in value.get("coding", ()) if c.get("code") in ("M", "F", "UNK", "OTH")), None)
        if sent is None:
            return
        extension: Resource = {"url": base + "us-core-birthsex", "valueCode": sent}
    elif kind == _GENDER_IDENTITY:
        extension = {"url": base + "us-core-genderIdentity", "valueCodeableConcept": value}
    else:
        return
    present = person.setdefault("extension", [])
    if extension not in present:
        present.append(extension)
