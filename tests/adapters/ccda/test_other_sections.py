"""Immunisations, procedures, encounters, social history, plan, family, equipment, payers, goals, teams, notes."""

from __future__ import annotations

import base64

import pytest

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

T = "2.16.840.1.113883.10.20.22.4."
SCT = 'codeSystem="2.16.840.1.113883.6.96"'
LOINC = 'codeSystem="2.16.840.1.113883.6.1"'


def shot(inner: str = "", flag: str = "", system: str = "2.16.840.1.113883.12.292", more: str = "") -> str:
    return entry(
        f'<substanceAdministration classCode="SBADM" moodCode="EVN"{flag}><templateId root="{T}52"/><id root="1.2.7" extension="i1"/>'
        f'<statusCode code="completed"/><effectiveTime value="20231015"/>{inner}<consumable><manufacturedProduct classCode="MANU"><manufacturedMaterial>'
        f'<code code="140" codeSystem="{system}" displayName="Influenza"><translation code="49281-0703-55" codeSystem="2.16.840.1.113883.6.69"/></code>'
        "<lotNumberText>LOT-7</lotNumberText></manufacturedMaterial><manufacturerOrganization><name>Vaccinia Works</name></manufacturerOrganization>"
        f"</manufacturedProduct></consumable>{more}</substanceAdministration>"
    )


def test_a_vaccination() -> None:
    inner = (
        '<repeatNumber value="2"/><routeCode code="C28161" codeSystem="2.16.840.1.113883.3.26.1.1"/>'
        f'<approachSiteCode code="368208006" {SCT}/><doseQuantity value="0.5" unit="mL"/>'
    )
    record = read(document(section("11369-6", shot(inner))))
    made = one(record, "Immunization")
    assert made["status"] == "completed"
    assert [c["system"] for c in made["vaccineCode"]["coding"]] == [
        "http://hl7.org/fhir/sid/cvx",
        "http://hl7.org/fhir/sid/ndc",
    ]
    assert (made["occurrenceDateTime"], made["lotNumber"]) == ("2023-10-15", "LOT-7")
    assert made["manufacturer"]["display"] == "Vaccinia Works"
    assert made["protocolApplied"] == [{"doseNumberPositiveInt": 2}]
    assert made["doseQuantity"]["value"] == 0.5
    assert made["route"]["coding"][0]["code"] == "C28161"
    assert made["site"]["coding"][0]["code"] == "368208006"
    assert record.unmapped == ()


def test_a_refused_vaccination() -> None:
    why = (
        f'<entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN"><templateId root="{T}53"/><id root="1.2.7" extension="w"/>'
        '<code code="PATOBJ" codeSystem="2.16.840.1.113883.5.8" displayName="patient objection"/><statusCode code="completed"/></observation></entryRelationship>'
    )
    made = one(read(document(section("11369-6", shot(flag=' negationInd="true"', more=why)))), "Immunization")
    assert made["status"] == "not-done"
    assert made["statusReason"]["coding"][0]["code"] == "PATOBJ"


def test_a_history_told_by_the_family() -> None:
    told = '<informant><relatedEntity classCode="PRS"><relatedPerson><name><given>Ned</given><family>Brandvold</family></name></relatedPerson></relatedEntity></informant>'
    assert one(read(document(section("11369-6", shot(more=told)))), "Immunization")["primarySource"] is False


def test_a_wrong_code_system_is_kept_and_flagged() -> None:
    record = read(document(section("11369-6", shot(system="2.16.840.1.113883.6.59"))))
    made = one(record, "Immunization")
    assert made["vaccineCode"]["coding"][0]["system"] == "urn:oid:2.16.840.1.113883.6.59"
    assert "code-system-wrong" in codes(record)


