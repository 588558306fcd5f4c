"""Allergy concern and observation -> AllergyIntolerance. A negated entry never names a drug as an allergen.

Sources: C-CDA R2.1 Allergy Concern Act, Allergy - Intolerance Observation, Reaction, Severity, Criticality; C-CDA on FHIR
allergies map; FHIR R4 AllergyIntolerance and its extensions substanceExposureRisk, abatement, assertedDate; alternate-codes.
"""

from __future__ import annotations

import re

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, codes_of, concept, fixed, named
from adapters.ccda.contact import organisation_name
from adapters.ccda.draft import Draft, put
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, performers, uncredited
from adapters.ccda.reaction import reaction, reactions, severity
from adapters.ccda.statement import (
    Section,
    begin,
    finish,
    fixed_code,
    is_a,
    negated,
    nested,
    notes,
    rest,
    settled,
    silent,
    status,
    take,
)
from adapters.ccda.times import dated, put_time, start_of
from adapters.ccda.tree import Node
from hie.model import Resource

_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_SNOMED = "http://snomed.info/sct"
_RISK = "http://hl7.org/fhir/StructureDefinition/allergyintolerance-substanceExposureRisk"
_RISK_SYSTEM = "http://terminology.hl7.org/CodeSystem/allerg-intol-substance-exp-risk"
_ABATED = "http://hl7.org/fhir/StructureDefinition/allergyintolerance-abatement"
_ASSERTED = "http://hl7.org/fhir/StructureDefinition/allergyintolerance-assertedDate"
_OTHER_CODES = "http://hl7.org/fhir/StructureDefinition/alternate-codes"

KINDS: dict[str, tuple[str, str]] = {
    "420134006": ("", ""),
    "418038007": ("", ""),
    "419199007": ("allergy", ""),
    "609328004": ("allergy", ""),
    "106190000": ("allergy", ""),
    "419511003": ("", "medication"),
    "416098002": ("allergy", "medication"),
    "59037007": ("intolerance", "medication"),
    "418471000": ("", "food"),
    "414285001": ("allergy", "food"),
    "235719002": ("intolerance", "food"),
    "426232007": ("allergy", "environment"),
    "232347008": ("allergy", "environment"),
    "232353008": ("allergy", "environment"),
    "390952000": ("allergy", "environment"),
    "DALG": ("allergy", "medication"),
    "FALG": ("allergy", "food"),
    "EALG": ("allergy", "environment"),
    "DINT": ("intolerance", "medication"),
    "FINT": ("intolerance", "food"),
    "EINT": ("intolerance", "environment"),
    "DNAINT": ("intolerance", "medication"),
    "FNAINT": ("intolerance", "food"),
    "ENAINT": ("intolerance", "environment"),
    "ALG": ("allergy", ""),
    "OINT": ("intolerance", ""),
    "NAINT": ("intolerance", ""),
}
"""Allergy and intolerance type (value set 2.16.840.1.113883.3.88.12.3221.6.2, ActCode) -> (type, category)."""

_NONE_KNOWN = {
    "": ("716186003", "No known allergy"),
    "medication": ("409137002", "No known drug allergy"),
    "food": ("429625007", "No known food allergy"),
    "environment": ("428607008", "No known environmental allergy"),
}
NO_KNOWN_CODES = frozenset(
    {"716186003", "409137002", "429625007", "428607008", "160244002", "1003774007", "428197003", "64970000"}
)
_ANY_SUBSTANCE = frozenset({"105590001", "410942007", "762766007", "373873005", "406455002", "418038007"})
"""Substance, drug or medicament, food: the widest classes; negated, they mean "none known"."""

_NONE_SAID = re.compile(r"\b(?:no|none) (?:known|allerg|drug|food|current)|\bNKD?A\b|\bno known\b", re.IGNORECASE)

_STATUS = {"55561003": "active", "73425007": "inactive", "413322009": "resolved"}
_CONCERN = {"active": "active", "completed": "inactive", "suspended": "inactive", "aborted": "inactive"}
_PLAIN = frozenset({"", "ASSERTION", "48765-2", "CONC", "420134006"})
"""Codes of an observation that say no more than that it is one of an allergy."""
_CRITICALITY = {
    "CRITL": "low",
    "CRITH": "high",
    "CRITU": "unable-to-assess",
    "62482003": "low",
    "75540009": "high",
}


