"""Procedures, plans, vaccinations, equipment, relatives, policies and goals: what happened, what did not, whom it concerns."""

from __future__ import annotations

import pytest

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

IMPLANT = (
    '<participant typeCode="{kind}"><participantRole classCode="MANU"><id root="1.2.7" extension="dev"/><playingDevice>'
    '<code code="40388003" codeSystem="2.16.840.1.113883.6.96" displayName="Implant"/></playingDevice></participantRole></participant>'
)


def act(
    tag: str = "procedure", template: str = "14", inner: str = "", *, mood: str = "EVN", flag: str = "", times: str = ""
) -> str:
    return entry(
        f'<{tag} classCode="ACT" moodCode="{mood}"{flag}><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/><id root="1.2.3" extension="a"/>'
        '<code code="73761001" codeSystem="2.16.840.1.113883.6.96" displayName="Colonoscopy"/><statusCode code="completed"/>'
        f"{times}{inner}</{tag}>"
    )


def test_the_device_of_a_procedure_that_was_not_done_belongs_to_nobody() -> None:
    raw = document(section("47519-4", act(inner=IMPLANT.format(kind="DEV"), flag=' negationInd="true"')))
    record = read(raw)
    made = one(record, "Procedure")
    assert made["status"] == "not-done"
    assert made["usedCode"][0]["coding"][0]["code"] == "40388003"
    assert of(record, "Device") == []


@pytest.mark.parametrize("kind", ["DEV", "LOC"])
def test_a_device_is_a_device_wherever_it_takes_part(kind: str) -> None:
    record = read(document(section("47519-4", act(inner=IMPLANT.format(kind=kind)))))
    device = one(record, "Device")
    assert device["type"]["coding"][0]["code"] == "40388003"
    assert one(record, "Procedure")["focalDevice"][0]["manipulated"]["reference"] == f"Device/{device['id']}"
    assert of(record, "Location") == []


def test_a_procedure_without_a_time_says_why() -> None:
    made = one(read(document(section("47519-4", act(times='<effectiveTime nullFlavor="ASKU"/>')))), "Procedure")
    assert made["_performedDateTime"]["extension"][0]["valueCode"] == "asked-unknown"


def test_an_encounter_named_by_its_id_makes_no_empty_encounter() -> None:
    inner = '<entryRelationship typeCode="COMP" inversionInd="true"><encounter classCode="ENC" moodCode="EVN"><id root="1.2.77" extension="e1"/></encounter></entryRelationship>'
    record = read(document(section("47519-4", act(inner=inner))))
    assert of(record, "Encounter") == []
    assert one(record, "Procedure")["encounter"]["identifier"]["value"] == "e1"


def test_a_complication_is_named_in_its_procedure() -> None:
    inner = (
        '<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.9"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/>'
        '<value xsi:type="CD" code="131148009" codeSystem="2.16.840.1.113883.6.96" displayName="Bleeding"/></observation></entryRelationship>'
    )
    made = one(read(document(section("47519-4", act(inner=inner)))), "Procedure")
    assert made["complication"][0]["coding"][0]["code"] == "131148009"


def test_the_words_of_a_planned_observation_are_what_is_planned() -> None:
    raw = document(
        section("18776-5", act("observation", "44", '<value xsi:type="ST">Fasting lipids</value>', mood="INT"))
    ).replace(
        b'<code code="73761001" codeSystem="2.16.840.1.113883.6.96" displayName="Colonoscopy"/>',
        b'<code nullFlavor="UNK"/>',
    )
    assert one(read(raw), "ServiceRequest")["code"] == {"text": "Fasting lipids"}


def test_to_whom_a_patient_is_referred() -> None:
    inner = (
        '<participant typeCode="REFT"><participantRole><id root="2.16.840.1.113883.4.6" extension="1234567893"/><playingEntity>'
        "<name><given>Hedda</given><family>Onsager</family></name></playingEntity></participantRole></participant>"
    )
    made = one(read(document(section("18776-5", act("act", "140", inner, mood="RQO")))), "ServiceRequest")
    assert made["performer"][0]["display"] == "Hedda Onsager"
    assert made["intent"] == "order"