PROCEDURE_PARTS = (
    '<id root="1.2.8" extension="pr1"/><code code="80146002" {sct} displayName="Appendectomy"/><statusCode code="completed"/>'
    '<effectiveTime value="20120806"/><targetSiteCode code="66754008" {sct}/>'
    '<performer><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1888888888"/><assignedPerson><name><given>Ada</given><family>Quist</family></name></assignedPerson></assignedEntity></performer>'
    '<participant typeCode="DEV"><participantRole classCode="MANU"><id root="2.16.840.1.113883.3.3719" extension="(01)00643169007222"/>'
    '<playingDevice><code code="2478003" {sct} displayName="Eye prosthesis"/></playingDevice><scopingEntity><desc>Ocular Ltd</desc></scopingEntity></participantRole></participant>'
    '<participant typeCode="LOC"><participantRole classCode="SDLOC"><code code="1160-1" codeSystem="2.16.840.1.113883.6.259"/><playingEntity><name>Theatre 2</name></playingEntity></participantRole></participant>'
)


@pytest.mark.parametrize(("tag", "number"), [("procedure", "14"), ("act", "12"), ("observation", "13")])
def test_three_classes_of_procedure(tag: str, number: str) -> None:
    body = f'<{tag} classCode="PROC" moodCode="EVN"><templateId root="{T}{number}"/>{PROCEDURE_PARTS.format(sct=SCT)}</{tag}>'
    record = read(document(section("47519-4", entry(body))))
    made = one(record, "Procedure")
    assert (made["status"], made["performedDateTime"]) == ("completed", "2012-08-06")
    assert made["bodySite"][0]["coding"][0]["code"] == "66754008"
    assert made["performer"][0]["actor"]["display"] == "Ada Quist"
    assert made["location"]["display"] == "Theatre 2"
    device = one(record, "Device")
    assert made["focalDevice"][0]["manipulated"]["reference"] == f"Device/{device['id']}"
    assert device["udiCarrier"][0]["carrierHRF"] == "(01)00643169007222"
    assert device["manufacturer"] == "Ocular Ltd"
    assert record.unmapped == ()


def test_a_procedure_that_was_an_observation_keeps_its_value() -> None:
    body = (
        f'<observation classCode="OBS" moodCode="EVN"><templateId root="{T}13"/><code code="274025005" {SCT}/><statusCode code="completed"/>'
        f'<value xsi:type="CD" code="260385009" {SCT}/></observation>'
    )
    record = read(document(section("47519-4", entry(body))))
    made = one(record, "Observation")
    assert made["partOf"] == [{"reference": f"Procedure/{one(record, 'Procedure')['id']}"}]
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "260385009"


ENCOUNTER = (
    f'<encounter classCode="ENC" moodCode="EVN"><templateId root="{T}49"/><id root="1.2.10" extension="{{number}}"/>'
    '<code code="99213" codeSystem="2.16.840.1.113883.6.12"><translation code="AMB" codeSystem="2.16.840.1.113883.5.4"/></code>'
    '<effectiveTime value="20240305101500-0600"/>'
    f'<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="{T}80"/><code code="29308-4" {LOINC}/>'
    f'<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="{T}4"/><statusCode code="completed"/>'
    f'<value xsi:type="CD" code="233604007" {SCT}/></observation></entryRelationship></act></entryRelationship></encounter>'
)
VISIT = (
    '<componentOf><encompassingEncounter><id root="1.2.10" extension="E1"/><effectiveTime><low value="20240305101500-0600"/></effectiveTime>'
    '<encounterParticipant typeCode="ATND"><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1999999984"/></assignedEntity></encounterParticipant>'
    "<location><healthCareFacility><location><name>Lakeside Ward 3</name></location></healthCareFacility></location></encompassingEncounter></componentOf>"
)


@pytest.mark.parametrize("number", ["E1", "another"])
def test_the_visit_of_the_header_and_of_the_section_are_one(number: str) -> None:
    record = read(document(section("46240-8", entry(ENCOUNTER.format(number=number))), header=VISIT))
    if number == "E1":
        made = one(record, "Encounter")
    else:
        # the same time, but two different visit numbers: nobody said that they are one
        assert len(of(record, "Encounter")) == 2
        return
    assert made["class"]["code"] == "AMB"
    assert made["period"]["start"] == "2024-03-05T10:15:00-06:00"
    assert made["participant"][0]["individual"]["display"] == "Ivo Tarrant"
    assert made["location"][0]["location"]["display"] == "Lakeside Ward 3"
    assert made["diagnosis"][0]["condition"]["reference"] == f"Condition/{one(record, 'Condition')['id']}"
    assert one(record, "Composition")["encounter"]["reference"] == f"Encounter/{made['id']}"


