"""Facts of allergies and problems."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fidelity.ccda_parts import Maker
from tests.fidelity.ccda_sections import ALLERGY_TYPES, SEVERITIES, T
from tests.fidelity.document import STATEMENTS, Element, child, children, tag, templates
from tests.fidelity.fact import Fact


def related(statement: Element, *roots: str) -> Iterator[Element]:
    for link in children(statement, "entryRelationship"):
        for each in link:
            if tag(each) in STATEMENTS and templates(each) & set(roots):
                yield each


def severity(statement: Element, m: Maker, places: str) -> Iterator[Fact]:
    for each in related(statement, T + "8"):
        value = child(each, "value")
        if value is not None and value.get("code"):
            code = value.get("code")
            yield from m.one(value, "severity", (code, *SEVERITIES.get(code, ())), places, form="code")


def allergy(statement: Element, m: Maker) -> Iterator[Fact]:
    negated = statement.get("negationInd") == "true"
    yield from m.identifier(statement, "AllergyIntolerance.identifier")
    value = child(statement, "value")
    if value is not None and ALLERGY_TYPES.get(value.get("code", "")) and not negated:
        yield from m.one(
            value,
            "type",
            ALLERGY_TYPES[value.get("code", "")],
            "AllergyIntolerance.category AllergyIntolerance.type",
            form="code",
        )
    for participant in children(statement, "participant"):
        entity = child(participant, "participantRole", "playingEntity")
        code = child(entity, "code")
        if negated:
            m_ = "AllergyIntolerance.code AllergyIntolerance.verificationStatus AllergyIntolerance.extension"
            yield from m.one(
                statement,
                "negation",
                (
                    "refuted",
                    "no-known-reaction-risk",
                    "716186003",
                    "409137002",
                    "429625007",
                    "428607008",
                    "1003774007",
                    "426232007",
                ),
                m_,
                form="code",
            )
        else:
            yield from m.code(code, "code", "AllergyIntolerance.code")
        if code is None or not code.get("code"):
            yield from m.name(entity, "AllergyIntolerance.code")
    if not negated:
        yield from m.time(
            child(statement, "effectiveTime"), "onset", "AllergyIntolerance.onset", "AllergyIntolerance. "
        )
    yield from _authored(statement, m, "AllergyIntolerance.recorder AllergyIntolerance.asserter")
    for reaction in related(statement, T + "9"):
        inner = child(reaction, "value")
        yield from m.code(inner, "reaction", "AllergyIntolerance.reaction")
        yield from severity(reaction, m, "AllergyIntolerance.reaction.severity AllergyIntolerance.reaction.extension")
        yield from m.time(child(reaction, "effectiveTime"), "reaction", "AllergyIntolerance.reaction")
    yield from severity(
        statement, m, "AllergyIntolerance.reaction AllergyIntolerance.criticality AllergyIntolerance.extension"
    )
    for each in related(statement, T + "28"):
        got = child(each, "value")
        meaning = {"55561003": ("active",), "73425007": ("inactive",), "413322009": ("resolved",)}.get(
            got.get("code", "") if got is not None else "", ()
        )
        if got is not None and meaning and not negated:
            yield from m.one(got, "status", meaning, "AllergyIntolerance.clinicalStatus", form="code")
    for each in related(statement, T + "145"):
        got = child(each, "value")
        meaning = {"CRITH": ("high",), "CRITL": ("low",), "CRITU": ("unable-to-assess",)}.get(
            got.get("code", "") if got is not None else "", ()
        )
        if got is not None and meaning:
            yield from m.one(got, "criticality", meaning, "AllergyIntolerance.criticality", form="code")


def _authored(statement: Element, m: Maker, places: str) -> Iterator[Fact]:
    """Who recorded it, where the statement itself names a person."""
    for author in children(statement, "author"):
        yield from m.name(child(author, "assignedAuthor", "assignedPerson"), places + " Provenance.")


def problem(statement: Element, m: Maker) -> Iterator[Fact]:
    where = "Condition."
    yield from _authored(statement, m, "Condition.recorder Condition.asserter")
    yield from m.identifier(statement, where)
    for value in children(statement, "value"):
        if statement.get("negationInd") == "true" and value.get("code") == "55607006":
            continue  # "no problem": the guide writes it as a code of its own
        yield from m.code(
            value,
            "code",
            "Condition.code Observation.value Observation.code"
            if statement.get("negationInd") == "true"
            else "Condition.code",
        )
    if statement.get("negationInd") == "true":
        yield from m.one(
            statement, "negation", ("refuted", "160245001"), "Condition.verificationStatus Condition.code", form="code"
        )
    yield from m.time(child(statement, "effectiveTime"), "onset", "Condition.onset", "Condition.abatement")
    for each in related(statement, T + "6"):
        got = child(each, "value")
        meaning = {
            "55561003": ("active",),
            "73425007": ("inactive",),
            "413322009": ("resolved",),
            "246455001": ("recurrence",),
            "263855007": ("relapse",),
            "277022003": ("remission",),
        }
        accept = meaning.get(got.get("code", "") if got is not None else "", ())
        if got is not None and accept:
            yield from m.one(got, "status", accept, "Condition.clinicalStatus", form="code")
    for each in related(statement, T + "31"):
        yield from m.quantity(child(each, "value"), "age", "Condition.onset Condition.abatement Observation.value")
    yield from severity(statement, m, "Condition.severity")
