"""The header: patient, authors, custodian, versions, confidentiality, who else took part."""

from __future__ import annotations

from tests.adapters.ccda.document import AUTHOR, document, of, one, read

RICH = """<recordTarget><patientRole><id root="2.16.840.1.113883.19.5" extension="MRN-77"/><id nullFlavor="UNK"/>
<id root="2.16.840.1.113883.4.1" nullFlavor="MSK"/>
<addr use="HP"><streetAddressLine>12 Alder Way</streetAddressLine><streetAddressLine>Flat 2</streetAddressLine><city>Dunmore</city>
<county>Ash</county><state>WI</state><postalCode>53001</postalCode><country>US</country><useablePeriod xsi:type="IVL_TS"><low value="2015"/></useablePeriod></addr>
<addr use="TMP">c/o the harbour office</addr>
<telecom use="HP" value="tel:+1(555)010-1111"/><telecom value="mailto:orla@example.org"/><telecom nullFlavor="UNK"/>
<patient><name use="L"><prefix>Dr.</prefix><given>Orla</given><given>June</given><family>Brandvold</family><suffix>III</suffix></name>
<name><given>Orla</given><family qualifier="BR">Sund</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="196102140315-0600"/>
<sdtc:deceasedInd value="false"/><maritalStatusCode code="M" codeSystem="2.16.840.1.113883.5.2" displayName="Married"/>
<religiousAffiliationCode code="1013" codeSystem="2.16.840.1.113883.5.1076"/>
<raceCode code="2106-3" codeSystem="2.16.840.1.113883.6.238" displayName="White"/>
<sdtc:raceCode code="2108-9" codeSystem="2.16.840.1.113883.6.238" displayName="European"/>
<ethnicGroupCode code="2186-5" codeSystem="2.16.840.1.113883.6.238" displayName="Not Hispanic or Latino"/>
<guardian><code code="SPS" codeSystem="2.16.840.1.113883.5.111"/><addr><city>Dunmore</city></addr><telecom value="tel:555-0101"/>
<guardianPerson><name><given>Ned</given><family>Brandvold</family></name></guardianPerson></guardian>
<birthplace><place><addr><city>Tromsø</city><country>NO</country></addr></place></birthplace>
<languageCommunication><languageCode code="nb"/><modeCode code="ESP" codeSystem="2.16.840.1.113883.5.60"/><preferenceInd value="true"/></languageCommunication>
<languageCommunication><languageCode code="en"/></languageCommunication>
</patient><providerOrganization><id root="2.16.840.1.113883.19.7"/><name>Lakeside Clinic</name></providerOrganization></patientRole></recordTarget>"""

REST = """<dataEnterer><assignedEntity><id root="1.9" extension="DE"/><assignedPerson><name><given>Eli</given><family>Roos</family></name></assignedPerson></assignedEntity></dataEnterer>
<informant><relatedEntity classCode="PRS"><code code="SPS" codeSystem="2.16.840.1.113883.5.111"/><relatedPerson><name><given>Ned</given><family>Brandvold</family></name></relatedPerson></relatedEntity></informant>
<informationRecipient><intendedRecipient><informationRecipient><name><given>Una</given><family>Falk</family></name></informationRecipient></intendedRecipient></informationRecipient>
<legalAuthenticator><time value="20240305120000-0600"/><signatureCode code="S"/><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1999999984"/></assignedEntity></legalAuthenticator>
<participant typeCode="IND"><associatedEntity classCode="ECON"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/><telecom value="tel:555-0102"/><associatedPerson><name><given>Siv</given><family>Sund</family></name></associatedPerson></associatedEntity></participant>
<inFulfillmentOf><order><id root="1.9" extension="ORD-1"/></order></inFulfillmentOf>
<documentationOf><serviceEvent classCode="PCPR"><effectiveTime><low value="19610214"/><high value="20240305"/></effectiveTime>
<performer typeCode="PRF"><functionCode code="PCP" codeSystem="2.16.840.1.113883.5.88"/><assignedEntity><id root="2.16.840.1.113883.4.6" extension="1777777774"/>
<code code="207Q00000X" codeSystem="2.16.840.1.113883.6.101"/><assignedPerson><name><given>Pia</given><family>Lunde</family></name></assignedPerson>
<representedOrganization><name>Harbour Practice</name></representedOrganization></assignedEntity></performer></serviceEvent></documentationOf>
<relatedDocument typeCode="RPLC"><parentDocument><id root="2.16.840.1.113883.19.9" extension="doc-0"/></parentDocument></relatedDocument>"""