def social(code: str, value: str, extra: str = "", ident: str = "") -> str:
    return entry(
        f'<observation classCode="OBS" moodCode="EVN">{ident}<code code="{code}" {LOINC}/><statusCode code="completed"/>{extra}{value}</observation>'
    )


def test_smoking_status_without_an_id() -> None:
    body = social(
        "72166-2",
        f'<value xsi:type="CD" code="8517006" {SCT} displayName="Former smoker"/>',
        '<effectiveTime><low value="2005"/><high value="2011"/></effectiveTime>',
    )
    made = one(read(document(section("29762-2", body))), "Observation")
    assert made["effectivePeriod"] == {"start": "2005", "end": "2011"}
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "8517006"
    assert made["category"][0]["coding"][0]["code"] == "social-history"


def test_birth_sex_and_gender_identity_reach_the_patient() -> None:
    body = social("76689-9", '<value xsi:type="CD" code="F" codeSystem="2.16.840.1.113883.5.1"/>') + social(
        "76691-5", f'<value xsi:type="CD" code="446151000124109" {SCT}/>'
    )
    patient = one(read(document(section("29762-2", body))), "Patient")
    found = {each["url"].rpartition("/")[2]: each for each in patient["extension"]}
    assert found["us-core-birthsex"]["valueCode"] == "F"
    assert found["us-core-genderIdentity"]["valueCodeableConcept"]["coding"][0]["code"] == "446151000124109"


@pytest.mark.parametrize(
    ("tag", "mood", "number", "intent"),
    [("procedure", "RQO", "41", "order"), ("observation", "INT", "44", "plan"), ("act", "PRP", "39", "proposal"), ("encounter", "INT", "40", "plan"), ("procedure", "INT", "14", "plan")],
)  # fmt: skip
def test_what_is_planned_is_never_done(tag: str, mood: str, number: str, intent: str) -> None:
    body = f'<{tag} classCode="ACT" moodCode="{mood}"><templateId root="{T}{number}"/><code code="73761001" {SCT}/><statusCode code="active"/><effectiveTime value="20250601"/></{tag}>'
    record = read(document(section("18776-5", entry(body))))
    made = one(record, "ServiceRequest")
    assert (made["status"], made["intent"], made["occurrenceDateTime"]) == ("active", intent, "2025-06-01")
    assert not {"Procedure", "Observation", "Encounter"} & {r["resourceType"] for r in record.resources}


def test_a_relative() -> None:
    body = (
        f'<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="{T}45"/><statusCode code="completed"/><subject><relatedSubject classCode="PRS">'
        '<code code="FTH" codeSystem="2.16.840.1.113883.5.111" displayName="Father"/><subject><administrativeGenderCode code="M" codeSystem="2.16.840.1.113883.5.1"/>'
        '<birthTime value="1928"/><sdtc:deceasedInd value="true"/></subject></relatedSubject></subject><component><observation classCode="OBS" moodCode="EVN">'
        f'<templateId root="{T}46"/><code code="64572001" {SCT}/><statusCode code="completed"/><value xsi:type="CD" code="22298006" {SCT} displayName="Infarction"/>'
        f'<entryRelationship typeCode="CAUS"><observation classCode="OBS" moodCode="EVN"><templateId root="{T}47"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>'
        f'<statusCode code="completed"/><value xsi:type="CD" code="419099009" {SCT}/></observation></entryRelationship>'
        f'<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN"><templateId root="{T}31"/><code code="445518008" {SCT}/>'
        '<statusCode code="completed"/><value xsi:type="PQ" value="57" unit="a"/></observation></entryRelationship></observation></component></organizer>'
    )
    record = read(document(section("10157-6", entry(body))))
    made = one(record, "FamilyMemberHistory")
    assert made["relationship"]["coding"][0]["code"] == "FTH"
    assert (made["bornDate"], made["deceasedBoolean"]) == ("1928", True)
    (condition,) = made["condition"]
    assert condition["onsetAge"]["value"] == 57
    assert condition["contributedToDeath"] is True
    assert record.unmapped == ()


