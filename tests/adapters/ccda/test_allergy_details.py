"""Allergies: every code of the type, when it began and ended, what is not known, two kinds of denial."""

from __future__ import annotations

import pytest

from tests.adapters.ccda.document import document as whole
from tests.adapters.ccda.document import entry, one, read, section
from tests.adapters.ccda.test_allergies import PENICILLIN, TEXT, WHO, allergy

CORE = "http://hl7.org/fhir/StructureDefinition/"


def made(inner: str, **how: object) -> dict:  # type: ignore[type-arg]
    return one(read(whole(section("48765-2", allergy(inner, **how), TEXT))), "AllergyIntolerance")  # type: ignore[arg-type]


def extension(resource: dict, name: str) -> dict:  # type: ignore[type-arg]
    (found,) = [each for each in resource["extension"] if each["url"] == CORE + name]
    return found


def test_when_it_ended_is_no_part_of_its_onset() -> None:
    when = '<effectiveTime><low value="2010"/><high value="202002"/></effectiveTime>'
    resource = made(PENICILLIN, who=when)
    assert resource["onsetDateTime"] == "2010"
    assert extension(resource, "allergyintolerance-abatement")["valueDateTime"] == "2020-02"
    assert "onsetPeriod" not in resource


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ('<effectiveTime><low nullFlavor="ASKU"/></effectiveTime>', "asked-unknown"),
        ('<effectiveTime nullFlavor="NASK"/>', "not-asked"),
    ],
)
def test_an_onset_that_is_not_known_says_why(when: str, reason: str) -> None:
    resource = made(PENICILLIN, who=when)
    assert resource["_onsetDateTime"]["extension"][0]["valueCode"] == reason


def test_the_concern_gives_the_date_of_the_first_assertion() -> None:
    began = '<effectiveTime><low value="20110301"/></effectiveTime>'
    resource = made(PENICILLIN, act=began, who=WHO)
    assert resource["recordedDate"] == "2023-01-05"
    assert extension(resource, "allergyintolerance-assertedDate")["valueDateTime"] == "2011-03-01"


@pytest.mark.parametrize("code", ["420134006", "1003755004"])
def test_a_type_that_fhir_has_no_code_for_is_kept_as_sent(code: str) -> None:
    resource = made(PENICILLIN, value=code)
    assert "type" not in resource
    (sent,) = resource["_type"]["extension"]
    assert sent["url"] == CORE + "alternate-codes"
    assert sent["valueCodeableConcept"]["coding"] == [{"system": "http://snomed.info/sct", "code": code}]


def test_the_translation_of_a_type_stays_beside_it() -> None:
    raw = whole(section("48765-2", allergy(PENICILLIN), TEXT)).replace(
        b'code="416098002" codeSystem="2.16.840.1.113883.6.96"/>',
        b'code="416098002" codeSystem="2.16.840.1.113883.6.96"><translation code="DA" codeSystem="1.2.840.114350.1.13"/></value>',
    )
    resource = one(read(raw), "AllergyIntolerance")
    assert (resource["type"], resource["category"]) == ("allergy", ["medication"])
    sent = resource["_type"]["extension"][0]["valueCodeableConcept"]["coding"]
    assert [each["code"] for each in sent] == ["416098002", "DA"]


def test_a_criticality_that_is_not_known_says_why() -> None:
    inner = (
        '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.145"/><code code="82606-5" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><value xsi:type="CD" nullFlavor="NASK"/></observation></entryRelationship>'
    )
    resource = made(PENICILLIN + inner)
    assert resource["_criticality"]["extension"][0]["valueCode"] == "not-asked"


def test_a_denied_statement_that_none_is_known_is_no_allergen() -> None:
    none = PENICILLIN.replace(
        'code="7980" codeSystem="2.16.840.1.113883.6.88" displayName="penicillin G"',
        'code="409137002" codeSystem="2.16.840.1.113883.6.96" displayName="No known drug allergy"',
    ).replace('<translation code="764146007" codeSystem="2.16.840.1.113883.6.96" displayName="Penicillin"/>', "")
    resource = made(none, negated=True)
    assert resource["code"]["coding"][0]["code"] == "409137002"
    assert "extension" not in resource


def test_a_denial_in_words_only_keeps_the_words() -> None:
    words = (
        '<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">'
        '<code nullFlavor="NA"><originalText>No known food allergies</originalText></code></playingEntity></participantRole></participant>'
    )
    resource = made(words, negated=True, value="414285001")
    assert resource["code"]["coding"][0]["code"] == "429625007"
    assert resource["code"]["text"] == "No known food allergies"
    assert "extension" not in resource


def test_an_observation_outside_a_concern_has_no_status_of_its_own() -> None:
    bare = entry(
        '<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.7"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/>'
        f'<value xsi:type="CD" code="416098002" codeSystem="2.16.840.1.113883.6.96"/>{PENICILLIN}</observation>'
    )
    resource = one(read(whole(section("48765-2", bare, TEXT))), "AllergyIntolerance")
    # an observation that was completed says nothing about the allergy
    assert "coding" not in resource["clinicalStatus"]


def test_the_status_of_a_concern_that_was_overruled_is_listed() -> None:
    resolved = (
        '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.28"/><code code="33999-4" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><value xsi:type="CE" code="413322009" codeSystem="2.16.840.1.113883.6.96"/>'
        "</observation></entryRelationship>"
    )
    record = read(whole(section("48765-2", allergy(PENICILLIN + resolved), TEXT)))
    assert any(each.where.endswith("/act/statusCode/@code") for each in record.unmapped)
