"""Medications: steps of a course, what was dispensed for which order, amounts in two units, units of time as senders write them."""

from __future__ import annotations

import pytest

from hie.fhir.digits import dumps
from tests.adapters.ccda.document import codes, document, entry, of, one, read, section
from tests.adapters.ccda.test_medications import DRUG, IVL, drug, made

UCUM = "http://unitsofmeasure.org"


def supply(mood: str, inner: str, number: str, template: str = "17") -> str:
    return (
        f'<entryRelationship typeCode="REFR"><supply classCode="SPLY" moodCode="{mood}"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/>'
        f'<id root="1.2.6" extension="{number}"/><statusCode code="completed"/>{inner}</supply></entryRelationship>'
    )


def test_a_dispense_inside_an_order_is_of_its_drug_and_for_it() -> None:
    handed_over = supply("EVN", '<effectiveTime value="20240103"/><quantity value="30"/>', "d1", "18")
    record = read(document(section("10160-0", drug(handed_over, mood="INT"), '<content ID="m1">Amlodipine</content>')))
    order, dispense = one(record, "MedicationRequest"), one(record, "MedicationDispense")
    assert dispense["medicationCodeableConcept"]["coding"][0]["code"] == "197361"
    assert dispense["authorizingPrescription"] == [{"reference": f"MedicationRequest/{order['id']}"}]
    assert "drug-missing" not in codes(record)


def test_an_order_inside_a_dispense_authorises_it() -> None:
    order = supply("INT", '<repeatNumber value="2"/><quantity value="30"/>', "o1")
    handed_over = supply("EVN", f'<quantity value="30"/>{order}', "d1", "18")
    record = read(document(section("10160-0", drug(handed_over), '<content ID="m1">Amlodipine</content>')))
    dispense, prescription = one(record, "MedicationDispense"), one(record, "MedicationRequest")
    assert dispense["authorizingPrescription"] == [{"reference": f"MedicationRequest/{prescription['id']}"}]
    statement = one(record, "MedicationStatement")
    assert statement["partOf"] == [{"reference": f"MedicationDispense/{dispense['id']}"}]


def test_the_steps_of_a_course_are_dosages_in_their_order() -> None:
    def step(order: int, times: str, dose: int, product: str = DRUG) -> str:
        return (
            f'<entryRelationship typeCode="COMP"><sequenceNumber value="{order}"/><substanceAdministration classCode="SBADM" moodCode="EVN">'
            f'<id root="1.2.5" extension="s{order}"/><statusCode code="completed"/>{times}<doseQuantity value="{dose}" unit="mg"/>{product}'
            "</substanceAdministration></entryRelationship>"
        )

    second = '<effectiveTime xsi:type="IVL_TS"><low value="20240108"/><high value="20240114"/></effectiveTime>'
    record = read(
        document(
            section(
                "10160-0",
                drug(step(1, IVL, 20) + step(2, second, 10, "")),
                '<content ID="m1">Amlodipine</content>',
            )
        )
    )
    statement = one(record, "MedicationStatement")
    assert [each["sequence"] for each in statement["dosage"]] == [1, 2]
    assert statement["dosage"][1]["timing"]["repeat"]["boundsPeriod"] == {"start": "2024-01-08", "end": "2024-01-14"}
    assert statement["dosage"][1]["doseAndRate"][0]["doseQuantity"]["value"] == 10
    assert [each["value"] for each in statement["identifier"]] == ["m1", "s1", "s2"]
    assert record.unmapped == ()


def test_another_drug_inside_is_a_statement_of_its_own() -> None:
    other = DRUG.replace("197361", "308136")
    inner = (
        '<entryRelationship typeCode="COMP"><substanceAdministration classCode="SBADM" moodCode="EVN"><id root="1.2.5" extension="x"/>'
        f'<statusCode code="active"/>{IVL}{other}</substanceAdministration></entryRelationship>'
    )
    record = read(document(section("10160-0", drug(inner), '<content ID="m1">Amlodipine</content>')))
    assert len(of(record, "MedicationStatement")) == 2


@pytest.mark.parametrize("unit", ["d", "{day}", "Day(s)", "days"])
def test_units_of_time_as_senders_write_them(unit: str) -> None:
    time = f'<effectiveTime xsi:type="PIVL_TS"><period value="1" unit="{unit}"/></effectiveTime>'
    assert made(drug(times=time))["dosage"][0]["timing"]["repeat"] == {"frequency": 1, "period": 1, "periodUnit": "d"}


def test_a_dose_in_two_units_keeps_both() -> None:
    dose = (
        '<doseQuantity value="500" unit="mg"><translation value="2" code="C48542" codeSystem="2.16.840.1.113883.3.26.1.1" '
        'displayName="Tablet"/></doseQuantity>'
    )
    quantity = made(drug(dose))["dosage"][0]["doseAndRate"][0]["doseQuantity"]
    assert (quantity["value"], quantity["code"]) == (500, "mg")
    (also,) = quantity["extension"]
    assert also["url"] == "http://hl7.org/fhir/StructureDefinition/iso21090-PQ-translation"
    assert (also["valueQuantity"]["value"], also["valueQuantity"]["unit"]) == (2, "Tablet")


def test_half_a_limit_keeps_the_half_that_was_sent() -> None:
    limit = '<maxDoseQuantity><numerator value="8" unit="mg"/><denominator nullFlavor="UNK"/></maxDoseQuantity>'
    maximum = made(drug(limit))["dosage"][0]["maxDosePerPeriod"]
    assert maximum["numerator"]["value"] == 8
    assert maximum["denominator"]["extension"][0]["valueCode"] == "unknown"