def test_equipment() -> None:
    body = (
        f'<supply classCode="SPLY" moodCode="EVN"><templateId root="{T}50"/><statusCode code="completed"/><effectiveTime xsi:type="IVL_TS"><high value="201302"/></effectiveTime>'
        f'<participant typeCode="PRD"><participantRole classCode="MANU"><templateId root="{T}37"/><playingDevice><code code="58938008" {SCT} displayName="Wheelchair"/></playingDevice></participantRole></participant></supply>'
    )
    record = read(document(section("46264-8", entry(body))))
    assert one(record, "DeviceUseStatement")["timingPeriod"] == {"end": "2013-02"}
    assert one(record, "Device")["type"]["coding"][0]["code"] == "58938008"


def test_a_payer() -> None:
    body = (
        f'<act classCode="ACT" moodCode="EVN"><templateId root="{T}60"/><code code="48768-6" {LOINC}/><statusCode code="completed"/><entryRelationship typeCode="COMP"><sequenceNumber value="1"/>'
        f'<act classCode="ACT" moodCode="EVN"><templateId root="{T}61"/><id root="1.2.11" extension="GRP-5"/><code code="12" codeSystem="2.16.840.1.113883.6.255.1336"/><statusCode code="completed"/>'
        f'<performer typeCode="PRF"><templateId root="{T}87"/><assignedEntity><id root="1.2.11" extension="PAYER"/><representedOrganization><name>Fjord Health Plan</name></representedOrganization></assignedEntity></performer>'
        '<participant typeCode="COV"><time><low value="20230101"/></time><participantRole classCode="PAT"><id root="1.2.11" extension="MEMBER-3"/><code code="SELF" codeSystem="2.16.840.1.113883.5.111"/></participantRole></participant>'
        "</act></entryRelationship></act>"
    )
    made = one(read(document(section("48768-6", entry(body)))), "Coverage")
    assert made["payor"][0]["display"] == "Fjord Health Plan"
    assert (made["subscriberId"], made["order"], made["period"]["start"]) == ("MEMBER-3", 1, "2023-01-01")
    assert made["relationship"]["coding"][0]["code"] == "SELF"
    assert made["identifier"][0]["value"] == "GRP-5"