def concern(d: Draft, act: Node, section: Section) -> list[str]:
    """The observations of an allergy concern act; the act gives what they do not say themselves."""
    act.used = True
    state = status(act, {*_CONCERN, "nullified"})
    made: list[str] = []
    for link, inner in list(nested(act)):
        if inner.tag == "observation" and (
            is_a(inner, "7", "2.16.840.1.113883.10.20.1.18")
            or (link.get("typeCode") == "SUBJ" and not is_a(inner, "8", "28", "64", "145"))
            or inner.kid("participant") is not None
        ):
            link.used = True
            if (act.null or inner.null) and not negated(inner) and silent(inner):
                d.warn("no-information", inner, "a null allergy: nothing is known, which is not the same as none")
                continue
            made += allergy(d, inner, section, act, state)
    fixed_code(act, "CONC", "48765-2")
    section.entries += rest(d, act, section)
    if not made and act.null:
        d.warn("no-information", act, "a null allergy entry: nothing is known, which is not the same as none")
    return made


def allergy(d: Draft, node: Node, section: Section, act: Node | None = None, state: str = "") -> list[str]:
    """One allergy observation."""
    made, ids = begin(d, node, "AllergyIntolerance", act)
    own = status(node, ("completed", "nullified"))
    value = node.kid("value")
    substance = _substance(d, node)
    kind, category = _kind(value)
    sorted_by = value
    if not (kind or category) and any(_kind(node.kid("code"))):
        # C32 writes the type of the allergy as the code of its observation
        sorted_by = node.kid("code")
        kind, category = _kind(sorted_by)
    clinical = _clinical(d, node, act, state)
    if own == "nullified" or state == "nullified":
        made["verificationStatus"] = fixed(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "entered-in-error"
        )
    else:
        made["clinicalStatus"] = clinical or absent("UNK")
    put(made, type=kind, category=[category] if category else None)
    if substance or kind or category:
        _sent_kind(d, made, sorted_by, substance)
    for inner in take(node, "145", codes=("82606-5",)):
        settled(inner)
        _criticality(d, made, inner)
    _code(d, made, node, value, substance, category)
    made["patient"] = {"reference": d.patient}
    _onset(d, made, node.kid("effectiveTime"))
    writer, written = author(d, node)
    if act is not None:
        if writer is None and written is None:
            # an author of the act beside one of the observation stays the act's
            writer, written = author(d, act)
        begun = start_of(d, act.kid("effectiveTime"))
        if written is None:
            written = begun
        elif asserted := dated(d, _ASSERTED, begun):
            made.setdefault("extension", []).append(asserted)
        _repeated(act, node, written)
    put_time(d, made, "recordedDate", written)
    put(made, recorder=writer)
    _asserter(d, made, node)
    graded = list(take(node, "8", codes=("SEV",)))
    overall = next((grade for inner in graded if (grade := severity(d, inner))), None)
    happened = [one for inner in reactions(node) if (one := reaction(d, inner, section))]
    if overall:
        if not happened:
            happened = [{"manifestation": [absent("NI")]}]
        for one in happened:
            if "severity" not in one:
                one.update(overall)
        if "severity" in overall and overall["severity"] not in {one.get("severity") for one in happened}:
            d.warn(
                "severity-twice", graded[0], "the severity of the allergy is not that of its reaction: both are kept"
            )
            happened.append({"manifestation": [absent("NI")], **overall})
    remarks = notes(d, node) + (notes(d, act) if act is not None else [])
    put(made, note=remarks, reaction=happened)
    section.entries += rest(d, node, section)
    reference = finish(d, node, made, ids)
    if act is not None:
        d.authored.append((act, reference))
    return [reference]


def _onset(d: Draft, made: Resource, when: Node | None) -> None:
    """When it began; when it ended stands apart, because an onset is no interval of being allergic."""
    if when is None:
        return
    low, high = when.kid("low"), when.kid("high")
    if put_time(d, made, "onsetDateTime", start_of(d, when)):
        when.used = True
    elif (null := (low.null if low is not None else "") or when.null) and not when.get("value"):
        made["_onsetDateTime"] = absent(null)
    if ended := dated(d, _ABATED, high):
        made.setdefault("extension", []).append(ended)


def _repeated(act: Node, node: Node, written: Node | None) -> None:
    """The times of the concern act that only repeat those of its observation or author are carried by them."""
    said = {each.get("value") for when in node.all("effectiveTime") for each in when.walk()}
    said.add(written.get("value") if written is not None else "")
    for when in act.all("effectiveTime"):
        for each in when.walk():
            each.used = each.used or each.get("value") in said


def _kind(value: Node | None) -> tuple[str, str]:
    for code in sorted(codes_of(value)):
        if any(KINDS.get(code, ())):
            return KINDS[code]
    return "", ""


def _sent_kind(d: Draft, made: Resource, value: Node | None, substance: Resource | None) -> None:
    """The type as sent, where FHIR's two types and four categories say less than its codes."""
    sent = concept(d, value)
    if not sent:
        return
    codings = sent.get("coding", [])
    named = {str(each.get("display", "")).lower() for each in (substance or {}).get("coding", ())}
    named.add(str((substance or {}).get("text", "")).lower())
    if len(codings) == 1 and any(KINDS.get(codings[0]["code"], ())):
        said = str(sent.get("text", "")).lower()
        if not said or said in str(codings[0].get("display", "")).lower() or said in named:
            # the map says all of it; a text beside the code often repeats the display or the substance
            return
        as_sent = sent
    else:
        as_sent = {"coding": codings} if codings else sent
    made["_type"] = {"extension": [{"url": _OTHER_CODES, "valueCodeableConcept": as_sent}]}