def test_a_planned_coverage_is_not_in_force() -> None:
    body = entry(
        '<act classCode="ACT" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.129"/><id root="1.2.3" extension="pc"/>'
        '<code code="48768-6" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/><entryRelationship typeCode="COMP">'
        '<act classCode="ACT" moodCode="INT"><id root="1.2.3" extension="pc1"/><code code="81" codeSystem="2.16.840.1.113883.3.221.5" displayName="Self-pay"/>'
        '<statusCode code="active"/></act></entryRelationship></act>'
    )
    made = one(read(document(section("18776-5", body))), "Coverage")
    assert made["status"] == "draft"
    assert made["type"]["coding"][0]["code"] == "81"


def test_who_answers_for_the_bill_is_no_clinician() -> None:
    body = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.60"/><code code="48768-6" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.61"/>'
        '<id root="1.2.3" extension="pol"/><code code="12" codeSystem="2.16.840.1.113883.3.221.5"/><statusCode code="completed"/>'
        '<performer><templateId root="2.16.840.1.113883.10.20.22.4.87"/><assignedEntity><id root="1.2.4" extension="pay"/><code code="PAYOR" codeSystem="2.16.840.1.113883.5.110"/>'
        "<representedOrganization><name>Prairie Mutual</name></representedOrganization></assignedEntity></performer>"
        '<performer><templateId root="2.16.840.1.113883.10.20.22.4.88"/><assignedEntity><id root="1.2.4" extension="gua"/><code code="GUAR" codeSystem="2.16.840.1.113883.5.110"/>'
        "<assignedPerson><name><given>Per</given><family>Brandvold</family></name></assignedPerson></assignedEntity></performer>"
        '<participant typeCode="COV"><participantRole classCode="PAT"><id root="1.2.55" extension="MEM1"/><code code="SELF" codeSystem="2.16.840.1.113883.5.111"/>'
        "<playingEntity><name><given>ORLA</given><family>BRANDVOLD</family></name></playingEntity></participantRole></participant>"
        "</act></entryRelationship></act>"
    )
    record = read(document(section("48768-6", body)))
    coverage = one(record, "Coverage")
    assert coverage["payor"][0]["display"] == "Prairie Mutual"
    assert coverage["subscriberId"] == "MEM1"
    (guarantor,) = of(record, "RelatedPerson")
    assert guarantor["relationship"][0]["coding"][0]["code"] == "GUAR"
    assert [p["name"][0]["family"] for p in of(record, "Practitioner")] == ["Tarrant"]
    # the payer writes the name in capitals and without the middle one: that is the patient
    assert "covered-party-name" not in codes(record)


def test_what_a_relative_does_not_have_is_no_finding_about_the_patient() -> None:
    body = entry(
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.45"/><statusCode code="completed"/>'
        '<subject><relatedSubject classCode="PRS"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/></relatedSubject></subject>'
        '<component><observation classCode="OBS" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.46"/>'
        '<id root="1.2.3" extension="n"/><code code="64572001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>'
        '<value xsi:type="CD" code="73211009" codeSystem="2.16.840.1.113883.6.96" displayName="Diabetes"/></observation></component></organizer>'
    )
    record = read(document(section("10157-6", body)))
    denied, mother = one(record, "Observation"), one(record, "FamilyMemberHistory")
    assert denied["code"]["coding"][0]["code"] == "73211009"
    assert denied["valueBoolean"] is False
    assert denied["focus"] == [{"reference": f"FamilyMemberHistory/{mother['id']}"}]
    assert "condition" not in mother


def test_years_of_a_relatives_illness_are_an_interval() -> None:
    body = entry(
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.45"/><statusCode code="completed"/>'
        '<subject><relatedSubject classCode="PRS"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/></relatedSubject></subject>'
        '<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.46"/><code code="64572001" codeSystem="2.16.840.1.113883.6.96"/>'
        '<statusCode code="completed"/><effectiveTime><low value="2000"/><high value="2004"/></effectiveTime>'
        '<value xsi:type="CD" code="73211009" codeSystem="2.16.840.1.113883.6.96"/></observation></component></organizer>'
    )
    (condition,) = one(read(document(section("10157-6", body))), "FamilyMemberHistory")["condition"]
    assert condition["onsetPeriod"] == {"start": "2000", "end": "2004"}


