"""Allergy concern and observation -> AllergyIntolerance. A negated entry never names a drug as an allergen.

Sources: C-CDA R2.1 Allergy Concern Act, Allergy - Intolerance Observation, Reaction, Severity, Criticality; C-CDA on FHIR
allergies map; FHIR R4 AllergyIntolerance and its extension substanceExposureRisk.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, codes_of, concept, fixed, named
from adapters.ccda.contact import organisation_name
from adapters.ccda.draft import Draft, put
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, performers
from adapters.ccda.statement import Section, begin, finish, is_a, negated, nested, notes, rest, status, take
from adapters.ccda.times import put_time, put_when, start_of
from adapters.ccda.tree import Node
from hie.model import Resource

_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_SNOMED = "http://snomed.info/sct"
_RISK = "http://hl7.org/fhir/StructureDefinition/allergyintolerance-substanceExposureRisk"
_RISK_SYSTEM = "http://terminology.hl7.org/CodeSystem/allerg-intol-substance-exp-risk"
_ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"

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

_STATUS = {"55561003": "active", "73425007": "inactive", "413322009": "resolved"}
_CONCERN = {"active": "active", "completed": "inactive", "suspended": "inactive", "aborted": "inactive"}
_SEVERITY = {
    "255604002": "mild",
    "6736007": "moderate",
    "24484000": "severe",
    "371923003": "moderate",
    "371924009": "severe",
    "399166001": "severe",
    "L": "mild",
    "M": "moderate",
    "H": "severe",
}
_EXACT = frozenset({"255604002", "6736007", "24484000", "L", "M", "H"})
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
    state = status(act)
    made: list[str] = []
    for link, inner in list(nested(act)):
        if inner.tag == "observation" and (
            is_a(inner, "7", "2.16.840.1.113883.10.20.1.18")
            or link.get("typeCode") == "SUBJ"
            or inner.kid("participant") is not None
        ):
            link.used = True
            made += allergy(d, inner, section, act, state)
    code = act.kid("code")
    if code is not None and (made or code_of(code) in ("CONC", "48765-2")):
        code.used = True
    section.entries += rest(d, act, section)
    if not made and act.null:
        d.warn("no-information", act, "a null allergy entry: nothing is known, which is not the same as none")
    return made


def allergy(d: Draft, node: Node, section: Section, act: Node | None = None, state: str = "") -> list[str]:
    """One allergy observation."""
    made, ids = begin(d, node, "AllergyIntolerance", act)
    own = status(node)
    value = node.kid("value")
    kind, category = _kind(d, value)
    if not (kind or category):
        kind, category = _kind(d, node.kid("code"))
    substance = _substance(d, node)
    clinical = _clinical(d, node, act, state or own)
    if own == "nullified" or state == "nullified":
        made["verificationStatus"] = fixed(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "entered-in-error"
        )
    else:
        made["clinicalStatus"] = clinical or absent("UNK")
    put(made, type=kind, category=[category] if category else None)
    for inner in take(node, "145", codes=("82606-5",)):
        status(inner)
        put(made, criticality=_criticality(d, inner))
    _code(d, made, node, value, substance, category)
    made["patient"] = {"reference": d.patient}
    _onset(d, made, node.kid("effectiveTime"))
    writer, written = author(d, node)
    if act is not None:
        other, when = author(d, act)
        writer, written = writer or other, written or when
        begun = start_of(d, act.kid("effectiveTime"))
        if written is None:
            written = begun
        _repeated(act, node, written)
    put_time(d, made, "recordedDate", written)
    put(made, recorder=writer)
    _asserter(d, made, node)
    graded = list(take(node, "8", codes=("SEV",)))
    severity = next((s for inner in graded if (s := _severity(d, inner))), None)
    reactions = [one for inner in _reactions(node) if (one := _reaction(d, inner, section))]
    if severity:
        for one in reactions or [{"manifestation": [absent("NI")]}]:
            if "severity" not in one:
                one.update(severity)
            elif one["severity"] != severity.get("severity", one["severity"]):
                d.warn(
                    "severity-twice",
                    graded[0],
                    "the severity of the allergy is not that of its reaction: the latter stays",
                )
            if not reactions:
                reactions = [one]
    remarks = notes(d, node) + (notes(d, act) if act is not None else [])
    put(made, note=remarks, reaction=reactions)
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def _onset(d: Draft, made: Resource, when: Node | None) -> None:
    """When it began; the interval where an end was sent too."""
    high = when.kid("high") if when is not None else None
    if high is not None and high.get("value"):
        put_when(d, made, "onset", when)
    elif put_time(d, made, "onsetDateTime", start_of(d, when)) and when is not None:
        when.used = True


def _repeated(act: Node, node: Node, written: Node | None) -> None:
    """The times of the concern act that only repeat those of its observation or author are carried by them."""
    said = {each.get("value") for when in node.all("effectiveTime") for each in when.walk()}
    said.add(written.get("value") if written is not None else "")
    for when in act.all("effectiveTime"):
        for each in when.walk():
            each.used = each.used or each.get("value") in said


def _kind(d: Draft, value: Node | None) -> tuple[str, str]:
    for code in sorted(codes_of(value)):
        if code in KINDS and any(KINDS[code]) and value is not None:
            concept(d, value)
            return KINDS[code]
    return "", ""


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
    if code is not None:
        code.used = True
    named = {each["code"] for each in (substance or {}).get("coding", ())}
    typed = codes_of(value)
    if negated(node):
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
            if value is not None and not typed:
                value.used = True
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
        status(inner)
        value = inner.kid("value")
        sent = concept(d, value)
        code = code_of(value)
        if code in _STATUS:
            if state in _CONCERN and (_CONCERN[state] == "active") != (_STATUS[code] == "active"):
                d.warn("contradiction", inner, "the status of the allergy and that of its concern differ")
            return fixed(_CLINICAL, _STATUS[code], _STATUS[code].capitalize())
        if sent:
            return sent
    found = _CONCERN.get(state)
    return fixed(_CLINICAL, found, found.capitalize()) if found else None


def _criticality(d: Draft, node: Node) -> str:
    value = node.kid("value")
    found = _CRITICALITY.get(code_of(value), "")
    if found:
        concept(d, value)
    return found


def _severity(d: Draft, node: Node) -> Resource | None:
    """`severity`, and the words as sent where FHIR's three degrees say less."""
    status(node)
    value = node.kid("value")
    code = code_of(value)
    sent = concept(d, value)
    if not sent:
        return None
    said = sent.get("text") or next((c["display"] for c in sent.get("coding", ()) if "display" in c), code)
    found = _SEVERITY.get(code) or _SEVERITY.get({"mild": "L", "moderate": "M", "severe": "H"}.get(said.lower(), ""))
    if found and code in _EXACT:
        return {"severity": found}
    extension = {"extension": [{"url": _ORIGINAL, "valueString": said}]}
    return {"severity": found, "_severity": extension} if found else {"_severity": extension}


