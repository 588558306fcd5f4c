"""Which mapper a statement goes to: by its template, then by its section, then by its shape.

A statement is mapped once: the same node reached by two ways, or two templates on one entry, give one resource.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.ccda import (
    allergy,
    coverage,
    dispense,
    encounter,
    equipment,
    family,
    imaging,
    immunization,
    medication,
    note,
    observation,
    organizer,
    problem,
    procedure,
    request,
    team,
)
from adapters.ccda.coded import code_of
from adapters.ccda.draft import Draft
from adapters.ccda.media import media
from adapters.ccda.statement import PLANNED, Section, is_a, silent, templates
from adapters.ccda.tree import Node

Mapper = Callable[[Draft, Node, Section], list[str]]
_C22 = "2.16.840.1.113883.10.20.22.4."
_CCD = "2.16.840.1.113883.10.20.1."

_MAPPERS: dict[Mapper, str] = {
    allergy.concern: "30",
    allergy.allergy: "7",
    problem.concern: "3 132 80 33 34 65 51 136",
    problem.problem: "4",
    medication.medication: "16 42",
    medication.wrapper: "35 36",
    dispense.supply: "17 18",
    immunization.immunization: "52 120",
    organizer.report: "1",
    organizer.panel: "26",
    procedure.procedure: "12 13 14",
    encounter.encounter: "49",
    request.request: "39 40 41 44 20",
    request.goal: "121",
    equipment.supply: "50 43",
    family.relative: "45",
    coverage.activity: "60 129",
    coverage.policy: "61",
    team.team: "500",
    note.note: "202",
    note.comment: "64",
    note.pointer: "122",
}
"""Mapper -> template numbers below C-CDA's entry arc."""

BY_TEMPLATE: dict[str, Mapper] = {
    _C22 + number: mapper for mapper, numbers in _MAPPERS.items() for number in numbers.split()
} | {
    _CCD + "18": allergy.allergy,
    _CCD + "28": problem.problem,
    _CCD + "24": medication.medication,
    _CCD + "34": dispense.supply,
    _CCD + "29": procedure.procedure,
    _CCD + "21": encounter.encounter,
    _CCD + "23": family.relative,
    _CCD + "20": coverage.activity,
    _CCD + "26": coverage.policy,
    "2.16.840.1.113883.10.20.22.60": coverage.activity,
    "2.16.840.1.113883.10.20.6.2.6": imaging.study,
    "2.16.840.1.113883.10.20.6.2.8": imaging.linked,
}


def dispatch(d: Draft, node: Node, section: Section) -> list[str]:
    """References of the resources that a statement became, the first being the statement itself."""
    known = d.made.get(id(node))
    if known is not None:
        return list(known)
    if node.null and silent(node) and (node.tag != "observation" or node.kid("value") is None):
        # an observation may still say why it has no value
        d.warn("no-information", node, "a null entry: nothing is known, which is not the same as none")
        d.made[id(node)] = ()
        return []
    mapper = _by_template(node, section) or _by_shape(node, section)
    found = mapper(d, node, section)
    d.made[id(node)] = tuple(found)
    return found


def _by_template(node: Node, section: Section) -> Mapper | None:
    found = [BY_TEMPLATE[root] for root in templates(node) if root in BY_TEMPLATE]
    if not found:
        return None
    plan = node.get("moodCode") in PLANNED
    for mapper in found:
        if section.kind == "plan" and node.get("moodCode") == "EVN" and is_a(node, "39", "40", "41", "44"):
            return request.mistaken
        if _fits(mapper, node, plan):
            if mapper is organizer.report and node.parent is not None and node.parent.tag == "component":
                # DiagnosticReport.result takes observations only: a battery inside a battery is one with members
                return organizer.panel
            if mapper is medication.medication and section.kind == "immunizations":
                # C32 uses one template for drugs and vaccines
                return immunization.immunization
            return mapper
    return None


def _fits(mapper: Mapper, node: Node, plan: bool) -> bool:
    """A template that contradicts the mood or the element of its entry is not believed."""
    if plan and mapper in (procedure.procedure, encounter.encounter, problem.problem, allergy.allergy):
        return False
    if not plan and mapper is request.request:
        return node.get("moodCode") not in ("EVN", "GOL", "")
    if mapper in (organizer.report, organizer.panel, family.relative, team.team):
        return node.tag == "organizer"
    if mapper in (allergy.allergy, problem.problem, request.goal):
        return node.tag == "observation"
    if mapper in (medication.medication, immunization.immunization):
        return node.tag == "substanceAdministration"
    if mapper is dispense.supply and node.kid("product") is None:
        # CCD has one template for all supplies: what takes part as a device is none of a drug
        return node.tag == "supply" and not any(kid.down("participantRole", "playingDevice") for kid in node.kids)
    if mapper in (dispense.supply, equipment.supply):
        return node.tag == "supply"
    return True


def _by_shape(node: Node, section: Section) -> Mapper:
    tag, kind, mood = node.tag, section.kind, node.get("moodCode")
    if tag == "substanceAdministration":
        return immunization.immunization if kind == "immunizations" else medication.medication
    if tag == "supply":
        drug = kind in ("medications", "administered", "immunizations") or is_a(node.parent or node, "16", "42")
        return dispense.supply if drug else equipment.supply
    if tag == "observationMedia":
        return lambda d, n, s: media(d, n)
    if mood == "GOL" and tag == "observation":
        return request.goal
    if mood in PLANNED and tag != "organizer":
        return request.request
    if tag == "observation":
        return _observation(node, section)
    if tag == "organizer":
        if kind == "family" and node.kid("subject") is not None:
            return family.relative
        within = node.parent is not None and node.parent.tag != "entry"
        return organizer.report if kind in ("results", "imaging") and not within else organizer.panel
    if tag == "procedure":
        return procedure.procedure
    if tag == "encounter":
        return encounter.encounter
    if tag == "act":
        return _act(node, section)
    return _unknown


def _observation(node: Node, section: Section) -> Mapper:
    top = node.parent is not None and node.parent.tag == "entry"
    if section.kind == "allergies" and node.kid("participant") is not None:
        return allergy.allergy
    if section.kind in ("problems", "history", "diagnosis") and top and node.kid("value") is not None:
        return problem.problem
    if section.kind == "procedures" and top:
        return procedure.procedure
    return observation.observation


def _act(node: Node, section: Section) -> Mapper:
    if code_of(node.kid("code")) == imaging.STUDY:
        return imaging.study
    if section.kind == "allergies":
        return allergy.concern
    if section.kind in ("problems", "history", "diagnosis"):
        return problem.concern
    if section.kind == "payers":
        return coverage.activity
    return note.act


def _unknown(d: Draft, node: Node, section: Section) -> list[str]:
    d.warn("entry-unknown", node, "no mapping for this kind of entry; see its narrative")
    return []