def test_the_progress_of_a_goal() -> None:
    body = entry(
        '<observation classCode="OBS" moodCode="GOL"><templateId root="2.16.840.1.113883.10.20.22.4.121"/><id root="1.2.3" extension="g"/>'
        '<code code="3141-9" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/><value xsi:type="PQ" value="70" unit="kg"/>'
        '<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.110"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/><effectiveTime value="20240220"/>'
        '<value xsi:type="CD" code="706906006" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship></observation>'
    )
    made = one(read(document(section("61146-7", body))), "Goal")
    assert made["achievementStatus"]["coding"][0]["code"] == "706906006"
    assert made["statusDate"] == "2024-02-20"


def test_equipment_said_not_to_be_there_is_nothing_the_patient_has() -> None:
    body = act("supply", "50", IMPLANT.format(kind="PRD"), flag=' negationInd="true"')
    record = read(document(section("46264-8", body)))
    assert of(record, "DeviceUseStatement") == of(record, "Device") == of(record, "SupplyDelivery") == []
    assert "negated-supply" in codes(record)
    assert any("playingDevice" in each.where for each in record.unmapped)


@pytest.mark.parametrize(("code", "element"), [("64994-7", "programEligibility"), ("30963-3", "fundingSource")])
def test_eligibility_and_funding_of_a_vaccination(code: str, element: str) -> None:
    body = entry(
        '<substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.52"/><id root="1.2.3" extension="v"/>'
        '<statusCode code="completed"/><effectiveTime value="20231001"/><consumable><manufacturedProduct><manufacturedMaterial>'
        '<code code="150" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable>'
        f'<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><value xsi:type="CD" code="V01" codeSystem="2.16.840.1.113883.12.64"/></observation></entryRelationship></substanceAdministration>'
    )
    record = read(document(section("11369-6", body)))
    found = one(record, "Immunization")[element]
    assert (found[0] if isinstance(found, list) else found)["coding"][0]["code"] == "V01"
    assert of(record, "Observation") == []


@pytest.mark.parametrize(
    ("tag", "code"), [("substanceAdministration", "10160-0"), ("procedure", "47519-4"), ("supply", "46264-8")]
)
def test_an_entry_without_information_is_no_statement(tag: str, code: str) -> None:
    body = entry(
        f'<{tag} classCode="ACT" moodCode="EVN" nullFlavor="NI"><id nullFlavor="NI"/><code nullFlavor="NI"/><statusCode code="completed"/>'
        '<effectiveTime nullFlavor="NI"/><consumable><manufacturedProduct><manufacturedMaterial nullFlavor="NI"/></manufacturedProduct></consumable>'
        f"</{tag}>"
    )
    record = read(document(section(code, body)))
    kinds = {each["resourceType"] for each in record.resources}
    assert kinds == {"Patient", "Practitioner", "PractitionerRole", "Organization", "Composition"}
    assert "no-information" in codes(record)


def vaccination(inner: str) -> str:
    return entry(
        '<substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.52"/><id root="1.2.3" extension="v"/>'
        '<statusCode code="completed"/><effectiveTime value="2012"/><consumable><manufacturedProduct><manufacturedMaterial>'
        '<code code="140" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable>'
        f"{inner}</substanceAdministration>"
    )


def test_a_historical_vaccination_names_its_source() -> None:
    source = (
        '<entryRelationship typeCode="SUBJ"><act classCode="ACT" moodCode="EVN">'
        '<code code="01" codeSystem="2.16.840.1.114222.4.5.274" displayName="Historical"/></act></entryRelationship>'
    )
    record = read(document(section("11369-6", vaccination(source))))
    made = one(record, "Immunization")
    assert made["primarySource"] is False
    assert made["reportOrigin"]["coding"][0]["code"] == "01"
    assert of(record, "Procedure") == []


