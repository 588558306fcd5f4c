"""Family history organizer -> FamilyMemberHistory: one relative with conditions, ages and death.

Source: C-CDA R2.1 Family History Organizer, Family History Observation, Age Observation, Family History Death Observation.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, concept, fixed, required
from adapters.ccda.contact import display, names
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.narrative import text_of
from adapters.ccda.observation import observation
from adapters.ccda.quantities import quantity
from adapters.ccda.statement import (
    Section,
    begin,
    finish,
    fixed_code,
    negated,
    nested,
    notes,
    rest,
    settled,
    status,
    take,
)
from adapters.ccda.times import period, put_date, put_time, start_of
from adapters.ccda.tree import Node
from hie.model import Resource

_STATUS = {"completed": "completed", "active": "partial", "nullified": "entered-in-error"}
_GENDER = "http://hl7.org/fhir/administrative-gender"
_GENERIC = frozenset({"64572001", "404684003", "55607006", "282291009", "ASSERTION", "75323-6", "29308-4", "75315-2"})
"""Codes of a family history observation that say no more than that it is a problem or a diagnosis."""
_SEX = {"M": ("male", "Male"), "F": ("female", "Female"), "UN": ("other", "Other"), "UNK": ("unknown", "Unknown")}


def relative(d: Draft, node: Node, section: Section) -> list[str]:
    """A relative; an organizer without one is a panel of observations about the patient."""
    made, ids = begin(d, node, "FamilyMemberHistory")
    state = _STATUS.get(status(node, _STATUS))
    if state:
        made["status"] = state
    else:
        made["_status"] = absent("UNK")
    made["patient"] = refer(d.patient)
    put_time(d, made, "date", node.kid("effectiveTime"))
    subject = node.kid("subject")
    person = subject.kid("relatedSubject") if subject is not None else None
    if subject is not None:
        subject.used = True
    _person(d, made, person)
    made["relationship"] = required(d, person.kid("code") if person is not None else None)
    conditions = []
    denied: list[str] = []
    for link, inner in list(nested(node, ("component",))):
        if inner.tag != "observation":
            continue
        link.used = True
        if negated(inner):
            # FamilyMemberHistory cannot say "does not have": an observation can
            denied += observation(d, inner, section)
            continue
        conditions.append(_condition(d, made, inner, section))
    put(made, condition=conditions, note=notes(d, node))
    fixed_code(node, "10157-6", "8670-2")
    section.entries += denied + rest(d, node, section)
    reference = finish(d, node, made, ids)
    for each in denied:
        _about(d.resources[each], reference)
    return [reference]


def _about(made: Resource, reference: str) -> None:
    """What a relative does not have is no finding about the patient."""
    made["focus"] = [refer(reference)]
    parts = made.get("component", [])
    if len(parts) == 1 and {c.get("code") for c in made["code"].get("coding", ())} <= _GENERIC:
        # the kind of problem is no question: the problem is
        made["code"], made["valueBoolean"] = parts[0]["code"], False
        del made["component"]


def _person(d: Draft, made: Resource, person: Node | None) -> None:
    if person is None:
        return
    person.used = True
    subject = person.kid("subject")
    if subject is None:
        return
    subject.used = True
    if named := names(d, subject):
        made["name"] = display(named[0])
    gender = subject.kid("administrativeGenderCode")
    if gender is not None and gender.get("code") in _SEX:
        gender.used = True
        made["sex"] = fixed(_GENDER, *_SEX[gender.get("code")])
    elif shown := concept(d, gender):
        made["sex"] = shown
    put_date(d, made, "bornDate", subject.kid("birthTime"))
    dead, when = subject.kid("sdtc:deceasedInd"), subject.kid("sdtc:deceasedTime")
    if put_date(d, made, "deceasedDate", when):
        if dead is not None:
            dead.used = dead.get("value") == "true"
    elif dead is not None and dead.get("value") in ("true", "false"):
        dead.used = True
        made["deceasedBoolean"] = dead.get("value") == "true"
    # sdtc:id and the like of a relative identify nobody here


def _condition(d: Draft, made: Resource, node: Node, section: Section) -> Resource:
    node.used = True
    settled(node)
    value, code = node.kid("value"), node.kid("code")
    shown = concept(d, value)
    if shown is None and value is not None and (said := text_of(d, value)):
        shown = {"text": said}
    if shown is None and (said := text_of(d, node.kid("text"))):
        shown = {"text": said}
    if shown is None:
        shown = concept(d, code)
    one: Resource = {"code": shown or absent(value.null if value is not None and value.null else "UNK")}
    for each in (code, *code.all("translation")) if code is not None else ():
        each.used = each.used or code_of(each) in _GENERIC
    deaths = take(node, "47", "2.16.840.1.113883.10.20.1.42")
    for inner in deaths:
        settled(inner)
        if outcome := concept(d, inner.kid("value")):
            one["outcome"] = outcome
        one["contributedToDeath"] = True
        if not any(key.startswith("deceased") for key in made):
            made["deceasedBoolean"] = True
    for inner in take(node, "31", "2.16.840.1.113883.10.20.1.38", codes=("445518008", "397659008")):
        settled(inner)
        if age := quantity(d, inner.kid("value")):
            one["onsetAge"] = age
    _onset(d, one, node)
    remarks = notes(d, node)
    put(one, note=remarks)
    section.entries += rest(d, node, section)
    return one


def _onset(d: Draft, one: Resource, node: Node) -> None:
    """When it began, as an interval where one was sent; an age was taken before (FHIR holds one)."""
    when = node.kid("effectiveTime")
    if when is None:
        return
    probe: Resource = {}
    if "onsetAge" in one:
        if any(each.get("value") for each in when.walk()):
            d.warn("onset-twice", node, "an age at onset beside a date: the age was taken")
    elif (when.kid("low") or when.kid("high")) is not None and (span := period(d, when)):
        one["onsetPeriod"] = span
    elif put_time(d, probe, "x", start_of(d, when)):
        one["onsetString"] = probe["x"]
