"""What FHIR has no element for, or two statements say differently, is spoken of."""

from __future__ import annotations

import re

from hie.model import Record
from tests.adapters.ccda.document import PATIENT, document, of, one, read, section
from tests.adapters.ccda.test_allergies import PENICILLIN, REACTION, TEXT, allergy

SEVERITY = (
    '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.8"/><code code="SEV" codeSystem="2.16.840.1.113883.5.4"/>'
    '<statusCode code="completed"/><value xsi:type="CD" code="255604002" codeSystem="2.16.840.1.113883.6.96"/>'
    "</observation></entryRelationship>"
)


def test_two_severities_of_one_allergy_are_flagged_and_both_kept() -> None:
    inner = PENICILLIN + SEVERITY + REACTION.format(severity="24484000")
    record = read(document(section("48765-2", allergy(inner), TEXT)))
    happened, overall = one(record, "AllergyIntolerance")["reaction"]
    assert happened["severity"] == "severe"
    assert overall["severity"] == "mild"
    assert overall["manifestation"][0].keys() == {"extension"}
    assert "severity-twice" in {w.code for w in record.warnings}


def test_a_document_without_a_title_and_a_kind_is_given_none() -> None:
    bare = re.sub(rb"<title>Summary of care</title>|<code code=.34133-9.[^>]*>", b"", document())
    made = one(read(bare), "Composition")
    assert "title" not in made
    assert made["_title"]["extension"][0]["valueCode"] == "unknown"


def test_the_set_of_a_document_stands_beside_its_id() -> None:
    record = read(document(header='<setId root="2.16.840.1.113883.19.9" extension="set-1"/>'))
    made = one(record, "DocumentReference")
    assert made["masterIdentifier"]["value"] == "doc-1"
    assert made["identifier"] == [{"system": "urn:oid:2.16.840.1.113883.19.9", "value": "set-1"}]
    assert record.unmapped == ()


def unmapped(record: Record) -> list[str]:
    """The last two steps of each place that is listed."""
    return ["/".join(each.where.split("/")[-2:]) for each in record.unmapped]


def test_a_code_that_its_template_does_not_prescribe_is_listed() -> None:
    plain = SEVERITY + REACTION.format(severity="24484000")
    told = plain.replace('code="SEV"', 'code="XSEV"').replace('code="ASSERTION"', 'code="XREACT"')
    assert unmapped(read(document(section("48765-2", allergy(PENICILLIN + plain), TEXT)))) == []
    listed = unmapped(read(document(section("48765-2", allergy(PENICILLIN + told), TEXT))))
    assert set(listed) == {"code/@code"}


def test_a_status_that_no_element_holds_is_listed() -> None:
    body = allergy(PENICILLIN + SEVERITY.replace('"completed"', '"aborted"'))
    assert unmapped(read(document(section("48765-2", body, TEXT)))) == ["statusCode/@code"]


def test_a_status_that_nobody_knows_is_listed_beside_unknown() -> None:
    drug = (
        '<entry><substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.16"/>'
        '<statusCode code="ordered"/><consumable><manufacturedProduct><manufacturedMaterial>'
        '<code code="197361" codeSystem="2.16.840.1.113883.6.88"/></manufacturedMaterial></manufacturedProduct></consumable>'
        "</substanceAdministration></entry>"
    )
    record = read(document(section("10160-0", drug)))
    assert one(record, "MedicationStatement")["status"] == "unknown"
    assert unmapped(record) == ["statusCode/@code"]


def test_the_kind_of_an_allergy_keeps_words_that_say_more_than_its_code() -> None:
    said = '<value xsi:type="CD" code="416098002" codeSystem="2.16.840.1.113883.6.96" displayName="Drug allergy">{}</value>'
    inner = "<originalText>Allergy to the penicillins, by history</originalText>"
    body = re.sub(r"<value .*?/>|<value .*?</value>", said.format(inner), allergy(PENICILLIN), count=1)
    made = one(read(document(section("48765-2", body, TEXT))), "AllergyIntolerance")
    (extension,) = made["_type"]["extension"]
    assert extension["valueCodeableConcept"]["text"] == "Allergy to the penicillins, by history"


def test_the_words_of_a_gender_that_say_more_than_its_code_are_listed() -> None:
    for words, listed in (("Female", []), ("Transgender woman", ["administrativeGenderCode/originalText"])):
        patient = PATIENT.replace(
            '<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>',
            f'<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"><originalText>{words}</originalText></administrativeGenderCode>',
        )
        assert unmapped(read(document(patient=patient))) == listed