def _substance(d: Draft, node: Node) -> Resource | None:
    """Every code and the text of the allergen."""
    for kid in node.all("participant"):
        if kid.get("typeCode") not in ("CSM", ""):
            continue
        player = kid.down("participantRole", "playingEntity")
        if player is None:
            continue
        kid.used = True
        made = concept(d, player.kid("code"))
        name = player.kid("name")
        if name is not None and (text := organisation_name(name)):
            made = named(made, text, name)
        if made:
            return made
    return None


def _code(d: Draft, made: Resource, node: Node, value: Node | None, substance: Resource | None, category: str) -> None:
    code = node.kid("code")
    if code is not None and (code_of(code) in _PLAIN or any(_kind(code))):
        code.used = True
    named = {each["code"] for each in (substance or {}).get("coding", ())}
    typed = codes_of(value)
    if negated(node):
        if substance and (named & NO_KNOWN_CODES or (not named and _NONE_SAID.search(substance.get("text", "")))):
            # denied twice over: the substance itself says that none is known
            made["code"] = substance if named else {**fixed(_SNOMED, *_NONE_KNOWN[category]), "text": substance["text"]}
            return
        if substance and not named & _ANY_SUBSTANCE:
            # "not allergic to X": stated as a risk, so that no reader takes X for an allergen
            risk = fixed(_RISK_SYSTEM, "no-known-reaction-risk", "No Known Reaction Risk")
            made.setdefault("extension", []).append(
                {
                    "url": _RISK,
                    "extension": [
                        {"url": "substance", "valueCodeableConcept": substance},
                        {"url": "exposureRisk", "valueCodeableConcept": risk},
                    ],
                }
            )
            return
        none = concept(d, value) if typed & NO_KNOWN_CODES else None
        if none is None:
            what = _NONE_KNOWN[category]
            if named & {"410942007", "373873005"}:
                what = _NONE_KNOWN["medication"]
            none = fixed(_SNOMED, *what)
            if value is not None and not typed and (said := text_of(d, value.kid("originalText"))):
                none["text"] = said
        made["code"] = none
        return
    if substance:
        made["code"] = substance
    elif value is not None and typed and not typed & KINDS.keys():
        made["code"] = concept(d, value)
    elif value is not None and (said := text_of(d, value.kid("originalText"))):
        value.used = True
        made["code"] = {"text": said}
    else:
        made["code"] = absent(_null(node, value))
        d.warn("allergen-missing", node, "an allergy without a substance: see its narrative")


def _null(node: Node, value: Node | None) -> str:
    player = node.down("participant", "participantRole", "playingEntity", "code")
    for each in (player, value, node):
        if each is not None and each.null:
            return each.null
    return "UNK"


def _clinical(d: Draft, node: Node, act: Node | None, state: str) -> Resource | None:
    own = take(node, "28", "2.16.840.1.113883.10.20.1.39", codes=("33999-4",))
    for inner in own + (take(act, "28") if act is not None else []):
        settled(inner)
        value = inner.kid("value")
        sent = concept(d, value)
        code = code_of(value)
        if code in _STATUS:
            if state in _CONCERN and (_CONCERN[state] == "active") != (_STATUS[code] == "active"):
                d.warn("contradiction", inner, "the status of the allergy and that of its concern differ")
                if act is not None and (stated := act.kid("statusCode")) is not None:
                    stated.used = False
            return fixed(_CLINICAL, _STATUS[code], _STATUS[code].capitalize())
        if sent:
            return sent
    found = _CONCERN.get(state)
    return fixed(_CLINICAL, found, found.capitalize()) if found else None


def _criticality(d: Draft, made: Resource, node: Node) -> None:
    value = node.kid("value")
    if found := _CRITICALITY.get(code_of(value), ""):
        concept(d, value)
        made["criticality"] = found
    elif value is not None and value.null and "criticality" not in made:
        value.used = True
        made["_criticality"] = absent(value.null)


def _asserter(d: Draft, made: Resource, node: Node) -> None:
    done = [who for who in performers(d, node) if not str(who.get("reference", "")).startswith("Organization/")]
    put(made, asserter=done[0] if done else None)
    uncredited(d, node, "performer", made.get("asserter"))
    for kid in node.all("informant"):
        who = assigned(d, kid.kid("assignedEntity") or kid.kid("relatedEntity"))
        # any further informant is told of by a Provenance
        if who and who == made.setdefault("asserter", who):
            kid.used = True
