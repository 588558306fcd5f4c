"""Allergies section: what is said, what is denied, what is not known."""

from __future__ import annotations

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section


def allergy(inner: str, *, negated: bool = False, act: str = "", value: str = "416098002", who: str = "") -> str:
    flag = ' negationInd="true"' if negated else ""
    return entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.30"/><id root="1.2.3" extension="c1"/>'
        f'<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/>{act}'
        f'<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"{flag}>'
        '<templateId root="2.16.840.1.113883.10.20.22.4.7"/><id root="1.2.3" extension="a1"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/>'
        f'<value xsi:type="CD" code="{value}" codeSystem="2.16.840.1.113883.6.96"/>{who}{inner}'
        "</observation></entryRelationship></act>"
    )


PENICILLIN = (
    '<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">'
    '<code code="7980" codeSystem="2.16.840.1.113883.6.88" displayName="penicillin G"><originalText><reference value="#pen"/></originalText>'
    '<translation code="764146007" codeSystem="2.16.840.1.113883.6.96" displayName="Penicillin"/></code>'
    "</playingEntity></participantRole></participant>"
)
REACTION = (
    '<entryRelationship typeCode="MFST" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.9"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>'
    '<statusCode code="completed"/><effectiveTime><low value="200403"/></effectiveTime>'
    '<value xsi:type="CD" code="247472004" codeSystem="2.16.840.1.113883.6.96" displayName="Hives"/>'
    '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.8"/><code code="SEV" codeSystem="2.16.840.1.113883.5.4"/>'
    '<statusCode code="completed"/><value xsi:type="CD" code="{severity}" codeSystem="2.16.840.1.113883.6.96" displayName="Moderate to severe"/>'
    "</observation></entryRelationship></observation></entryRelationship>"
)
CRITICALITY = (
    '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.145"/>'
    '<code code="82606-5" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
    '<value xsi:type="CD" code="CRITH" codeSystem="2.16.840.1.113883.5.1063"/></observation></entryRelationship>'
)
WHO = '<author><time value="20230105"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1999999984"/></assignedAuthor></author>'
TEXT = '<list><item ID="pen">Penicillin injection</item></list>'


def test_an_allergy_with_everything() -> None:
    record = read(
        document(
            section(
                "48765-2",
                allergy(
                    PENICILLIN + REACTION.format(severity="6736007") + CRITICALITY,
                    who='<effectiveTime><low value="2004"/></effectiveTime>' + WHO,
                ),
                TEXT,
            )
        )
    )
    made = one(record, "AllergyIntolerance")
    assert made["code"] == {
        "coding": [
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980", "display": "penicillin G"},
            {"system": "http://snomed.info/sct", "code": "764146007", "display": "Penicillin"},
        ],
        "text": "Penicillin injection",
    }
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "verificationStatus" not in made
    assert (made["type"], made["category"], made["criticality"]) == ("allergy", ["medication"], "high")
    assert made["onsetDateTime"] == "2004"
    assert made["recordedDate"] == "2023-01-05"
    assert made["recorder"]["display"] == "Ivo Tarrant"
    (reaction,) = made["reaction"]
    assert reaction["manifestation"][0]["coding"][0]["code"] == "247472004"
    assert (reaction["severity"], reaction["onset"]) == ("moderate", "2004-03")
    assert [i["value"] for i in made["identifier"]] == ["a1", "c1"]
    assert record.unmapped == ()


def test_a_severity_between_two_degrees_keeps_its_words() -> None:
    record = read(document(section("48765-2", allergy(PENICILLIN + REACTION.format(severity="371924009")), TEXT)))
    (reaction,) = one(record, "AllergyIntolerance")["reaction"]
    assert reaction["severity"] == "severe"
    assert reaction["_severity"]["extension"][0]["valueString"] == "Moderate to severe"


def test_no_known_allergies_without_a_participant() -> None:
    record = read(document(section("48765-2", allergy("", negated=True, value="419199007"))))
    assert one(record, "AllergyIntolerance")["code"]["coding"][0]["code"] == "716186003"


def test_no_known_drug_allergies() -> None:
    record = read(document(section("48765-2", allergy("", negated=True))))
    made = one(record, "AllergyIntolerance")
    assert made["code"]["coding"][0]["code"] == "409137002"
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"


def test_a_negated_drug_is_never_an_allergen() -> None:
    record = read(document(section("48765-2", allergy(PENICILLIN, negated=True), TEXT)))
    made = one(record, "AllergyIntolerance")
    assert "code" not in made
    (risk,) = made["extension"]
    parts = {each["url"]: each["valueCodeableConcept"] for each in risk["extension"]}
    assert parts["substance"]["coding"][0]["code"] == "7980"
    assert parts["exposureRisk"]["coding"][0]["code"] == "no-known-reaction-risk"


def test_no_information_is_not_none() -> None:
    null = entry(
        '<act classCode="ACT" moodCode="EVN" nullFlavor="NI"><templateId root="2.16.840.1.113883.10.20.22.4.30"/></act>'
    )
    record = read(document(section("48765-2", null, attributes='nullFlavor="NI"')))
    assert of(record, "AllergyIntolerance") == []
    assert "no-information" in codes(record)
    (made,) = one(record, "Composition")["section"]
    assert made["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "NI"} in made["emptyReason"][
        "coding"
    ]


def test_an_allergen_only_by_its_narrative() -> None:
    by_text = PENICILLIN.replace(
        'code="7980" codeSystem="2.16.840.1.113883.6.88" displayName="penicillin G"', 'nullFlavor="UNK"'
    ).replace('<translation code="764146007" codeSystem="2.16.840.1.113883.6.96" displayName="Penicillin"/>', "")
    record = read(document(section("48765-2", allergy(by_text), TEXT)))
    assert one(record, "AllergyIntolerance")["code"] == {"text": "Penicillin injection"}


def test_status_of_the_observation_wins_and_the_difference_is_flagged() -> None:
    resolved = (
        '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.28"/><code code="33999-4" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><value xsi:type="CE" code="413322009" codeSystem="2.16.840.1.113883.6.96"/>'
        "</observation></entryRelationship>"
    )
    record = read(document(section("48765-2", allergy(PENICILLIN + resolved), TEXT)))
    assert one(record, "AllergyIntolerance")["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert "contradiction" in codes(record)


def test_a_denial_in_the_narrative_beside_an_allergy_is_flagged() -> None:
    text = '<paragraph ID="pen">No known allergies</paragraph>'
    assert "contradiction" in codes(read(document(section("48765-2", allergy(PENICILLIN), text))))


def test_a_code_and_a_narrative_of_something_else_are_flagged_and_both_kept() -> None:
    text = '<paragraph ID="pen">Shortness of breath</paragraph>'
    record = read(document(section("48765-2", allergy(PENICILLIN), text)))
    assert "code-narrative-differ" in codes(record)
    made = one(record, "AllergyIntolerance")["code"]
    assert (made["coding"][0]["display"], made["text"]) == ("penicillin G", "Shortness of breath")