def test_the_number_of_a_payer_is_the_payers() -> None:
    body = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.60"/><code code="48768-6" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.61"/>'
        '<id root="1.2.3" extension="pol"/><statusCode code="completed"/><performer><templateId root="2.16.840.1.113883.10.20.22.4.87"/>'
        '<assignedEntity><id root="2.16.840.1.113883.6.300" extension="00932"/><code code="PAYOR" codeSystem="2.16.840.1.113883.5.110"/>'
        "<representedOrganization><name>Prairie Mutual</name></representedOrganization></assignedEntity></performer></act></entryRelationship></act>"
    )
    record = read(document(section("48768-6", body)))
    (payer,) = [each for each in of(record, "Organization") if each["name"] == "Prairie Mutual"]
    assert [each["value"] for each in payer["identifier"]] == ["00932"]


def test_the_number_of_a_dose_in_its_series() -> None:
    series = (
        '<entryRelationship typeCode="COMP" inversionInd="true"><sequenceNumber value="2"/><act classCode="ACT" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.118"/><code code="416118004" codeSystem="2.16.840.1.113883.6.96" displayName="Administration"/>'
        '<statusCode code="completed"/></act></entryRelationship>'
    )
    record = read(document(section("11369-6", vaccination(series))))
    assert one(record, "Immunization")["protocolApplied"] == [{"doseNumberPositiveInt": 2}]
    assert of(record, "Procedure") == []
    assert record.unmapped == ()


def test_the_parts_of_a_udi() -> None:
    def part(template: str, value: str) -> str:
        return (
            f'<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/>'
            f'<code code="C0" codeSystem="2.16.840.1.113883.3.26.1.1"/>{value}</observation></component>'
        )

    organizer = (
        '<entryRelationship typeCode="COMP"><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.311"/>'
        '<code code="74711-3" codeSystem="2.16.840.1.113883.6.1"/>'
        + part("304", '<value xsi:type="II" root="1.3.160" extension="00844588003288"/>')
        + part("319", '<value xsi:type="ED">SN-9</value>')
        + part(
            "318", '<value xsi:type="CD" code="C113844" codeSystem="2.16.840.1.113883.3.26.1.1" displayName="MR Safe"/>'
        )
        + "</organizer></entryRelationship>"
    )
    device = one(read(document(section("46264-8", act(inner=IMPLANT.format(kind="DEV") + organizer)))), "Device")
    assert device["udiCarrier"] == [{"deviceIdentifier": "00844588003288"}]
    assert device["serialNumber"] == "SN-9"
    assert device["safety"][0]["coding"][0]["code"] == "C113844"


def test_a_refusal_as_c32_writes_it() -> None:
    reason = (
        '<entryRelationship typeCode="RSON"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.27"/>'
        '<code code="PATOBJ" codeSystem="2.16.840.1.113883.11.19725" displayName="Patient objection"/><entryRelationship typeCode="SUBJ">'
        '<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.28"/>'
        '<code code="PATOBJ" codeSystem="2.16.840.1.113883.11.19725"/><statusCode code="completed"/></observation></entryRelationship></act></entryRelationship>'
    )
    raw = document(section("11369-6", vaccination(reason))).replace(
        b'classCode="SBADM" moodCode="EVN"', b'classCode="SBADM" moodCode="EVN" negationInd="true"'
    )
    record = read(raw)
    made = one(record, "Immunization")
    assert made["status"] == "not-done"
    assert made["statusReason"]["coding"][0]["code"] == "PATOBJ"
    assert of(record, "Procedure") == of(record, "Condition") == []


@pytest.mark.parametrize(("code", "act_template", "template"), [("48765-2", "30", "7"), ("11450-4", "3", "4")])
def test_a_null_concern_with_a_null_observation_is_no_statement(code: str, act_template: str, template: str) -> None:
    body = entry(
        f'<act classCode="ACT" moodCode="EVN" nullFlavor="NI"><templateId root="2.16.840.1.113883.10.20.22.4.{act_template}"/><id nullFlavor="NI"/>'
        '<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/><entryRelationship typeCode="SUBJ">'
        f'<observation classCode="OBS" moodCode="EVN" nullFlavor="NI"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/><id nullFlavor="NI"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/><effectiveTime nullFlavor="NI"/>'
        '<value xsi:type="CD" nullFlavor="NI"/></observation></entryRelationship></act>'
    )
    record = read(document(section(code, body)))
    assert of(record, "AllergyIntolerance") == of(record, "Condition") == []
    assert "no-information" in codes(record)