def _reactions(node: Node) -> list[Node]:
    found = take(node, "9", "2.16.840.1.113883.10.20.1.54")
    for link, inner in nested(node):
        if inner.tag == "observation" and link.get("typeCode") in ("MFST", "CAUS"):
            link.used = inner.used = True
            found.append(inner)
    return found


def _reaction(d: Draft, node: Node, section: Section) -> Resource | None:
    status(node)
    if negated(node):
        node.used = False
        d.warn("negated-reaction", node, "a reaction said not to occur: see the narrative")
        return None
    if (code := node.kid("code")) is not None:
        code.used = True
    for kid in node.all("id"):
        kid.used = True
    value = node.kid("value")
    shown = concept(d, value)
    text = text_of(d, node.kid("text"))
    if shown is None and value is not None and (said := text_of(d, value)):
        shown = {"text": said}
    if shown is None and text:
        shown = {"text": text}
    if shown is None and value is not None and value.null:
        shown = absent(value.null)
    if shown is None:
        return None
    made: Resource = {"manifestation": [shown]}
    if text and text != shown.get("text"):
        made["description"] = text
    put_time(d, made, "onset", start_of(d, node.kid("effectiveTime")))
    for inner in take(node, "8", codes=("SEV",)):
        made.update(_severity(d, inner) or {})
    if remarks := notes(d, node):
        made["note"] = remarks
    section.entries += rest(d, node, section)
    return made


def _asserter(d: Draft, made: Resource, node: Node) -> None:
    done = [who for who in performers(d, node) if not str(who.get("reference", "")).startswith("Organization/")]
    put(made, asserter=done[0] if done else None)
    for kid in node.all("informant"):
        kid.used = True
        who = assigned(d, kid.kid("assignedEntity") or kid.kid("relatedEntity"))
        if who and not made.get("asserter"):
            made["asserter"] = who