def test_a_signature_that_is_no_signature_is_listed() -> None:
    signed = (
        '<legalAuthenticator><time value="20240305"/><signatureCode code="{}"/><assignedEntity><id root="1.2.9" extension="7"/>'
        "<assignedPerson><name><given>Una</given><family>Holt</family></name></assignedPerson></assignedEntity></legalAuthenticator>"
    )
    assert unmapped(read(document(header=signed.format("S")))) == []
    assert unmapped(read(document(header=signed.format("X")))) == ["signatureCode/@code"]


AGE = (
    '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.31"/><code code="445518008" codeSystem="2.16.840.1.113883.6.96"/>'
    '<statusCode code="completed"/><value xsi:type="PQ" value="34" unit="a"/></observation></entryRelationship>'
)


def test_an_age_beside_a_problem_is_no_problem() -> None:
    body = (
        '<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><id root="1.2.8" extension="c1"/>'
        '<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/><entryRelationship typeCode="SUBJ">'
        '<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.2.8" extension="p1"/>'
        '<code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime><low value="2010"/></effectiveTime>'
        '<value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship>'
        f"{AGE}</act></entry>"
    )
    record = read(document(section("11450-4", body)))
    problem, age = one(record, "Condition"), one(record, "Observation")
    assert age["valueQuantity"]["value"] == 34
    assert problem["evidence"] == [{"detail": [{"reference": f"Observation/{age['id']}"}]}]
    assert unmapped(record) == []


def test_a_second_informant_and_a_performer_without_a_place_are_told_of() -> None:
    who = (
        '<{tag}><assignedEntity><id root="1.2.9" extension="{name}"/><assignedPerson><name><given>Ann</given><family>{name}</family></name>'
        "</assignedPerson></assignedEntity></{tag}>"
    )
    people = "".join(who.format(tag=tag, name=name) for tag, name in (("performer", "Perl"), ("informant", "Ives")))
    drug = (
        '<entry><substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.16"/>'
        '<statusCode code="active"/><consumable><manufacturedProduct><manufacturedMaterial>'
        '<code code="197361" codeSystem="2.16.840.1.113883.6.88"/></manufacturedMaterial></manufacturedProduct></consumable>'
        f"{people}{who.format(tag='informant', name='Orr')}</substanceAdministration></entry>"
    )
    record = read(document(section("10160-0", drug)))
    statement = one(record, "MedicationStatement")
    assert statement["informationSource"]["display"].endswith("Ives")
    told = {
        each["agent"][0]["type"]["coding"][0]["code"]: each["agent"][0]["who"]["display"]
        for each in of(record, "Provenance")
        if each["target"] == [{"reference": f"MedicationStatement/{statement['id']}"}]
    }
    assert {kind: name.rpartition(" ")[2] for kind, name in told.items()} == {"performer": "Perl", "informant": "Orr"}
    assert unmapped(record) == []


def test_an_organisation_keeps_the_id_that_a_further_mention_gives() -> None:
    again = '<informant><assignedEntity><id root="1.2.9" extension="7"/><representedOrganization><id root="{}"/><name>Lakeside Clinic</name></representedOrganization></assignedEntity></informant>'
    clinic = one(read(document(header=again.format("2.16.840.1.113883.19.8"))), "Organization")
    assert {each["value"] for each in clinic["identifier"]} == {
        "urn:oid:2.16.840.1.113883.19.7",
        "urn:oid:2.16.840.1.113883.19.8",
    }


def test_words_beside_an_amount_and_the_unit_of_none_are_listed() -> None:
    observation = (
        '<entry><observation classCode="OBS" moodCode="EVN"><code code="26464-8" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        "{}</observation></entry>"
    )
    beside = '<value xsi:type="PQ" value="6.7" unit="10*3/uL"><translation><originalText>6.7 billion per liter</originalText></translation></value>'
    assert unmapped(read(document(section("30954-2", observation.format(beside))))) == ["translation/originalText"]
    nothing = '<value xsi:type="PQ" nullFlavor="UNK" unit="mg/dL"/>'
    assert unmapped(read(document(section("30954-2", observation.format(nothing))))) == ["value/@unit"]


