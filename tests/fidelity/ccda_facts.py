"""The facts of a C-CDA document: header, sections with their narrative, entries."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fidelity.ccda_entries import entry_facts
from tests.fidelity.ccda_parts import Maker
from tests.fidelity.ccda_sections import SECTIONS
from tests.fidelity.document import STATEMENTS, Element, Narrative, below, child, children, tag, words
from tests.fidelity.fact import Fact

# why a section is empty: a word of FHIR, or the flavour itself
ABSENT = {
    "NI": ("unavailable", "NI"),
    "NASK": ("notasked", "NASK"),
    "UNK": ("unavailable", "notstarted", "UNK"),
    "MSK": ("withheld", "MSK"),
}
PEOPLE = "Composition. Practitioner. PractitionerRole. RelatedPerson. Device. Organization. Patient."


def facts(root: Element) -> Iterator[Fact]:
    """Every value of the checklist that the document holds."""
    narrative = Narrative(root)
    header = Maker("header", root, narrative, strict=False)
    header.scope = ""
    yield from _header(root, header)
    for role in children(root, "recordTarget"):
        yield from _patient(child(role, "patientRole"), header)
    for body in below(root, "nonXMLBody"):
        yield from _content(child(body, "text"), header)
    for body in below(root, "structuredBody"):
        for section in below(body, "section"):
            yield from _section(section, narrative)


def _header(root: Element, m: Maker) -> Iterator[Fact]:
    documents = "Composition. DocumentReference. Bundle."
    yield from m.identifier(root, documents)
    yield from m.code(child(root, "code"), "document", "Composition.type DocumentReference.type", text=False)
    title = child(root, "title")
    if title is not None:
        yield from m.one(
            title, "document", (words(title),), "Composition.title DocumentReference.description", form="has"
        )
    yield from m.time(child(root, "effectiveTime"), "document", "Composition.date DocumentReference.date")
    confidentiality = child(root, "confidentialityCode")
    yield from m.code(
        confidentiality,
        "confidentiality",
        "Composition.confidentiality DocumentReference.securityLabel *.meta.security",
        text=False,
    )
    for name in ("setId",):
        element = child(root, name)
        if element is not None and element.get("root"):
            value = element.get("extension") or element.get("root")
            yield from m.one(element, "document", (value,), documents, "value valueString", "has")
    version = child(root, "versionNumber")
    if version is not None and version.get("value"):
        yield from m.one(version, "document", (version.get("value"),), documents, form="text")
    for related in children(root, "relatedDocument"):
        parent = child(related, "parentDocument")
        if parent is not None:
            yield from m.identifier(parent, "Composition.relatesTo DocumentReference.relatesTo")
    for author in children(root, "author"):
        yield from m.time(
            child(author, "time"),
            "author",
            "Composition.date Composition.extension Provenance. DocumentReference.date Composition.author",
        )
        yield from _assigned(child(author, "assignedAuthor"), m, "author", PEOPLE)
    yield from m.name(
        child(root, "custodian", "assignedCustodian", "representedCustodianOrganization"),
        "Composition.custodian DocumentReference.custodian Organization.",
    )
    for name in ("informant", "legalAuthenticator", "authenticator", "dataEnterer", "participant"):
        for each in children(root, name):
            for entity in ("assignedEntity", "relatedEntity", "associatedEntity"):
                yield from _assigned(child(each, entity), m, name, PEOPLE)
    encounter = child(root, "componentOf", "encompassingEncounter")
    if encounter is not None:
        yield from m.identifier(encounter, "Encounter.identifier")
        yield from m.code(child(encounter, "code"), "encounter", "Encounter.type Encounter.class", text=False)
        yield from m.time(child(encounter, "effectiveTime"), "encounter", "Encounter.period")
        place = child(encounter, "location", "healthCareFacility")
        yield from m.name(
            child(place, "location"), "Encounter.location Encounter.serviceProvider Location. Organization."
        )


def _assigned(entity: Element | None, m: Maker, kind: str, places: str) -> Iterator[Fact]:
    if entity is None:
        return
    yield from m.identifier(entity, places)
    for name in ("assignedPerson", "associatedPerson", "relatedPerson"):
        yield from m.name(child(entity, name), places)
    yield from m.contact(entity, places)


def _patient(role: Element | None, m: Maker) -> Iterator[Fact]:
    patient = child(role, "patient")
    if role is None:
        return
    yield from m.identifier(role, "Patient.identifier")
    yield from m.contact(role, "Patient.address Patient.telecom")
    if patient is None:
        return
    yield from m.name(patient, "Patient.name")
    sex = child(patient, "administrativeGenderCode")
    if sex is not None and sex.get("code"):
        meaning = {"M": "male", "F": "female", "UN": "other"}.get(sex.get("code"), sex.get("code"))
        yield from m.one(
            sex, "demographic", (meaning, sex.get("code")), "Patient.gender Patient.extension", form="code"
        )
    yield from m.time(child(patient, "birthTime"), "date", "Patient.birthDate")
    yield from m.code(child(patient, "maritalStatusCode"), "demographic", "Patient.maritalStatus", text=False)
    yield from m.code(child(patient, "religiousAffiliationCode"), "demographic", "Patient.extension", text=False)
    for name in ("raceCode", "ethnicGroupCode"):
        for each in children(patient, name):
            yield from m.code(each, "demographic", "Patient.extension", text=False)
    for each in children(patient, "languageCommunication"):
        code = child(each, "languageCode")
        if code is not None and code.get("code"):
            yield from m.one(code, "demographic", (code.get("code"),), "Patient.communication", form="code")
        liked = child(each, "preferenceInd")
        if liked is not None and liked.get("value"):
            yield from m.one(liked, "demographic", (liked.get("value"),), "Patient.communication", "preferred")
    for guardian in children(patient, "guardian"):
        yield from m.name(child(guardian, "guardianPerson"), "Patient.contact RelatedPerson.")
        yield from m.code(child(guardian, "code"), "relation", "Patient.contact RelatedPerson.relationship", text=False)
        yield from m.contact(guardian, "Patient.contact RelatedPerson.")
    yield from m.contact(child(patient, "birthplace", "place"), "Patient.extension")
    yield from m.name(child(role, "providerOrganization"), "Patient.managingOrganization Organization.")


def _content(text: Element | None, m: Maker) -> Iterator[Fact]:
    """What a document without sections holds: a file inside or beside it."""
    if text is None:
        return
    kind, pointer = text.get("mediaType"), child(text, "reference")
    attachment = "DocumentReference.content Composition. Binary."
    if kind:
        yield from m.one(text, "document", (kind,), attachment, "contentType", "has")
    if pointer is not None and pointer.get("value"):
        yield from m.one(pointer, "document", (pointer.get("value"),), attachment, "url title")
    elif words(text):
        yield from m.one(text, "document", ("".join(text.itertext()).strip(),), attachment, form="base64")


def _section(section: Element, narrative: Narrative) -> Iterator[Fact]:
    code = child(section, "code")
    part = SECTIONS.get(code.get("code", "") if code is not None else "", "other")
    m = Maker(part, section, narrative, strict=False)
    m.scope = ""
    yield from m.code(code, "section", "Composition.section", text=False)
    if section.get("nullFlavor") in ABSENT:
        yield from m.one(
            section, "section", ABSENT[section.get("nullFlavor", "")], "Composition.section", "code", "code"
        )
    title = child(section, "title")
    if title is not None:
        yield from m.one(title, "section", (words(title),), "Composition.section", "title", "has")
    text = child(section, "text")
    if text is not None and words(text):
        yield from m.one(text, "narrative", (words(text),), "Composition.section", form="narrative")
    for entry in children(section, "entry"):
        for statement in entry:
            if tag(statement) in STATEMENTS:
                yield from entry_facts(part, statement, narrative)
