"""Medications: mood, every kind of time, dose, route, limits, as-needed, supplies, what was not taken."""

from __future__ import annotations

import pytest

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

DRUG = (
    '<consumable><manufacturedProduct classCode="MANU"><manufacturedMaterial>'
    '<code code="197361" codeSystem="2.16.840.1.113883.6.88" displayName="amlodipine 5 MG Oral Tablet">'
    '<originalText><reference value="#m1"/></originalText>'
    '<translation code="00069-1530" codeSystem="2.16.840.1.113883.6.69"/></code></manufacturedMaterial></manufacturedProduct></consumable>'
)
IVL = '<effectiveTime xsi:type="IVL_TS"><low value="20240101"/><high value="20240401"/></effectiveTime>'


def drug(
    inner: str = "", times: str = IVL, mood: str = "EVN", flag: str = "", state: str = "active", product: str = DRUG
) -> str:
    return entry(
        f'<substanceAdministration classCode="SBADM" moodCode="{mood}"{flag}>'
        '<templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="1.2.5" extension="m1"/>'
        f'<statusCode code="{state}"/>{times}{inner}{product}</substanceAdministration>'
    )


def made(body: str, kind: str = "MedicationStatement", code: str = "10160-0") -> dict:  # type: ignore[type-arg]
    return one(read(document(section(code, body, '<content ID="m1">Amlodipine 5 mg tablets</content>'))), kind)


def test_what_is_taken() -> None:
    record = read(
        document(
            section(
                "10160-0",
                drug(
                    '<routeCode code="C38288" codeSystem="2.16.840.1.113883.3.26.1.1" displayName="ORAL"/>'
                    '<approachSiteCode code="123851003" codeSystem="2.16.840.1.113883.6.96"/><doseQuantity value="1"/>'
                    '<rateQuantity value="90" unit="mL/h"/><maxDoseQuantity><numerator value="4"/><denominator value="1" unit="d"/></maxDoseQuantity>'
                    '<administrationUnitCode code="C48542" codeSystem="2.16.840.1.113883.3.26.1.1" displayName="Tablet"/>',
                    times=IVL
                    + '<effectiveTime xsi:type="PIVL_TS" institutionSpecified="true" operator="A"><period value="12" unit="h"/></effectiveTime>',
                ),
                '<content ID="m1">Amlodipine 5 mg tablets</content>',
            )
        )
    )
    statement = one(record, "MedicationStatement")
    assert [c["code"] for c in statement["medicationCodeableConcept"]["coding"]] == ["197361", "00069-1530"]
    assert statement["medicationCodeableConcept"]["text"] == "Amlodipine 5 mg tablets"
    assert statement["status"] == "active"
    assert statement["effectivePeriod"] == {"start": "2024-01-01", "end": "2024-04-01"}
    (dosage,) = statement["dosage"]
    assert dosage["timing"]["repeat"] == {"frequency": 1, "period": 12, "periodUnit": "h"}
    assert dosage["timing"]["code"]["coding"][0]["code"] == "BID"
    assert dosage["route"]["coding"][0]["code"] == "C38288"
    assert dosage["site"]["coding"][0]["code"] == "123851003"
    (amount,) = dosage["doseAndRate"]
    assert amount["doseQuantity"] == {
        "value": 1,
        "unit": "Tablet",
        "system": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        "code": "C48542",
    }
    assert amount["rateQuantity"] == {
        "value": 90,
        "unit": "mL/h",
        "system": "http://unitsofmeasure.org",
        "code": "mL/h",
    }
    assert dosage["maxDosePerPeriod"]["numerator"] == {"value": 4}
    assert record.unmapped == ()