def test_a_device_in_the_common_supply_template_is_no_drug() -> None:
    supply = (
        '<entry><supply classCode="SPLY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.34"/><id root="1.2.7" extension="s1"/>'
        '<statusCode code="completed"/><effectiveTime value="201411"/><participant typeCode="DEV"><participantRole classCode="MANU">'
        '<playingDevice><code code="72506001" codeSystem="2.16.840.1.113883.6.96"/></playingDevice></participantRole></participant></supply></entry>'
    )
    record = read(document(section("46264-8", supply)))
    assert one(record, "Device")["type"]["coding"][0]["code"] == "72506001"
    assert one(record, "DeviceUseStatement")["timingDateTime"] == "2014-11"
    assert of(record, "MedicationDispense") == []


def test_a_pointer_into_the_narrative_is_no_loss_a_dangling_one_is() -> None:
    def listed(target: str) -> list[str]:
        body = allergy(PENICILLIN).replace("<statusCode", f'<text><reference value="#{target}"/></text><statusCode', 1)
        return unmapped(read(document(section("48765-2", body, '<content ID="here">Penicillin V: hives</content>'))))

    assert listed("here") == []
    assert listed("nowhere") == ["reference/@value"]


def test_no_problems_whose_text_names_one_is_flagged() -> None:
    def warned(text: str) -> bool:
        body = (
            '<entry><observation classCode="OBS" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.4"/>'
            '<id root="1.2.8" extension="p1"/><code code="64572001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>'
            '<value xsi:type="CD" code="55607006" codeSystem="2.16.840.1.113883.6.96"><originalText><reference value="#p1"/></originalText></value>'
            "</observation></entry>"
        )
        record = read(document(section("11450-4", body, f'<content ID="p1">{text}</content>')))
        assert one(record, "Condition")["code"]["text"] == text
        return "contradiction" in {each.code for each in record.warnings}

    assert not warned("No known problems")
    assert warned("Wears glasses")


def test_a_vaccination_of_unknown_date_says_why_in_a_word() -> None:
    shot = (
        '<entry><substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="false"><templateId root="2.16.840.1.113883.10.20.22.4.52"/>'
        '<id root="1.2.6" extension="v1"/><statusCode code="completed"/><effectiveTime nullFlavor="{}"/><consumable><manufacturedProduct>'
        '<manufacturedMaterial><code code="88" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable>'
        "</substanceAdministration></entry>"
    )
    for null, reason in (("UNK", "unknown"), ("ASKU", "asked-unknown"), ("MSK", "masked")):
        made = one(read(document(section("11369-6", shot.format(null)))), "Immunization")
        assert made["occurrenceString"] == reason
        assert made["_occurrenceString"]["extension"][0]["valueCode"] == reason


def test_what_a_device_has_no_room_for_is_listed() -> None:
    maker = "<scopingEntity><id root='{}'/></scopingEntity>"
    supply = (
        '<entry><supply classCode="SPLY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.50"/><id root="1.2.7" extension="s1"/>'
        '<statusCode code="completed"/><participant typeCode="PRD"><participantRole classCode="MANU"><playingDevice>'
        '<code code="72506001" codeSystem="2.16.840.1.113883.6.96"/></playingDevice>{}</participantRole></participant></supply></entry>'
    )
    fda, own = "2.16.840.1.113883.3.3719", "eb936010-7b17-11db-9fe1-0800200c9b65"
    assert unmapped(read(document(section("46264-8", supply.format(maker.format(fda)))))) == []
    assert unmapped(read(document(section("46264-8", supply.format(maker.format(own)))))) == ["id/@root"]


def test_another_town_of_the_covered_party_is_flagged() -> None:
    policy = (
        '<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.60"/><code code="48768-6" codeSystem="2.16.840.1.113883.6.1"/>'
        '<statusCode code="completed"/><entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.61"/>'
        '<id root="1.2.4" extension="g1"/><statusCode code="completed"/><participant typeCode="COV"><participantRole classCode="PAT"><id root="1.2.4" extension="m1"/>'
        "<addr><streetAddressLine>12 Alder Way</streetAddressLine><city>{}</city></addr></participantRole></participant></act></entryRelationship></act></entry>"
    )
    same, other = (read(document(section("48768-6", policy.format(town)))) for town in ("Dunmore", "Otley"))
    assert "covered-party-address" not in {each.code for each in same.warnings}
    assert "covered-party-address" in {each.code for each in other.warnings}
    assert "addr/city" in unmapped(other)
