"""Problem concern, problem observation, diagnosis and indication -> Condition.

Sources: C-CDA R2.1 Problem Concern Act, Problem Observation, Problem Status, Age Observation, Severity; C-CDA on FHIR problems map.
"""

from __future__ import annotations

import re

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, codes_of, concept, fixed
from adapters.ccda.draft import Draft, put
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, performers, uncredited
from adapters.ccda.quantities import quantity
from adapters.ccda.statement import (
    Section,
    begin,
    finish,
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
from adapters.ccda.visit import visit
from hie.model import Resource

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_SNOMED = "http://snomed.info/sct"

_ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"

_STATUS = {
    "55561003": "active",
    "73425007": "inactive",
    "413322009": "resolved",
    "277022003": "remission",
    "246455001": "recurrence",
    "263855007": "relapse",
    "90734009": "active",
    "7087005": "active",
    "415684004": "",
    "410516002": "",
    "723506003": "resolved",
}
"""Problem status value set -> condition-clinical. Chronic and intermittent problems are active ones."""
_EXACT = frozenset({"55561003", "73425007", "413322009", "277022003", "246455001", "263855007"})
_CONCERN = {"active": "active", "completed": "inactive", "suspended": "inactive", "aborted": "inactive"}
_ENDED = frozenset({"inactive", "resolved", "remission"})
_NO_PROBLEM = frozenset(
    {"55607006", "64572001", "404684003", "282291009", "409586006", "ASSERTION", "29308-4", "75326-9"}
)
"""The widest classes of problem: negated, they mean that none is known."""

_DENIAL = re.compile(
    r"\b(?:no|not|none|nil|non|without|negative|unremarkable|normal|den(?:y|ies|ied)|free|never|absent|n/?a)\b", re.I
)
"""Words by which a text denies a problem."""

_ACTS = frozenset({"CONC", "29308-4", "ASSERTION", "11450-4", "75310-3", "", "75326-9"})
"""Codes of a concern act that say no more than that it is one."""

_ABOUT = ("64", "143", "6", "8", "31", "502", "2.16.840.1.113883.10.20.1.38", "2.16.840.1.113883.10.20.1.50")
"""Comment, priority, status, severity, age and date of diagnosis: what an act may say about its problem beside it."""

_CATEGORIES = {
    "problems": ("problem-list-item", "Problem List Item"),
    "concerns": ("health-concern", "Health Concern"),
    "diagnosis": ("encounter-diagnosis", "Encounter Diagnosis"),
}


def concern(d: Draft, act: Node, section: Section) -> list[str]:
    """The problems of a concern or diagnosis act; the act gives what they do not say themselves."""
    act.used = True
    state = status(act, {*_CONCERN, "nullified"})
    kind = "diagnosis" if is_a(act, "80", "33", "34", "65", "51") else section.kind
    made: list[str] = []
    for link, inner in list(nested(act)):
        if inner.tag == "observation" and (
            is_a(inner, "4", "2.16.840.1.113883.10.20.1.28") or link.get("typeCode") == "SUBJ"
        ):
            if is_a(inner, *_ABOUT):
                continue
            link.used = True
            if (act.null or inner.null) and not negated(inner) and silent(inner):
                d.warn("no-information", inner, "a null problem: nothing is known, which is not the same as none")
                continue
            made += problem(d, inner, section, act, state, kind)
    code = act.kid("code")
    if code is not None and (made or codes_of(code) <= _ACTS):
        code.used = True
    further = _ages(d, act, section, made) + rest(d, act, section)
    if not made and not further and (said := _bare(d, act, section, state)):
        made.append(said)
    section.entries += further
    if not made and act.null:
        d.warn("no-information", act, "a null problem entry: nothing is known, which is not the same as none")
    return made


def _ages(d: Draft, act: Node, section: Section, made: list[str]) -> list[str]:
    """The ages that an act tells beside its problem: evidence of the only one, else facts of their own."""
    found = [each for inner in take(act, "31", codes=("445518008",)) for each in d.dispatch(d, inner, section)]
    if len(made) == 1 and found:
        only = d.resources[made[0]]
        only["evidence"] = [*only.get("evidence", []), *({"detail": [{"reference": each}]} for each in found)]
        return []
    return found


def _bare(d: Draft, act: Node, section: Section, state: str) -> str:
    """A concern that says itself what it is about ("at risk of falls"), without an observation."""
    code = act.kid("code")
    told = text_of(d, act.kid("text"))
    if code is not None and codes_of(code) <= _ACTS:
        code = None
    if act.null or not (told or code_of(code)):
        return ""
    made, ids = begin(d, act, "Condition")
    if found := _CONCERN.get(state):
        made["clinicalStatus"] = fixed(_CLINICAL, found, found.capitalize())
    _category(made, d, act, section.kind, None)
    made["code"] = {**(concept(d, code) or {}), **({"text": told} if told else {})}
    made["subject"] = {"reference": d.patient}
    _onset(d, made, act, act.kid("effectiveTime"))
    writer, written = author(d, act)
    put_time(d, made, "recordedDate", written)
    put(made, recorder=writer, note=notes(d, act))
    return finish(d, act, made, ids)


def problem(
    d: Draft,
    node: Node,
    section: Section,
    act: Node | None = None,
    state: str = "",
    kind: str = "",
    encounter: str = "",
) -> list[str]:
    """One problem observation."""
    made, ids = begin(d, node, "Condition", act)
    own = status(node, ("completed", "nullified"))
    value = node.kid("value")
    when = node.kid("effectiveTime")
    clinical = _clinical(d, node, act, state)
    _verify(made, node, own, state)
    ended = _abated(d, made, when)
    if "verificationStatus" not in made or made["verificationStatus"]["coding"][0]["code"] != "entered-in-error":
        _state(d, made, node, act, clinical, ended, state)
    _category(made, d, node, kind or section.kind, node.kid("code"))
    if act is not None and (sort := act.kid("code")) is not None and not codes_of(sort) & _ACTS:
        put(made, category=made.get("category", []) + [c for c in [concept(d, sort)] if c])
    _severity(d, made, node)
    _code(d, made, node, value)
    sites = [c for kid in node.all("targetSiteCode") if (c := concept(d, kid))]
    put(made, bodySite=sites)
    made["subject"] = {"reference": d.patient}
    put(made, encounter={"reference": encounter} if encounter else visit(d, node))
    _onset(d, made, node, when)
    _recorded(d, made, node, act)
    put(made, note=notes(d, node) + (notes(d, act) if act is not None else []) + made.pop("note", []))
    evidence = _evidence(d, node, section)
    if evidence:
        made["evidence"] = [{"detail": [{"reference": each} for each in evidence]}]
    reference = finish(d, node, made, ids)
    if act is not None:
        d.authored.append((act, reference))
    return [reference]


def _verify(made: Resource, node: Node, own: str, state: str) -> None:
    if own == "nullified" or state == "nullified":
        made["verificationStatus"] = fixed(_VERIFICATION, "entered-in-error", "Entered in Error")
    elif negated(node):
        made["verificationStatus"] = fixed(_VERIFICATION, "refuted", "Refuted")


def _clinical(d: Draft, node: Node, act: Node | None, state: str) -> Resource | None:
    found = take(node, "6", "2.16.840.1.113883.10.20.1.50", codes=("33999-4",))
    for inner in found + (take(act, "6", codes=("33999-4",)) if act is not None else []):
        settled(inner)
        value = inner.kid("value")
        sent = concept(d, value)
        for code in sorted(codes_of(value)):
            if _STATUS.get(code):
                made = fixed(_CLINICAL, _STATUS[code], _STATUS[code].capitalize())
                if code not in _EXACT and sent:
                    made["coding"] += sent.get("coding", [])
                elif sent and sent.get("text"):
                    made["text"] = sent["text"]
                return made
        if sent:
            return sent
    return None


def _abated(d: Draft, made: Resource, when: Node | None) -> bool:
    high = when.kid("high") if when is not None else None
    if high is None:
        return False
    return put_time(d, made, "abatementDateTime", high)


def _state(
    d: Draft, made: Resource, node: Node, act: Node | None, clinical: Resource | None, ended: bool, state: str
) -> None:
    code = next((c["code"] for c in (clinical or {}).get("coding", ()) if c.get("system") == _CLINICAL), "")
    if clinical:
        made["clinicalStatus"] = clinical
        _overruled(d, act, code, state)
        if ended and code not in _ENDED:
            _contradicted(d, made, node, code, clinical)
    elif ended:
        made["clinicalStatus"] = fixed(_CLINICAL, "resolved", "Resolved")
        _overruled(d, act, "resolved", state)
    elif found := _CONCERN.get(state):
        made["clinicalStatus"] = fixed(_CLINICAL, found, found.capitalize())
    high = node.down("effectiveTime", "high")
    if high is not None and high.null and not ended:
        stated = made.get("clinicalStatus", {}).get("coding", [{}])[0].get("code")
        if stated in _ENDED:
            # it ended, nobody knows when
            made["_abatementDateTime"] = absent(high.null)
            high.used = True


def _contradicted(d: Draft, made: Resource, node: Node, code: str, clinical: Resource) -> None:
    """An end beside a status that says there is none: FHIR (con-4) holds an end only of what is over."""
    high = node.down("effectiveTime", "high")
    written = d.tree.root.down("effectiveTime")
    if high is None:
        return
    if written is not None and high.get("value")[:8] > written.get("value")[:8]:
        # it is expected to end: the status is of today
        d.warn("contradiction", node, "a problem that is not over has an end in the future: FHIR has no place for it")
        made.pop("abatementDateTime")
        made.pop("_abatementDateTime", None)
        high.used = False
        return
    d.warn(
        "contradiction", node, "a problem called active has an end: it is inactive (C-CDA on FHIR), its status as text"
    )
    made["clinicalStatus"] = fixed(_CLINICAL, "inactive", "Inactive")
    others = [each for each in clinical.get("coding", ()) if each.get("system") != _CLINICAL]
    made["clinicalStatus"]["coding"] += others
    said = clinical.get("text") or next((c["display"] for c in clinical.get("coding", ()) if "display" in c), code)
    made["clinicalStatus"]["text"] = said


def _overruled(d: Draft, act: Node | None, code: str, state: str) -> None:
    """The status of a concern that says otherwise than its problem: the problem's stands, the concern's is listed."""
    said = _CONCERN.get(state)
    if act is None or not said or not code or (said in _ENDED) == (code in _ENDED):
        return
    d.warn("concern-status", act, "the status of the concern is not that of its problem: that of the problem stands")
    if (stated := act.kid("statusCode")) is not None:
        stated.used = False


def _category(made: Resource, d: Draft, node: Node, kind: str, code: Node | None) -> None:
    found = _CATEGORIES.get(kind)
    categories = []
    if found:
        system = "http://hl7.org/fhir/us/core/CodeSystem/condition-category" if kind == "concerns" else _CATEGORY
        categories.append(fixed(system, *found))
    if code is not None:
        sent = concept(d, code)
        if sent and not codes_of(code) <= _NO_PROBLEM:
            # symptom, finding, diagnosis ...: what kind of problem the sender calls it
            categories.append(sent)
    put(made, category=categories)


def _severity(d: Draft, made: Resource, node: Node) -> None:
    for inner in take(node, "8", codes=("SEV",)):
        settled(inner)
        if sent := concept(d, inner.kid("value")):
            made["severity"] = sent


def _code(d: Draft, made: Resource, node: Node, value: Node | None) -> None:
    shown = concept(d, value)
    if shown is None and value is not None and (said := text_of(d, value)):
        shown = {"text": said}
    if negated(node) and (shown is None or codes_of(value) & _NO_PROBLEM):
        # a statement of absence is true, not refuted: "no current problems"
        made.pop("verificationStatus", None)
        made["code"] = fixed(_SNOMED, "160245001", "No current problems or disability")
        if shown:
            if (said := str(shown.get("text", ""))) and not _DENIAL.search(said):
                d.warn("contradiction", node, "a statement of no problems whose text denies nothing")
            made["code"]["coding"] += [c for c in shown.get("coding", ()) if c["code"] not in _NO_PROBLEM]
            put(made["code"], text=shown.get("text"))
        return
    if shown is None:
        text = text_of(d, node.kid("text"))
        shown = {"text": text} if text else absent(value.null if value is not None and value.null else "UNK")
        d.warn("code-missing", node, "a problem without a code: its narrative was taken")
    made["code"] = shown


def _onset(d: Draft, made: Resource, node: Node, when: Node | None) -> None:
    begun = start_of(d, when)
    if begun is not None and when is not None and begun.tag == "high":
        begun = None
    dated = put_time(d, made, "onsetDateTime", begun)
    if when is not None:
        when.used = when.used or dated
        low = when.kid("low")
        if not dated and low is not None and low.null:
            put_time(d, made, "onsetDateTime", low, unknown=True)
        elif not dated and when.null:
            made["_onsetDateTime"] = absent(when.null)
    if dated:
        # FHIR holds one onset: an age beside a date becomes an observation of its own (evidence)
        return
    for inner in take(node, "31", "2.16.840.1.113883.10.20.1.38", codes=("445518008",)):
        settled(inner)
        if age := quantity(d, inner.kid("value")):
            made.pop("_onsetDateTime", None)
            made["onsetAge"] = age


def _recorded(d: Draft, made: Resource, node: Node, act: Node | None) -> None:
    writer, written = author(d, node)
    asserted: Resource | None = None
    for diagnosed in take(node, "502", codes=("77975-1",)):
        settled(diagnosed)
        when = diagnosed.kid("effectiveTime")
        asserted = dated(d, _ASSERTED, start_of(d, when)) or asserted
    if act is not None:
        if writer is None and written is None:
            # an author of the act beside one of the observation stays the act's
            writer, written = author(d, act)
        asserted = asserted or dated(d, _ASSERTED, start_of(d, act.kid("effectiveTime")))
        ended = act.down("effectiveTime", "high")
        own_end = node.down("effectiveTime", "high")
        if ended is not None and own_end is not None and ended.get("value") == own_end.get("value"):
            ended.used = True
    if asserted:
        made.setdefault("extension", []).append(asserted)
    put_time(d, made, "recordedDate", written)
    put(made, recorder=writer)
    done = performers(d, node) + (performers(d, act) if act is not None else [])
    put(made, asserter=next((p for p in done if not str(p.get("reference", "")).startswith("Organization/")), None))
    for source in (node, act) if act is not None else (node,):
        uncredited(d, source, "performer", made.get("asserter"))
        for kid in source.all("informant"):
            who = assigned(d, kid.kid("assignedEntity") or kid.kid("relatedEntity"))
            # any further informant is told of by a Provenance
            if who and who == made.setdefault("asserter", who):
                kid.used = True


def _evidence(d: Draft, node: Node, section: Section) -> list[str]:
    """Nested observations support the problem; anything else nested stands for itself."""
    found = rest(d, node, section)
    supporting = [each for each in found if each.startswith("Observation/")]
    section.entries += [each for each in found if each not in supporting]
    return supporting


def reason(d: Draft, node: Node, section: Section) -> str:
    """An indication: the Condition it names, "" where it names none."""
    made = problem(d, node, Section("indication", section.code, section.node))
    return made[0] if made else ""
