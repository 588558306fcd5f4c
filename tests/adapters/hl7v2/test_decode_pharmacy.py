"""Orders for drugs, what the pharmacy made of them, dispenses, givings and administrations (HL7 v2 chapter 4)."""

from __future__ import annotations

import pytest

from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record

ORC = "ORC|NW|P1^EHR|F1^RX||||||20240305100000-0500|||1234567893^Haddad^Leila^^^^MD^^NPI"


def test_a_dose_from_to_with_its_unit() -> None:
    found = record(header("RDE^O11"), PID, ORC, "RXE||723^Amoxicillin^RXNORM|250|500|mg^milligram^UCUM")
    (rate,) = only(found, "MedicationRequest")["dosageInstruction"][0]["doseAndRate"]
    unit = {"unit": "milligram", "system": "http://unitsofmeasure.org", "code": "mg"}
    assert rate == {"doseRange": {"low": {"value": 250, **unit}, "high": {"value": 500, **unit}}}


def test_a_dose_written_as_a_range() -> None:
    found = record(header("OMP^O09"), PID, ORC, "RXO|^Ibuprofen|1-2||TAB")
    span = only(found, "MedicationRequest")["dosageInstruction"][0]["doseAndRate"][0]["doseRange"]
    assert (span["low"]["value"], span["high"]["value"]) == (1, 2)


def test_strength_in_a_volume_form_package_and_further_codes() -> None:
    rxe = (
        "RXE||723^Amoxicillin^L|1||spoon|SUSP^Suspension^L"
        + "|" * 19
        + "250|mg||100|mL||308189^amoxicillin 50 MG/ML^RXNORM||5|mL"
    )
    found = record(header("RDE^O11"), PID, ORC, rxe)
    made = only(found, "MedicationRequest")
    (drug,) = made["contained"]
    assert made["medicationReference"] == {"reference": "#" + drug["id"]}
    assert [c["code"] for c in drug["code"]["coding"]] == ["723", "308189"]
    assert drug["form"]["coding"][0]["code"] == "SUSP"
    assert drug["ingredient"][0]["strength"] == {
        "numerator": {"value": 250, "unit": "mg"},
        "denominator": {"value": 5, "unit": "mL"},
    }
    assert drug["amount"]["numerator"] == {"value": 100, "unit": "mL"}
    assert lost(found) == set()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("|100|mL/h", {"rateQuantity": {"value": 100, "unit": "mL/h"}}),
        ("H1|100|mL", {"rateRatio": ("mL", 1, "h")}),
        ("M30|100|mL", {"rateRatio": ("mL", 30, "min")}),
        ("H8||", {"rateRatio": ("g", 8, "h")}),
    ],
)
def test_rates(fields: str, expected: dict[str, object]) -> None:
    found = record(header("RDE^O11"), PID, ORC, "RXE||2^Cefazolin^L|1||g" + "|" * 17 + fields)
    rate = only(found, "MedicationRequest")["dosageInstruction"][0]["doseAndRate"][0]
    if "rateQuantity" in expected:
        assert rate["rateQuantity"] == expected["rateQuantity"]
    else:
        ratio = rate["rateRatio"]
        assert (ratio["numerator"]["unit"], ratio["denominator"]["value"], ratio["denominator"]["code"]) == expected[
            "rateRatio"
        ]


def test_the_total_daily_dose_is_no_single_dose() -> None:
    found = record(header("RDS^O13"), PID, ORC, "RXD|1|860975^Metformin^RXNORM|20240306|60|TAB|||||||2000^mg")
    (dosage,) = only(found, "MedicationDispense")["dosageInstruction"]
    assert dosage["maxDosePerPeriod"]["numerator"] == {"value": 2000, "unit": "mg"}
    assert dosage["maxDosePerPeriod"]["denominator"]["code"] == "d"
    assert "doseAndRate" not in dosage


def test_a_prescriber_under_two_numbers_is_one_person() -> None:
    rxe = "RXE||723^Amoxicillin^RXNORM|250||mg" + "|" * 8 + "BH1234567^Haddad^Leila^^^^MD^^DEA"
    found = record(header("RDE^O11"), PID, ORC, rxe)
    who = only(found, "Practitioner")
    assert {i["value"] for i in who["identifier"]} == {"1234567893", "BH1234567"}
    assert only(found, "MedicationRequest")["requester"] == {"reference": f"Practitioner/{who['id']}"}
    assert lost(found) == set()


def test_another_prescriber_than_in_orc_is_kept_and_told() -> None:
    rxe = "RXE||723^Amoxicillin^RXNORM|250||mg" + "|" * 8 + "77^Moss^Ira"
    found = record(header("RDE^O11"), PID, ORC, rxe)
    other = next(r for r in every(found, "Practitioner") if r["name"][0]["family"] == "Moss")
    assert only(found, "MedicationRequest")["supportingInformation"] == [{"reference": f"Practitioner/{other['id']}"}]
    assert "contradiction" in codes(found)


