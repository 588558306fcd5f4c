"""recordTarget -> Patient: every id, name, address and telecom; race and ethnicity in the US Core extensions.

Sources: C-CDA R2.1 US Realm Header (recordTarget), US Core Patient, C-CDA on FHIR patient map.
"""

from __future__ import annotations

from adapters.ccda.absence import NULL_SYSTEM, absent
from adapters.ccda.coded import coding, concept, fixed
from adapters.ccda.contact import address, addresses, names, telecoms
from adapters.ccda.draft import Draft, put, start
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.narrative import text_of
from adapters.ccda.people import ROLE_CLASS, organisation
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.model import Resource

_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_FHIR = "http://hl7.org/fhir/StructureDefinition/"
_GENDER = {"M": "male", "F": "female", "UN": "other", "O": "other", "OTH": "other", "UNK": "unknown", "U": "unknown"}
_FLAVORS = {"ASKU": "asked but unknown", "UNK": "unknown"}
"""Displays of HL7's NullFlavor code system for the flavors that US Core's race and ethnicity know."""
_LANGUAGE = "urn:ietf:bcp:47"
# the five race and two ethnicity categories of OMB; every other CDC code is a detailed one
_OMB = frozenset({"1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2135-2", "2186-5"})


def patient(d: Draft, target: Node) -> Resource:
    """The Patient of a recordTarget, not yet filed. A document without one still has a subject."""
    role = target.kid("patientRole") or target
    target.used = role.used = True
    person = role.kid("patient")
    made = start("Patient")
    extension: list[Resource] = []
    put(made, identifier=identifiers(d, role))
    if person is not None:
        person.used = True
        extension += _race(d, person)
        put(made, name=names(d, person))
    put(made, telecom=telecoms(d, role))
    if person is not None:
        _gender(d, made, person)
        _birth(d, made, person, extension)
        _death(d, made, person)
    put(made, address=addresses(d, role))
    if person is not None:
        _person(d, made, person, extension)
    if provider := organisation(d, role.kid("providerOrganization")):
        made["managingOrganization"] = provider
    if extension:
        made["extension"] = extension
    return made


def file(d: Draft, made: Resource, node: Node) -> None:
    """Files the patient under its best identifier: one with a value, never a masked one."""
    ids = keyed(made.get("identifier", []))
    d.patient = d.add(made, node, ids or None)


def _gender(d: Draft, made: Resource, person: Node) -> None:
    node = person.kid("administrativeGenderCode")
    if node is None:
        return
    code = node.get("code").strip().upper()
    if code in _GENDER:
        node.used = True
        made["gender"] = _GENDER[code]
        if (words := node.kid("originalText")) is not None and text_of(d, words).lower() not in (
            code.lower(),
            _GENDER[code],
        ):
            # more than the code says: there is no room for it
            for each in words.walk():
                each.used = False
    elif code:
        d.warn("gender-unknown", node, "a gender code that is not in the HL7 administrative gender system")
        if sent := coding(d, node):
            node.used = True
            made["_gender"] = {
                "extension": [{"url": _FHIR + "originalText", "valueString": sent.get("display") or sent["code"]}]
            }
    elif node.null:
        node.used = True
        made["_gender"] = absent(node.null)


def _birth(d: Draft, made: Resource, person: Node, extension: list[Resource]) -> None:
    node = person.kid("birthTime")
    if node is not None:
        when: Resource = {}
        if put_time(d, when, "value", node):
            made["birthDate"] = when["value"][:10]
            if len(when["value"]) > 10:
                time = {"url": _FHIR + "patient-birthTime", "valueDateTime": when["value"]}
                beside = when.get("_value", {}).get("extension", [])
                made["_birthDate"] = {"extension": [time, *beside]}
            elif "_value" in when:
                made["_birthDate"] = when["_value"]
        elif node.null:
            node.used = True
            made["_birthDate"] = absent(node.null)
    place = person.down("birthplace", "place")
    if place is not None:
        made_place = None
        if (where := place.kid("addr")) is not None:
            made_place = address(d, where)
        if made_place is None and (label := place.kid("name")) is not None and label.text.strip():
            label.used = True
            made_place = {"text": label.text.strip()}
        if made_place:
            extension.append({"url": _FHIR + "patient-birthPlace", "valueAddress": made_place})