def test_the_patient_whole() -> None:
    record = read(document(patient=RICH))
    made = one(record, "Patient")
    assert made["identifier"][0] == {"system": "urn:oid:2.16.840.1.113883.19.5", "value": "MRN-77"}
    assert made["identifier"][1]["_value"]["extension"][0]["valueCode"] == "masked"
    first, second = made["name"]
    assert first == {
        "use": "usual",
        "family": "Brandvold",
        "given": ["Orla", "June"],
        "prefix": ["Dr."],
        "suffix": ["III"],
    }
    assert (second["use"], second["family"]) == ("maiden", "Sund")
    assert made["address"][0]["line"] == ["12 Alder Way", "Flat 2"]
    assert (made["address"][0]["district"], made["address"][0]["period"]) == ("Ash", {"start": "2015"})
    assert made["address"][1] == {"use": "temp", "text": "c/o the harbour office"}
    assert made["telecom"][1] == {"system": "email", "value": "orla@example.org"}
    assert made["birthDate"] == "1961-02-14"
    assert made["_birthDate"]["extension"][0]["valueDateTime"] == "1961-02-14T03:15:00-06:00"
    assert made["deceasedBoolean"] is False
    assert made["maritalStatus"]["coding"][0]["code"] == "M"
    extensions = {each["url"].rpartition("/")[2]: each for each in made["extension"]}
    race = [e.get("valueCoding", {}).get("code") for e in extensions["us-core-race"]["extension"]]
    assert race == ["2106-3", "2108-9", None]
    assert extensions["patient-birthPlace"]["valueAddress"]["city"] == "Tromsø"
    assert extensions["patient-religion"]["valueCodeableConcept"]["coding"][0]["code"] == "1013"
    (guardian,) = made["contact"]
    assert guardian["name"]["family"] == "Brandvold"
    assert [r["coding"][0]["code"] for r in guardian["relationship"]] == ["GUARD", "SPS"]
    assert made["communication"][0]["preferred"] is True
    assert "preferred" not in made["communication"][1]
    assert made["managingOrganization"]["display"] == "Lakeside Clinic"
    assert record.unmapped == ()


def test_the_document_and_those_who_took_part() -> None:
    version = '<setId root="1.9" extension="SET"/><versionNumber value="3"/>'
    record = read(document(header=version + REST))
    made = one(record, "Composition")
    assert made["identifier"] == {"system": "urn:oid:2.16.840.1.113883.19.9", "value": "doc-1"}
    assert made["date"] == "2024-03-05T10:15:00-06:00"
    assert made["author"][0]["display"] == "Ivo Tarrant"
    assert made["custodian"]["display"] == "Lakeside Clinic"
    assert made["confidentiality"] == "N"
    assert made["meta"]["security"][0]["code"] == "N"
    assert made["relatesTo"] == [
        {"code": "replaces", "targetIdentifier": {"system": "urn:oid:2.16.840.1.113883.19.9", "value": "doc-0"}}
    ]
    assert made["attester"][0]["mode"] == "legal"
    assert made["attester"][0]["party"]["display"] == "Ivo Tarrant"
    extensions = {each["url"].rpartition("/")[2]: each for each in made["extension"]}
    assert extensions["composition-clinicaldocument-versionNumber"]["valueString"] == "3"
    assert extensions["DataEntererExtension"]["valueReference"]["display"] == "Eli Roos"
    assert extensions["InformationRecipientExtension"]["valueReference"]["display"] == "Una Falk"
    assert extensions["OrderExtension"]["valueReference"]["identifier"]["value"] == "ORD-1"
    mother = next(p for p in of(record, "RelatedPerson") if p["name"][0]["family"] == "Sund")
    assert mother["telecom"][0]["value"] == "555-0102"
    team = one(record, "CareTeam")
    assert made["event"][0]["detail"][0]["reference"] == f"CareTeam/{team['id']}"
    assert team["participant"][0]["member"]["display"] == "Pia Lunde"
    assert record.unmapped == ()
    assert record.authored == "2024-03-05T10:15:00-06:00"
    assert (record.control_id, record.event, record.sender) == (
        "2.16.840.1.113883.19.9^doc-1",
        "34133-9",
        "Lakeside Clinic",
    )