def test_another_product_than_the_one_ordered_is_an_order_of_the_pharmacy() -> None:
    rxo, rxe = "RXO|1^Levothyroxine 100 mcg^L|100||ug", "RXE||2^Levothyroxine 125 mcg^L|125||ug"
    found = record(header("RDE^O11"), PID, ORC, rxo, "RXR|PO", rxe, "RXR|PO")
    asked, filled = every(found, "MedicationRequest")
    assert (asked["intent"], filled["intent"]) == ("order", "filler-order")
    assert filled["basedOn"] == [{"reference": f"MedicationRequest/{asked['id']}"}]
    assert [c["code"] for c in asked["medicationCodeableConcept"]["coding"]] == ["1"]
    assert [c["code"] for c in filled["medicationCodeableConcept"]["coding"]] == ["2"]
    assert filled["requester"] == asked["requester"]


def test_the_same_product_in_two_code_systems_is_one_order() -> None:
    rxo, rxe = "RXO|1^Metformin^L|500||mg", "RXE||860975^metformin 500 MG^RXNORM|500||mg"
    found = record(header("RDE^O11"), PID, ORC, rxo, rxe)
    assert [c["code"] for c in only(found, "MedicationRequest")["medicationCodeableConcept"]["coding"]] == [
        "1",
        "860975",
    ]


def test_two_encoded_drugs_without_an_order_between_are_two() -> None:
    found = record(header("RDE^O11"), PID, ORC, "RXE||1^Aspirin^L|1||TAB", "RXE||2^Ibuprofen^L|1||TAB")
    assert len(every(found, "MedicationRequest")) == 2


def test_a_pump_is_a_device_of_the_order_and_of_the_administration() -> None:
    rxr = "RXR|IV^Intravenous^HL70162|LA^Left arm^HL70163|PCA^PCA pump^HL70164|IVPB^Piggyback^HL70165"
    found = record(
        header("RAS^O17"), PID, ORC, "RXO|1^Morphine^L|2||mg", rxr, "RXA|0|1|20240305||1^Morphine^L|2|mg", rxr
    )
    for kind, slot in (("MedicationRequest", "supportingInformation"), ("MedicationAdministration", "device")):
        made = only(found, kind)
        device = next(c for c in made["contained"] if c["resourceType"] == "Device")
        assert device["type"]["coding"][0]["code"] == "PCA"
        assert made[slot] == [{"reference": "#" + device["id"]}]
    assert lost(found) == set()


def test_a_route_before_or_behind_several_administrations() -> None:
    rxa = "RXA|0|{}|2024030{}||1^Morphine^L|2|mg"
    found = record(header("RAS^O17"), PID, ORC, "RXR|IV", rxa.format(1, 5))
    assert only(found, "MedicationAdministration")["dosage"]["route"]["coding"][0]["code"] == "IV"
    found = record(header("RAS^O17"), PID, ORC, "RXO|1^Morphine^L|2||mg", rxa.format(1, 5), rxa.format(2, 6), "RXR|SC")
    routes = [m["dosage"]["route"]["coding"][0]["code"] for m in every(found, "MedicationAdministration")]
    assert routes == ["SC", "SC"]


def test_a_route_with_nothing_to_go_with_is_listed() -> None:
    assert "RXR[1]-1" in lost(record(header("RAS^O17"), PID, ORC, "RXR|IV"))


@pytest.mark.parametrize(
    ("completion", "action", "status"),
    [("CP", "A", "completed"), ("RE", "A", "not-done"), ("NA", "A", "not-done"), ("PA", "U", "stopped"), ("CP", "D", "entered-in-error"), ("", "", "unknown")],
)  # fmt: skip
def test_status_of_an_administration(completion: str, action: str, status: str) -> None:
    rxa = f"RXA|0|1|20240305||1^Morphine^L|2|mg|||||||||||PTR^Refused^L||{completion}|{action}"
    made = only(record(header("RAS^O17"), PID, ORC, rxa), "MedicationAdministration")
    assert made["status"] == status
    assert made["statusReason"][0]["coding"][0]["code"] == "PTR"


def test_what_was_in_the_syringe_and_where() -> None:
    rxa = "RXA|0|1|20240305||1^Morphine^L|2|mg|AMP^Ampoule^L||9^Nurse^Nina|5W^501^A^NORTH|H1|10|mg|L77|202512|ACM^Acme^MVX"
    found = record(header("RAS^O17"), PID, ORC, "RXO|1^Morphine^L|2||mg", rxa)
    made = only(found, "MedicationAdministration")
    (drug,) = made["contained"]
    assert drug["batch"] == {"lotNumber": "L77", "expirationDate": "2025-12"}
    assert drug["form"]["coding"][0]["code"] == "AMP"
    assert drug["ingredient"][0]["strength"]["numerator"] == {"value": 10, "unit": "mg"}
    assert drug["manufacturer"]["reference"].startswith("Organization/")
    assert made["dosage"]["rateRatio"]["denominator"]["code"] == "h"
    assert made["extension"][0]["url"] == "http://hl7.org/fhir/StructureDefinition/event-location"
    assert made["request"]["reference"].startswith("MedicationRequest/")
    assert lost(found) == set()