def test_why_no_time_was_given() -> None:
    statement = made(drug(times='<effectiveTime xsi:type="IVL_TS" nullFlavor="NASK"/>'))
    assert statement["effectivePeriod"]["extension"][0]["valueCode"] == "not-asked"


@pytest.mark.parametrize(
    ("template", "code"),
    [("1.3.6.1.4.1.19376.1.5.3.1.4.3", "PINSTRUCT"), ("1.3.6.1.4.1.19376.1.5.3.1.4.3.1", "FINSTRUCT")],
)
def test_instructions_of_c32_for_the_patient_and_for_the_pharmacy(template: str, code: str) -> None:
    inner = (
        f'<entryRelationship typeCode="SUBJ"><act classCode="ACT" moodCode="INT"><templateId root="{template}"/>'
        f'<code code="{code}" codeSystem="1.3.6.1.4.1.19376.1.5.3.2"/><text>Swallow whole</text><statusCode code="completed"/></act></entryRelationship>'
    )
    record = read(document(section("10160-0", drug(inner), '<content ID="m1">Amlodipine</content>')))
    statement = one(record, "MedicationStatement")
    if code == "PINSTRUCT":
        assert statement["dosage"][0]["patientInstruction"] == "Swallow whole"
    else:
        assert statement["note"] == [{"text": "Swallow whole"}]
    assert of(record, "ServiceRequest") == []


def test_a_discharge_medication_act_only_holds_the_medication() -> None:
    held = drug()[len("<entry>") : -len("</entry>")]
    act = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.35"/><id root="1.2.8" extension="dm"/>'
        '<code code="75311-1" codeSystem="2.16.840.1.113883.6.1"><translation code="10183-2" codeSystem="2.16.840.1.113883.6.1"/></code>'
        f'<statusCode code="completed"/><entryRelationship typeCode="SUBJ">{held}</entryRelationship></act>'
    )
    record = read(document(section("10183-2", act, '<content ID="m1">Amlodipine</content>')))
    assert of(record, "Procedure") == []
    assert [each["value"] for each in one(record, "MedicationStatement")["identifier"]] == ["m1", "dm"]


def test_the_sort_of_medication_in_the_senders_words() -> None:
    raw = document(section("10160-0", drug(), '<content ID="m1">Amlodipine</content>')).replace(
        b"<statusCode", b'<code code="HOME" codeSystem="1.9.9" displayName="Home medication"/><statusCode', 1
    )
    statement = one(read(raw), "MedicationStatement")
    assert statement["category"]["coding"][0]["code"] == "HOME"
    assert "method" not in statement.get("dosage", [{}])[0]


@pytest.mark.parametrize(
    ("element", "template", "kind"),
    [("procedure", "41", "ServiceRequest"), ("substanceAdministration", "42", "MedicationRequest")],
)
def test_a_plan_in_the_mood_of_what_happened_is_never_done(element: str, template: str, kind: str) -> None:
    body = entry(
        f'<{element} classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/><id root="1.2.9" extension="p"/>'
        f'<code code="73761001" codeSystem="2.16.840.1.113883.6.96" displayName="Colonoscopy"/><statusCode code="active"/>{DRUG}</{element}>'
    )
    record = read(document(section("18776-5", body)))
    assert one(record, kind)["intent"] == "plan"
    assert of(record, "Procedure") == of(record, "MedicationStatement") == []
    assert "mood-contradiction" in codes(record)


def test_a_text_that_only_names_the_drug_is_no_direction() -> None:
    raw = document(section("10160-0", drug(), '<content ID="m1">Amlodipine 5 mg tablets</content>')).replace(
        b"<statusCode", b'<text><reference value="#m1"/></text><statusCode', 1
    )
    statement = one(read(raw), "MedicationStatement")
    assert statement["medicationCodeableConcept"]["text"] == "Amlodipine 5 mg tablets"
    assert "dosage" not in statement


def test_how_many_times_it_is_given() -> None:
    assert made(drug('<repeatNumber value="3"/>'))["dosage"][0]["timing"]["repeat"]["count"] == 3
    assert "dosage" not in made(drug('<repeatNumber value="0"/>'))


def test_how_often_an_order_may_be_given_is_no_refill() -> None:
    order = one(
        read(
            document(
                section(
                    "10160-0", drug('<repeatNumber value="3"/>', mood="INT"), '<content ID="m1">Amlodipine</content>'
                )
            )
        ),
        "MedicationRequest",
    )
    assert order["dosageInstruction"][0]["timing"]["repeat"]["count"] == 3
    assert "dispenseRequest" not in order


def test_an_amount_keeps_the_digits_it_was_written_with() -> None:

    dose = made(drug('<doseQuantity value="2.50" unit="mg"/>'))["dosage"][0]["doseAndRate"][0]["doseQuantity"]
    assert b'"value":2.50' in dumps(dose)


def test_prescribed_or_over_the_counter() -> None:
    sort = (
        '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.3.88.11.83.8.1"/>'
        '<code code="329505003" codeSystem="2.16.840.1.113883.6.96" displayName="Over the counter product"/></observation></entryRelationship>'
    )
    record = read(document(section("10160-0", drug(sort), '<content ID="m1">Amlodipine</content>')))
    assert one(record, "MedicationStatement")["category"]["coding"][0]["code"] == "329505003"
    assert of(record, "Observation") == []