def _death(d: Draft, made: Resource, person: Node) -> None:
    flag, when = person.kid("sdtc:deceasedInd"), person.kid("sdtc:deceasedTime")
    if when is not None and put_time(d, made, "deceasedDateTime", when):
        if flag is not None:
            flag.used = True
            if flag.get("value") == "false":
                d.warn("contradiction", flag, "a death time beside an indicator that says alive")
    elif flag is not None and flag.get("value") in ("true", "false"):
        flag.used = True
        made["deceasedBoolean"] = flag.get("value") == "true"
    twin, order = person.kid("sdtc:multipleBirthInd"), person.kid("sdtc:multipleBirthOrderNumber")
    if order is not None and order.get("value").isdigit():
        order.used = True
        made["multipleBirthInteger"] = int(order.get("value"))
        if twin is not None:
            twin.used = True
    elif twin is not None and twin.get("value") in ("true", "false"):
        twin.used = True
        made["multipleBirthBoolean"] = twin.get("value") == "true"


def _race(d: Draft, person: Node) -> list[Resource]:
    made = []
    for url, tags in (
        ("us-core-race", ("raceCode", "sdtc:raceCode")),
        ("us-core-ethnicity", ("ethnicGroupCode", "sdtc:ethnicGroupCode")),
    ):
        parts: list[Resource] = []
        texts: list[str] = []
        for node in (kid for kid in person.kids if kid.tag in tags):
            one = concept(d, node)
            if one is None:
                if node.null:
                    reason = {"system": NULL_SYSTEM, "code": node.null}
                    put(reason, display=_FLAVORS.get(node.null))
                    if {"url": "ombCategory", "valueCoding": reason} not in parts:
                        parts.append({"url": "ombCategory", "valueCoding": reason})
                        texts.append(reason.get("display", node.null))
                continue
            for each in one.get("coding", ()):
                part = {"url": "ombCategory" if each["code"] in _OMB else "detailed", "valueCoding": each}
                if part not in parts:
                    parts.append(part)
            texts.append(one.get("text") or (one["coding"][0].get("display") or one["coding"][0]["code"]))
        if parts or texts:
            text = ", ".join(dict.fromkeys(texts))
            made.append({"url": _CORE + url, "extension": [*parts, {"url": "text", "valueString": text}]})
    return made


def _person(d: Draft, made: Resource, person: Node, extension: list[Resource]) -> None:
    put(made, maritalStatus=concept(d, person.kid("maritalStatusCode")))
    if belief := concept(d, person.kid("religiousAffiliationCode")):
        extension.append({"url": _FHIR + "patient-religion", "valueCodeableConcept": belief})
    contacts = [each for node in person.all("guardian") for each in _guardian(d, node)]
    put(made, contact=contacts)
    spoken: list[Resource] = []
    for node in person.all("languageCommunication"):
        if (one := _language(d, node)) and one not in spoken:
            spoken.append(one)
    put(made, communication=spoken)


def _guardian(d: Draft, node: Node) -> list[Resource]:
    """The contact of a guardian; a contact has one name and one address: further ones make further contacts."""
    node.used = True
    made: Resource = {}
    relation = concept(d, node.kid("code"))
    person = node.kid("guardianPerson")
    named = names(d, person) if person is not None else []
    if named:
        made["name"] = named[0]
    if (group := node.kid("guardianOrganization")) is not None and (org := organisation(d, group)):
        made["organization"] = org
    put(made, telecom=telecoms(d, node))
    where = addresses(d, node)
    if where:
        made["address"] = where[0]
    if not made:
        return []
    relations = [fixed(ROLE_CLASS, "GUARD", "guardian"), *([relation] if relation else [])]
    more = [{"name": each} for each in named[1:]] + [{"address": each} for each in where[1:]]
    return [{"relationship": relations, **each} for each in (made, *more)]


def _language(d: Draft, node: Node) -> Resource | None:
    node.used = True
    code = node.kid("languageCode")
    spoken: Resource | None = None
    if code is not None:
        spoken = concept(d, code)
        if spoken and spoken.get("coding") and "system" not in spoken["coding"][0]:
            spoken["coding"][0]["system"] = _LANGUAGE
    if spoken is None:
        return None
    made: Resource = {"language": spoken}
    flag = node.kid("preferenceInd")
    if flag is not None and flag.get("value") in ("true", "false"):
        flag.used = True
        made["preferred"] = flag.get("value") == "true"
    mode, level = node.kid("modeCode"), node.kid("proficiencyLevelCode")
    parts = []
    for url, part in (("level", level), ("type", mode)):
        if part is not None and (one := coding(d, part)):
            part.used = True
            parts.append({"url": url, "valueCoding": one})
    if parts:
        made["extension"] = [{"url": _FHIR + "patient-proficiency", "extension": parts}]
    return made