def test_a_giving_is_an_instance_of_its_order() -> None:
    rxg = "RXG|1||^Q6H|1^Morphine^L|2||mg|AMP^Ampoule^L|^Slowly|||||^Check breathing"
    found = record(
        header("RGV^O15"), PID, ORC, "RXO|1^Morphine^L|2||mg", rxg.replace("|||||^Check", "||||^Check"), "RXR|IV"
    )
    order, giving = every(found, "MedicationRequest")
    assert (order["intent"], giving["intent"]) == ("order", "instance-order")
    assert giving["basedOn"] == [{"reference": f"MedicationRequest/{order['id']}"}]
    assert giving["note"] == [{"text": "Slowly"}]
    assert giving["dosageInstruction"][0]["text"] == "Check breathing"
    assert giving["dosageInstruction"][0]["route"]["coding"][0]["code"] == "IV"


@pytest.mark.parametrize(
    ("orc", "when", "status"),
    [("ORC|RE|P1||||", "20240306", "completed"), ("ORC|RE|P1|||HD", "20240306", "on-hold"), ("ORC|CA|P1", "20240306", "cancelled"), ("ORC|RE|P1", "", "unknown")],
)  # fmt: skip
def test_status_of_a_dispense(orc: str, when: str, status: str) -> None:
    made = only(record(header("RDS^O13"), PID, orc, f"RXD|1|1^Aspirin^L|{when}|60|TAB"), "MedicationDispense")
    assert made["status"] == status


def test_whether_another_drug_went_over_the_counter() -> None:
    found = record(header("RDS^O13"), PID, ORC, "RXD|1|1^Aspirin^L|20240306|60|TAB||||||G||MAIN^^^CHAIN")
    made = only(found, "MedicationDispense")
    assert made["substitution"]["wasSubstituted"] is True
    assert made["substitution"]["type"]["coding"][0]["code"] == "G"
    assert made["destination"]["reference"].startswith("Location/")


def test_what_the_pharmacy_supplies_otherwise_is_listed_at_the_order() -> None:
    rxo, rxe = "RXO|1^Aspirin^L|1||TAB|||||||30|TAB|3", "RXE||1^Aspirin^L|1||TAB|||||90|TAB|3"
    found = record(header("RDE^O11"), PID, ORC, rxo, rxe)
    assert only(found, "MedicationRequest")["dispenseRequest"]["quantity"]["value"] == 90
    assert lost(found) == {"RXO[1]-11"}


def test_when_it_was_to_be_given_has_no_place_at_what_was_given() -> None:
    found = record(header("RAS^O17"), PID, "ORC|RE|P1|||||1^BID^^^^^^With food", "RXA|0|1|20240305||1^Aspirin^L|1|TAB")
    assert "dosageInstruction" not in only(found, "MedicationAdministration")
    assert "ORC[1]-7" in lost(found)


def test_an_empty_route_leaves_no_empty_dosage() -> None:
    made = only(record(header("RDS^O13"), PID, ORC, "RXD|1|1^Aspirin^L|20240306", "RXR||^^"), "MedicationDispense")
    assert "dosageInstruction" not in made


def test_further_names_and_instructions_stand_beside_the_first() -> None:
    rxe = "RXE||1^Aspirin^L|1||TAB||^Take one" + "|" * 24 + "^Extra"
    found = record(header("RDE^O11"), PID, ORC, rxe, "TQ1|1||BID||||||||Take with food")
    made = only(found, "MedicationRequest")
    assert "text" not in made["medicationCodeableConcept"]
    assert [c["display"] for c in made["medicationCodeableConcept"]["coding"]] == ["Aspirin"]
    assert "RXE[1]-31" in lost(found)
    assert made["dosageInstruction"][0]["text"] == "Take one\nTake with food"


def test_times_of_day_from_two_fields_are_all_kept() -> None:
    found = record(header("RDE^O11"), PID, ORC, "RXE|1^BID&0800|1^Aspirin^L|1||TAB", "TQ1|1||BID|0800~2000")
    repeat = only(found, "MedicationRequest")["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat["timeOfDay"] == ["08:00:00", "20:00:00"]


@pytest.mark.parametrize("sent", ["Q8H PRN", "Q8HPRN", "q8h prn", "Q8H, PRN"])
def test_as_needed_behind_an_interval_is_both(sent: str) -> None:
    found = record(header("RDE^O11"), PID, ORC, f"RXE|^{sent}|1^Oxycodone^L|1||TAB")
    dose = only(found, "MedicationRequest")["dosageInstruction"][0]
    assert dose["asNeededBoolean"] is True
    assert {k: dose["timing"]["repeat"][k] for k in ("frequency", "period", "periodUnit")} == {
        "frequency": 1,
        "period": 8,
        "periodUnit": "h",
    }
    assert dose["timing"]["code"]["coding"][0]["code"] == sent
