"""The facts of entries, by what a statement is: its template, its section, its own element."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fidelity.ccda_conditions import allergy, problem, related
from tests.fidelity.ccda_drugs import medication, supply, vaccine
from tests.fidelity.ccda_parts import Maker
from tests.fidelity.ccda_sections import DONE, OBSERVED, PLANNED, T
from tests.fidelity.document import STATEMENTS, Element, Narrative, child, children, tag, templates
from tests.fidelity.fact import Fact

# the payer among the performers of a policy
PAYER = {T + "87"}
PLANS = (
    "ServiceRequest. MedicationRequest. Appointment. CarePlan. Goal. DeviceRequest. SupplyRequest. NutritionOrder. CommunicationRequest. "
    "ImmunizationRecommendation. Task. Encounter. Medication. RequestGroup. RiskAssessment."
)


def entry_facts(part: str, statement: Element, narrative: Narrative) -> Iterator[Fact]:
    """A statement and those within it."""
    if statement.get("nullFlavor"):
        return
    m = Maker(part, statement, narrative)
    known = templates(statement)
    planned = statement.get("moodCode") in PLANNED
    name = tag(statement)
    inner = [
        x
        for link in (*children(statement, "entryRelationship"), *children(statement, "component"))
        for x in link
        if tag(x) in STATEMENTS
    ]
    if (
        name == "observation"
        and known
        & {
            T + "7",
            T + "90",
            "2.16.840.1.113883.10.20.1.18",
            "1.3.6.1.4.1.19376.1.5.3.1.4.6",
        }
        and part != "problems"
    ):
        yield from allergy(statement, m)
    elif (
        name == "observation"
        and (known & {T + "4", "2.16.840.1.113883.10.20.1.28"} or (part == "problems" and T + "7" in known))
        and part != "family"
    ):
        yield from problem(statement, m)
    elif name == "substanceAdministration" and (T + "52" in known or part == "immunizations"):
        yield from vaccine(statement, m)
    elif name == "substanceAdministration":
        yield from medication(statement, m, part)
        inner = [x for x in inner if tag(x) == "supply"]
    elif part == "family":
        yield from _family(statement, m)
    elif part in ("functional", "mental") and T + "6" in known:
        return  # the status of the finding around it
    elif T + "202" in known:
        yield from m.code(child(statement, "code"), "code", "DocumentReference.type DocumentReference.category")
        yield from m.time(child(statement, "effectiveTime"), "date", "DocumentReference.date DocumentReference.context")
    elif T + "20" in known:
        return  # an instruction: its text is looked for with the statement that it belongs to
    elif planned and name in ("act", "procedure", "observation", "encounter"):
        yield from _planned(statement, m)
    elif name == "procedure" or (part == "procedures" and name in ("act", "procedure")):
        yield from _procedure(statement, m)
    elif name == "encounter":
        yield from _encounter(statement, m)
    elif name == "organizer" and part in ("results", "vitals"):
        yield from _panel(statement, m)
    elif name == "observation" and part in ("results", "vitals", "social", "functional", "mental", "procedures"):
        yield from _observation(statement, m)
    elif (name == "supply" and planned is False and part in ("medications", "equipment")) or (
        name == "supply" and part == "medications"
    ):
        yield from supply(statement, m)
    elif part == "payers" and name == "act":
        yield from _coverage(statement, m)
    if name == "observation" and part not in ("results", "vitals", "functional", "mental", "social"):
        return
    for each in inner:
        yield from entry_facts(part, each, narrative)


def _planned(statement: Element, m: Maker) -> Iterator[Fact]:
    around = (statement, *statement.iterancestors())
    places = (
        f"{PLANS} Coverage." if any(T + "129" in templates(each) for each in around) else PLANS
    )  # a planned coverage
    yield from m.identifier(statement, places)
    code = child(statement, "code")
    yield from m.code(code, "code", places)
    yield from m.time(child(statement, "effectiveTime"), "date", places)
    for value in children(statement, "value"):
        yield from m.value(value, places)


def _procedure(statement: Element, m: Maker) -> Iterator[Fact]:
    yield from m.identifier(statement, "Procedure. DeviceUseStatement.")
    yield from m.code(child(statement, "code"), "code", "Procedure.code Procedure.category DeviceUseStatement.")
    yield from m.status(statement, DONE, "Procedure.status DeviceUseStatement.status")
    yield from m.time(child(statement, "effectiveTime"), "date", "Procedure.performed DeviceUseStatement.")
    for each in children(statement, "targetSiteCode"):
        yield from m.code(each, "site", "Procedure.bodySite DeviceUseStatement.bodySite")
    for each in related(statement, T + "19"):
        yield from m.code(child(each, "value"), "indication", "Procedure.reasonCode Procedure.reasonReference")
    for each in children(statement, "specimen"):
        kind = child(each, "specimenRole", "specimenPlayingEntity", "code")
        yield from m.code(kind, "specimen", "Specimen.type Procedure.")
    for each in children(statement, "participant"):
        device = child(each, "participantRole", "playingDevice", "code")
        if device is not None:
            yield from m.code(device, "device", "Device. *.device Procedure.")
    yield from m.people(statement, "Procedure.performer")


def _encounter(statement: Element, m: Maker) -> Iterator[Fact]:
    named = all(child(statement, tag) is None for tag in ("code", "effectiveTime", "performer", "participant"))
    # one that is only named by its id is what a statement refers to
    yield from m.identifier(statement, "Encounter.identifier" + (" *.encounter *.context" if named else ""))
    yield from m.code(child(statement, "code"), "code", "Encounter.type Encounter.class Encounter.serviceType")
    yield from m.time(child(statement, "effectiveTime"), "date", "Encounter.period")
    for each in children(statement, "participant"):
        if each.get("typeCode") == "LOC":
            role = child(each, "participantRole")
            yield from m.name(child(role, "playingEntity"), "Encounter.location Encounter.serviceProvider")
    yield from m.people(statement, "Encounter.participant Encounter.serviceProvider")


def _panel(statement: Element, m: Maker) -> Iterator[Fact]:
    yield from m.code(child(statement, "code"), "code", "DiagnosticReport.code Observation.code Observation.category")
    yield from m.identifier(statement, "DiagnosticReport.identifier Observation.identifier")
    yield from m.status(statement, DONE, "DiagnosticReport.status Observation.status")
    yield from m.time(child(statement, "effectiveTime"), "date", "DiagnosticReport.effective Observation.effective")
    for each in children(statement, "specimen"):
        yield from m.code(
            child(each, "specimenRole", "specimenPlayingEntity", "code"), "specimen", "Specimen.type *.specimen"
        )


def _observation(statement: Element, m: Maker) -> Iterator[Fact]:
    places = "Observation. Procedure." if m.part == "procedures" else "Observation. Condition."
    yield from m.identifier(statement, places + " Consent. Device.")
    code = child(statement, "code")
    if code is not None and code.get("code") != "ASSERTION":
        yield from m.code(
            code,
            "code",
            "Observation.code Observation.component Procedure.code Condition.category Condition.code Observation.category",
        )
    observed = OBSERVED + " Condition.code" + (" Procedure." if m.part == "procedures" else "")
    if m.part == "social":
        observed += " Patient.extension Condition. Patient.gender"
    for value in children(statement, "value"):
        yield from m.value(value, observed)
    yield from m.status(statement, DONE, places)
    yield from m.time(
        child(statement, "effectiveTime"),
        "date",
        "Observation.effective Procedure.performed Condition.onset Condition.abatement Observation.value",
    )
    for each in children(statement, "interpretationCode"):
        yield from m.code(each, "flag", "Observation.interpretation", text=False)
    for each in children(statement, "referenceRange"):
        ranges = child(each, "observationRange")
        yield from m.quantity(child(ranges, "value"), "range", "Observation.referenceRange")
        text = m.narrative.of(child(ranges, "text"))
        if text:
            yield from m.one(each, "range", (text,), "Observation.referenceRange", form="has")
    yield from m.people(statement, "Observation.performer Procedure.performer Condition.asserter Condition.recorder")
    for each in children(statement, "methodCode"):
        yield from m.code(each, "method", "Observation.method")
    for each in children(statement, "targetSiteCode"):
        yield from m.code(each, "site", "Observation.bodySite Procedure.bodySite Condition.bodySite")


def _family(statement: Element, m: Maker) -> Iterator[Fact]:
    history = "FamilyMemberHistory."
    if tag(statement) == "organizer":
        subject = child(statement, "subject", "relatedSubject")
        yield from m.code(child(subject, "code"), "relation", history)
        sex = child(subject, "subject", "administrativeGenderCode")
        if sex is not None and sex.get("code"):
            yield from m.one(
                sex,
                "demographic",
                ({"M": "male", "F": "female"}.get(sex.get("code"), sex.get("code")), sex.get("code")),
                history,
                form="code",
            )
        yield from m.time(child(subject, "subject", "birthTime"), "date", history)
        for link in children(statement, "component"):
            for each in children(link, "observation"):
                inner = Maker("family", each, m.narrative, strict=False)
                if each.get("negationInd") == "true":
                    continue  # an absence is no condition of the family: FHIR has it as an observation
                for value in children(each, "value"):
                    yield from inner.code(value, "code", history)
                for age in related(each, T + "31"):
                    yield from inner.quantity(child(age, "value"), "age", history)


def _coverage(statement: Element, m: Maker) -> Iterator[Fact]:
    if T + "61" not in templates(statement):
        return
    yield from m.identifier(statement, "Coverage.")
    for each in children(statement, "performer"):
        entity = child(each, "assignedEntity")
        yield from m.name(child(entity, "representedOrganization"), "Coverage. Organization.")
        payer = PAYER & templates(each) or (
            child(entity, "code") is not None and child(entity, "code").get("code") == "PAYOR"
        )
        if payer and entity is not None:
            yield from m.identifier(entity, "Coverage.payor Organization.identifier")
            yield from m.contact(entity, "Coverage.payor Organization.")
        yield from m.name(child(entity, "assignedPerson"), "Coverage. RelatedPerson. Account.guarantor Patient.name")
    yield from m.time(child(statement, "effectiveTime"), "date", "Coverage.period")
    for each in children(statement, "participant"):
        role = child(each, "participantRole")
        if each.get("typeCode") == "COV":
            yield from m.identifier(role, "Coverage. Patient.identifier RelatedPerson.") if role is not None else ()
            yield from m.code(child(role, "code"), "relation", "Coverage.relationship", text=False)
            yield from m.time(child(each, "time"), "date", "Coverage.period")
        if each.get("typeCode") == "HLD" and role is not None:
            yield from m.identifier(role, "Coverage. RelatedPerson. Patient.identifier Organization.")
            yield from m.name(child(role, "playingEntity"), "Coverage. RelatedPerson. Patient.name Organization.")