def test_an_author_with_another_time_keeps_it() -> None:
    record = read(document(author=AUTHOR.replace("20240305101500-0600", "20240301")))
    told = one(record, "Provenance")
    assert told["target"] == [{"reference": f"Composition/{one(record, 'Composition')['id']}"}]
    assert told["occurredDateTime"] == "2024-03-01"
    assert "recorded" not in told
    assert told["agent"][0]["who"]["display"] == "Ivo Tarrant"
    assert record.unmapped == ()


def test_no_author_no_custodian_no_patient() -> None:
    record = read(document(author="", custodian="", patient=""))
    made = one(record, "Composition")
    assert made["author"] == [
        {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
    ]
    assert "custodian" not in made
    assert "patient-missing" in [w.code for w in record.warnings]


def test_one_id_for_two_clinicians_does_not_make_them_one() -> None:
    second = AUTHOR.replace("Ivo", "Greta").replace("Tarrant", "Holm")
    record = read(document(author=AUTHOR + second))
    assert sorted(p["name"][0]["family"] for p in of(record, "Practitioner")) == ["Holm", "Tarrant"]
    assert [a["display"] for a in one(record, "Composition")["author"]] == ["Ivo Tarrant", "Greta Holm"]
    assert "id-reused" in [w.code for w in record.warnings]


def test_one_id_for_two_organisations_does_not_make_them_one() -> None:
    from tests.adapters.ccda.document import entry, section

    def done(number: int, clinic: str) -> str:
        return entry(
            f'<procedure classCode="PROC" moodCode="EVN"><id root="1.2.7" extension="{number}"/><code code="7324600{number}" codeSystem="2.16.840.1.113883.6.96"/>'
            '<statusCode code="completed"/><performer><assignedEntity><id root="1.2.8" extension="1234"/>'
            f'<representedOrganization><id root="1.2.9.{number}"/><name>{clinic}</name></representedOrganization></assignedEntity></performer></procedure>'
        )

    record = read(document(section("47519-4", done(1, "East Clinic") + done(2, "West Clinic"))))
    actors = [each["performer"][0]["actor"]["display"] for each in of(record, "Procedure")]
    assert actors == ["East Clinic", "West Clinic"]


def test_who_is_named_twice_is_one() -> None:
    without_id = AUTHOR.replace('<id root="2.16.840.1.113883.4.6" extension="1999999984"/>', '<id nullFlavor="NI"/>')
    recipient = without_id.replace("author>", "legalAuthenticator>").replace("assignedAuthor", "assignedEntity")
    record = read(document(header=recipient))
    (who,) = of(record, "Practitioner")
    assert one(record, "Composition")["attester"][0]["party"]["reference"] == f"Practitioner/{who['id']}"
    assert [each["name"] for each in of(record, "Organization")] == ["Lakeside Clinic"]


def test_an_emergency_contact_and_a_primary_care_provider_are_what_they_are() -> None:
    pcp = (
        '<participant typeCode="IND"><functionCode code="PCP" codeSystem="2.16.840.1.113883.5.88"/><associatedEntity classCode="PROV">'
        '<id root="1.9" extension="D"/><associatedPerson><name><given>Mo</given><family>Lie</family></name></associatedPerson></associatedEntity></participant>'
    )
    record = read(document(header=REST + pcp))
    (mother,) = [each for each in of(record, "RelatedPerson") if each["name"][0]["family"] == "Sund"]
    assert [each["coding"][0]["code"] for each in mother["relationship"]] == ["MTH", "ECON"]
    assert one(record, "Patient")["generalPractitioner"][0]["display"] == "Mo Lie"
    assert record.unmapped == ()