def test_a_goal() -> None:
    body = (
        f'<observation classCode="OBS" moodCode="GOL"><templateId root="{T}121"/><code code="59408-5" {LOINC} displayName="Oxygen saturation"/><statusCode code="active"/>'
        '<effectiveTime><low value="20240301"/><high value="20240901"/></effectiveTime><value xsi:type="IVL_PQ"><low value="92" unit="%"/></value></observation>'
    )
    made = one(read(document(section("61146-7", entry(body)))), "Goal")
    assert made["lifecycleStatus"] == "active"
    assert made["target"][0]["detailQuantity"] == {
        "value": 92,
        "comparator": ">=",
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    assert (made["startDate"], made["target"][0]["dueDate"]) == ("2024-03-01", "2024-09-01")


def test_a_care_team() -> None:
    body = (
        f'<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="{T}500"/><code code="86744-0" {LOINC}/><statusCode code="active"/><effectiveTime><low value="2020"/></effectiveTime>'
        f'<component><act classCode="PCPR" moodCode="EVN"><templateId root="{T}500.1"/><code code="85847-2" {LOINC}/><statusCode code="active"/><performer typeCode="PRF">'
        f'<sdtc:functionCode code="PCP" codeSystem="2.16.840.1.113883.5.88"/><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1999999984"/></assignedEntity></performer></act></component></organizer>'
    )
    made = one(read(document(section("85847-2", entry(body)))), "CareTeam")
    assert made["status"] == "active"
    assert made["participant"][0]["member"]["display"] == "Ivo Tarrant"
    assert made["participant"][0]["role"][0]["coding"][0]["code"] == "PCP"


def test_a_note() -> None:
    body = (
        f'<act classCode="ACT" moodCode="EVN"><templateId root="{T}202"/><code code="34109-9" {LOINC}><translation code="11506-3" {LOINC}/></code>'
        '<text mediaType="text/plain"><reference value="#n"/></text><statusCode code="completed"/><effectiveTime value="20240305"/></act>'
    )
    record = read(document(section("11506-3", entry(body), '<paragraph ID="n">Slept well.</paragraph>')))
    made = one(record, "DocumentReference")
    assert base64.b64decode(made["content"][0]["attachment"]["data"]).decode() == "Slept well."
    assert made["docStatus"] == "final"
    assert [c["code"] for c in made["type"]["coding"]] == ["34109-9", "11506-3"]


def test_an_advance_directive_and_its_agent() -> None:
    body = (
        f'<observation classCode="OBS" moodCode="EVN"><templateId root="{T}48"/><code code="75278-2" {LOINC}/><statusCode code="completed"/><effectiveTime><low value="20220101"/></effectiveTime>'
        f'<value xsi:type="CD" code="304251008" {SCT} displayName="Resuscitation"/><participant typeCode="CST"><participantRole classCode="AGNT"><playingEntity><name><given>Ned</given><family>Brandvold</family></name></playingEntity></participantRole></participant></observation>'
    )
    record = read(document(section("42348-3", entry(body))))
    made = one(record, "Observation")
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "304251008"
    agent = one(record, "RelatedPerson")
    assert agent["name"][0]["family"] == "Brandvold"
    assert {"reference": f"RelatedPerson/{agent['id']}"} in one(record, "Composition")["section"][0]["entry"]


def test_an_instruction() -> None:
    body = f'<act classCode="ACT" moodCode="INT"><templateId root="{T}20"/><code code="409073007" {SCT}/><text>Drink water</text><statusCode code="completed"/></act>'
    made = one(read(document(section("69730-0", entry(body)))), "ServiceRequest")
    assert made["patientInstruction"] == "Drink water"


def test_functional_status_and_an_unknown_entry_each_stay() -> None:
    body = entry(
        f'<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="{T}66"/><code code="d5" codeSystem="2.16.840.1.113883.6.254"/><statusCode code="completed"/>'
        f'<component><observation classCode="OBS" moodCode="EVN"><templateId root="{T}67"/><code code="54522-8" {LOINC}/><statusCode code="completed"/><value xsi:type="CD" code="371153006" {SCT}/></observation></component></organizer>'
    ) + entry('<regionOfInterest classCode="ROIOVL" moodCode="EVN"><id root="1.2"/></regionOfInterest>')
    record = read(document(section("47420-5", body)))
    assert len(of(record, "Observation")) == 2
    assert "entry-unknown" in codes(record)
    assert record.unmapped


@pytest.mark.parametrize("later", [True, False])
def test_a_goal_points_to_a_problem_before_or_after_it(later: bool) -> None:
    goal = entry(
        f'<observation classCode="OBS" moodCode="GOL"><templateId root="{T}121"/><code code="59408-5" {LOINC}/><statusCode code="active"/>'
        f'<entryRelationship typeCode="REFR"><act classCode="ACT" moodCode="EVN"><templateId root="{T}122"/><id root="1.2.4" extension="p1"/>'
        '<code nullFlavor="NP"/><statusCode code="completed"/></act></entryRelationship></observation>'
    )
    problem = entry(
        f'<observation classCode="OBS" moodCode="EVN"><templateId root="{T}4"/><id root="1.2.4" extension="p1"/><statusCode code="completed"/>'
        f'<value xsi:type="CD" code="233604007" {SCT}/></observation>'
    )
    parts = [section("61146-7", goal), section("11450-4", problem)]
    record = read(document(*(parts if later else parts[::-1])))
    assert one(record, "Goal")["addresses"] == [{"reference": f"Condition/{one(record, 'Condition')['id']}"}]
    assert record.unmapped == ()
    assert not [w for w in codes(record) if w.startswith("entry-reference")]