@pytest.mark.parametrize(
    ("time", "repeat"),
    [
        ('xsi:type="PIVL_TS"><period value="8" unit="h"/>', {"frequency": 1, "period": 8, "periodUnit": "h"}),
        (
            'xsi:type="PIVL_TS"><period xsi:type="IVL_PQ"><low value="4" unit="h"/><high value="6" unit="h"/></period>',
            {"frequency": 1, "period": 4, "periodUnit": "h", "periodMax": 6},
        ),
        ('xsi:type="EIVL_TS"><event code="HS"/>', {"when": ["HS"]}),
        (
            'xsi:type="EIVL_TS"><event code="ACM"/><offset><low value="-1" unit="h"/></offset>',
            {"when": ["ACM"], "offset": 60},
        ),
        ('xsi:type="IVL_TS"><width value="10" unit="d"/>', None),
    ],
)
def test_each_kind_of_time(time: str, repeat: dict | None) -> None:  # type: ignore[type-arg]
    statement = made(drug(times=f"<effectiveTime {time}</effectiveTime>"))
    found = statement["dosage"][0]["timing"]["repeat"]
    if repeat is None:
        assert found == {
            "boundsDuration": {"value": 10, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
        }
    else:
        assert found == repeat


def test_a_period_and_an_event_together() -> None:
    times = (
        '<effectiveTime xsi:type="PIVL_TS" operator="A"><period value="1" unit="d"/></effectiveTime>'
        '<effectiveTime xsi:type="EIVL_TS" operator="A"><event code="HS"/></effectiveTime>'
    )
    assert made(drug(times=times))["dosage"][0]["timing"]["repeat"] == {
        "frequency": 1,
        "period": 1,
        "periodUnit": "d",
        "when": ["HS"],
    }


def test_times_inside_a_set_expression() -> None:
    times = (
        '<effectiveTime xsi:type="SXPR_TS"><comp xsi:type="IVL_TS"><low value="20240101"/></comp>'
        '<comp xsi:type="PIVL_TS" operator="A"><period value="6" unit="h"/></comp></effectiveTime>'
    )
    statement = made(drug(times=times))
    assert statement["effectivePeriod"] == {"start": "2024-01-01"}
    assert statement["dosage"][0]["timing"]["repeat"]["period"] == 6


def test_a_single_time() -> None:
    assert (
        made(drug(times='<effectiveTime value="202401021530-0600"/>'))["effectiveDateTime"]
        == "2024-01-02T15:30:00-06:00"
    )


def test_unknown_bounds_stay_unknown() -> None:
    statement = made(
        drug(times='<effectiveTime xsi:type="IVL_TS"><low value="2020"/><high nullFlavor="UNK"/></effectiveTime>')
    )
    assert statement["effectivePeriod"]["start"] == "2020"
    assert statement["effectivePeriod"]["_end"]["extension"][0]["valueCode"] == "unknown"


def test_a_dose_range_and_a_dose_in_words() -> None:
    ranged = made(drug('<doseQuantity><low value="1" unit="{tbl}"/><high value="2" unit="{tbl}"/></doseQuantity>'))
    assert ranged["dosage"][0]["doseAndRate"][0]["doseRange"]["high"]["value"] == 2
    worded = made(
        drug(
            '<doseQuantity nullFlavor="OTH"><translation value="2" code="415215001" codeSystem="2.16.840.1.113883.6.96" displayName="Puff"/></doseQuantity>'
        )
    )
    assert worded["dosage"][0]["doseAndRate"][0]["doseQuantity"] == {
        "value": 2,
        "unit": "Puff",
        "system": "http://snomed.info/sct",
        "code": "415215001",
    }


@pytest.mark.parametrize(
    ("mood", "kind", "intent"),
    [
        ("INT", "MedicationRequest", "plan"),
        ("RQO", "MedicationRequest", "order"),
        ("PRP", "MedicationRequest", "proposal"),
    ],
)
def test_the_mood_decides_between_taken_and_wanted(mood: str, kind: str, intent: str) -> None:
    request = made(drug(mood=mood), kind)
    assert request["intent"] == intent
    assert request["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]["end"] == "2024-04-01"


def test_negated_is_not_taken_and_not_to_be_given() -> None:
    flag = ' negationInd="true"'
    why = (
        '<entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN"><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>'
        '<statusCode code="completed"/><value xsi:type="CD" code="182895007" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship>'
    )
    statement = made(drug(why, flag=flag))
    assert statement["status"] == "not-taken"
    assert statement["statusReason"][0]["coding"][0]["code"] == "182895007"
    request = made(drug(flag=flag, mood="INT"), "MedicationRequest")
    assert request["doNotPerform"] is True


def test_as_needed_with_its_reason() -> None:
    needed = (
        '<precondition typeCode="PRCN"><criterion><templateId root="2.16.840.1.113883.10.20.22.4.25"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>'
        '<value xsi:type="CD" code="56018004" codeSystem="2.16.840.1.113883.6.96" displayName="Wheezing"/></criterion></precondition>'
    )
    assert made(drug(needed))["dosage"][0]["asNeededCodeableConcept"]["coding"][0]["code"] == "56018004"
    bare = '<precondition typeCode="PRCN"><criterion><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/></criterion></precondition>'
    assert made(drug(bare))["dosage"][0]["asNeededBoolean"] is True


def test_sig_instruction_and_indication() -> None:
    inner = (
        '<entryRelationship typeCode="COMP"><substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.147"/>'
        '<code code="76662-6" codeSystem="2.16.840.1.113883.6.1"/><text>One in the morning</text>'
        "<consumable><manufacturedProduct><manufacturedLabeledDrug nullFlavor='NA'/></manufacturedProduct></consumable></substanceAdministration></entryRelationship>"
        '<entryRelationship typeCode="SUBJ" inversionInd="true"><act classCode="ACT" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.20"/>'
        '<code code="409073007" codeSystem="2.16.840.1.113883.6.96"/><text>Avoid grapefruit</text><statusCode code="completed"/></act></entryRelationship>'
        '<entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.19"/>'
        '<code code="404684003" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>'
        '<value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship>'
    )
    statement = made(drug(inner))
    (dosage,) = statement["dosage"]
    assert dosage["text"] == "One in the morning"
    assert dosage["patientInstruction"] == "Avoid grapefruit"
    assert dosage["additionalInstruction"][0]["coding"][0]["code"] == "409073007"
    assert statement["reasonCode"][0]["coding"][0]["code"] == "38341003"


SUPPLY = (
    '<entryRelationship typeCode="REFR"><supply classCode="SPLY" moodCode="{mood}"><templateId root="2.16.840.1.113883.10.20.22.4.{number}"/>'
    '<id root="1.2.5" extension="s1"/><statusCode code="completed"/><effectiveTime value="20240102"/><repeatNumber value="2"/>'
    '<quantity value="60" unit="{{tbl}}"/></supply></entryRelationship>'
)


def test_a_dispense() -> None:
    record = read(
        document(
            section("10160-0", drug(SUPPLY.format(mood="EVN", number="18").replace('<repeatNumber value="2"/>', "")))
        )
    )
    dispense = one(record, "MedicationDispense")
    assert dispense["quantity"]["value"] == 60
    assert dispense["whenHandedOver"] == "2024-01-02"
    assert dispense["medicationCodeableConcept"]["coding"][0]["code"] == "197361"
    assert one(record, "MedicationStatement")["partOf"] == [{"reference": f"MedicationDispense/{dispense['id']}"}]


def test_an_order_of_supply() -> None:
    record = read(document(section("10160-0", drug(SUPPLY.format(mood="INT", number="17")))))
    order = one(record, "MedicationRequest")
    # C-CDA counts the allowed fills (2), FHIR the repeats after the first
    assert order["dispenseRequest"]["numberOfRepeatsAllowed"] == 1
    (sent,) = order["dispenseRequest"]["_numberOfRepeatsAllowed"]["extension"]
    assert sent["valueString"] == "2"
    assert order["dispenseRequest"]["quantity"]["value"] == 60
    inside = one(
        read(document(section("10160-0", drug(SUPPLY.format(mood="INT", number="17"), mood="INT")))),
        "MedicationRequest",
    )
    assert inside["dispenseRequest"]["numberOfRepeatsAllowed"] == 1


def test_given_in_the_ward() -> None:
    body = drug(
        '<doseQuantity value="5" unit="mg"/>', times='<effectiveTime value="202403041200-0600"/>', state="completed"
    )
    given = made(body, "MedicationAdministration", "29549-3")
    assert (given["status"], given["effectiveDateTime"]) == ("completed", "2024-03-04T12:00:00-06:00")
    assert given["dosage"]["dose"]["value"] == 5


def test_lot_maker_and_form_make_a_medication() -> None:
    product = DRUG.replace(
        "</manufacturedMaterial>",
        "<lotNumberText>L-9</lotNumberText></manufacturedMaterial>"
        "<manufacturerOrganization><name>Borealis Pharma</name></manufacturerOrganization>",
    )
    record = read(document(section("10160-0", drug(product=product))))
    medication = one(record, "Medication")
    assert medication["batch"] == {"lotNumber": "L-9"}
    assert medication["manufacturer"]["display"] == "Borealis Pharma"
    assert one(record, "MedicationStatement")["medicationReference"]["reference"] == f"Medication/{medication['id']}"


def test_two_templates_on_one_entry_give_one_resource() -> None:
    double = drug().replace(
        '<id root="1.2.5" extension="m1"/>',
        '<templateId root="2.16.840.1.113883.10.20.1.24"/><templateId root="2.16.840.1.113883.3.88.11.83.8"/><id root="1.2.5" extension="m1"/>',
    )
    assert len(of(read(document(section("10160-0", double))), "MedicationStatement")) == 1


def test_one_id_for_two_drugs_keeps_both() -> None:
    other = drug().replace("197361", "860975")
    record = read(document(section("10160-0", drug() + other)))
    assert len(of(record, "MedicationStatement")) == 2
    assert "id-reused" in codes(record)


def test_a_status_that_was_not_sent_is_not_invented() -> None:
    assert made(drug().replace('<statusCode code="active"/>', ""))["status"] == "unknown"
