"""Plans, guarantors, charges, accidents: what the sender said of money and who pays, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record

VISIT = "PV1|1|I|4W^412^B^NORTH" + "|" * 16 + "V5566^^^NORTH^VN"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))])


def plan(**more: str) -> str:
    fields = {1: "1", 2: "PPO1^Gold PPO", 3: "60054^^^NAIC", 4: "Cascade Mutual"}
    return segment("IN1", fields | {int(key[1:]): value for key, value in more.items()})


def charge(**more: str) -> str:
    fields = {1: "1", 2: "T1", 4: "20240304", 6: "CG", 7: "93000^ECG^C4"}
    return segment("FT1", fields | {int(key[1:]): value for key, value in more.items()})


def coverage(line: str, *others: str) -> Any:
    return only(record(header("ADT^A01"), PID, line, *others), "Coverage")


def test_a_plan_of_which_nobody_says_that_it_is_in_force_has_no_status() -> None:
    made = coverage(plan())
    assert "status" not in made
    assert made["_status"]["extension"] == [{"url": ABSENT, "valueCode": "unknown"}]
    assert coverage(plan(n55="D"))["status"] == "cancelled"


def test_group_number_and_name_are_one_class() -> None:
    assert [(c["value"], c.get("name")) for c in coverage(plan(n8="G7", n9="Acme^L^G7"))["class"]] == [
        ("PPO1", "Gold PPO"),
        ("G7", "Acme"),
    ]
    assert coverage(plan(n9="Acme^^77"))["class"][1] == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "group"}]},
        "value": "77",
        "name": "Acme",
    }
    assert "IN1[1]-9.3" in lost(record(header("ADT^A01"), PID, plan(n8="G7", n9="Acme^^88")))


def test_two_codes_of_a_plan_are_two_classes() -> None:
    found = record(header("ADT^A01"), PID, plan(n2="PPO1^Gold^NAIC^G1^Gold one^L"))
    assert [c["value"] for c in only(found, "Coverage")["class"]] == ["PPO1", "G1"]
    assert {"IN1[1]-2.3", "IN1[1]-2.6"} <= lost(found)


def test_every_number_of_the_insured_is_kept() -> None:
    made = coverage(plan(n36="POL1", n49="S1^^^CASCADE^MI~S2^^^CASCADE", n54="X9^^^PAYER"))
    assert made["subscriberId"] == "S1"
    assert [i["value"] for i in made["identifier"]] == ["POL1", "S1", "S2", "X9"]


def test_what_the_insured_pays_himself() -> None:
    (cost,) = coverage(plan(n37="500&USD"))["costToBeneficiary"]
    assert cost["type"]["coding"][0]["code"] == "deductible"
    assert cost["valueMoney"] == {"value": 500, "currency": "USD"}


def test_the_employer_holds_the_policy() -> None:
    found = record(header("ADT^A01"), PID, plan(n10="E1^^^FED", n11="Acme Inc", n44="1 Mill Rd^^Salem^OR^97301"))
    holder = only(found, "Coverage")["policyHolder"]["reference"]
    (acme,) = [o for o in every(found, "Organization") if f"Organization/{o['id']}" == holder]
    assert (acme["identifier"][0]["value"], acme["address"][0]["city"]) == ("E1", "Salem")


def test_a_second_insurance_company_is_listed() -> None:
    assert "IN1[1]-4[2]" in lost(record(header("ADT^A01"), PID, plan(n4="Cascade~Other Mutual")))


def test_the_insured_of_one_plan_is_not_that_of_the_next() -> None:
    lines = plan(n16="Okafor^Daniel", n17="SPO"), "IN1|2|MED^Medicare|CMS|Medicare", segment("IN2", {2: "900-22-3344"})
    found = record(header("ADT^A01"), PID, *lines)
    assert "identifier" not in only(found, "RelatedPerson")
    assert any(w.startswith("IN2[1]-2") for w in lost(found))


def test_a_guarantor_his_wife_and_his_organisation() -> None:
    line = segment("GT1", {1: "1", 3: "Okafor^Daniel", 4: "Okafor^Grace", 13: "20240101", 21: "Acme Trust"})
    found = record(header("ADT^A01"), PID, line)
    parties = [g["party"]["reference"].partition("/")[0] for g in only(found, "Account")["guarantor"]]
    assert parties == ["RelatedPerson", "Organization"]
    assert [g["period"]["start"] for g in only(found, "Account")["guarantor"]] == ["2024-01-01"] * 2
    assert [p["name"][0]["given"] for p in every(found, "RelatedPerson")] == [["Daniel"], ["Grace"]]
    assert "relationship" not in every(found, "RelatedPerson")[1]


def test_whom_to_call_at_an_organisation() -> None:
    line = segment("NK1", {1: "1", 13: "Acme", 30: "Moss^Ida~Vance^Leo", 31: "5035550100", 32: "1 Mill Rd^^Salem"})
    found = record(header("ADT^A01"), PID, line)
    contacts = only(found, "Patient")["contact"]
    assert [c["name"]["family"] for c in contacts] == ["Moss", "Vance"]
    assert contacts[0]["telecom"][0]["value"] == "5035550100"
    assert not {w for w in lost(found) if w.startswith("NK1")}


def test_how_to_reach_a_relative_through_the_contact_fields() -> None:
    line = segment("NK1", {1: "1", 2: "Okafor^Daniel", 31: "5035550100", 32: "1 Mill Rd^^Salem"})
    person = only(record(header("ADT^A01"), PID, line), "RelatedPerson")
    assert (person["telecom"][0]["value"], person["address"][0]["city"]) == ("5035550100", "Salem")


def test_an_account_keeps_its_class_its_balance_and_its_status() -> None:
    line = VISIT + "|BC^20240101" + "|" * 21 + "OPEN|||||1250.75"
    found = record(header("BAR^P01"), PID, line)
    account = only(found, "Account")
    assert account["type"]["coding"] == [{"code": "BC"}]
    assert account["status"] == "active"
    assert account["extension"][0]["extension"][0]["valueMoney"]["value"] == 1250.75
    assert "PV1-20.2" in lost(found)
    site = only(record(header("BAR^P01"), PID, line.replace("OPEN", "AV7")), "Account")
    assert site["status"] == "unknown"
    assert site["_status"]["extension"][0]["valueString"] == "AV7"


def test_an_accident_is_an_observation_with_an_official_code() -> None:
    found = record(header("BAR^P01"), PID, VISIT, "ACC|20240301|01^Auto^HL70050|I-5 exit 4|||||Rear-end collision")
    made = only(found, "Observation")
    assert made["code"]["coding"] == [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActClass", "code": "INC"}]
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "01"
    assert made["extension"][0]["valueReference"]["display"] == "I-5 exit 4"
    assert made["note"] == [{"text": "Rear-end collision"}]
    assert made["effectiveDateTime"] == "2024-03-01"


def test_a_charge_keeps_both_prices_its_product_and_who_did_what() -> None:
    line = charge(n10="2", n11="300.50^USD", n12="150.25^USD", n20="1^A^B", n21="2^C^D", n24="3^E^F", n26="26^Prof^C4")
    made = only(record(header("DFT^P03"), PID, VISIT, line), "ChargeItem")
    assert made["priceOverride"] == {"value": 300.50, "currency": "USD"}
    assert made["extension"][0]["extension"][0]["valueMoney"]["value"] == 150.25
    assert [p["function"]["coding"][0]["code"] for p in made["performer"]] == ["PRF", "OP"]
    assert made["enterer"]
    assert [c["code"] for c in made["code"]["coding"]] == ["93000", "26"]
    drug = only(record(header("DFT^P03"), PID, VISIT, charge(n29="0409-1234-01^Contrast^NDC")), "ChargeItem")
    assert drug["productCodeableConcept"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/ndc"


@pytest.mark.parametrize("kind", ["PY", "AJ", "CO", "CD"])
def test_a_payment_a_credit_or_an_adjustment_is_nothing_to_bill(kind: str) -> None:
    found = record(header("DFT^P03"), PID, charge(n6=kind))
    assert only(found, "ChargeItem")["status"] == "not-billable"
    assert "FT1[1]-6" in lost(found)
    assert ("charge-not-one", "FT1[1]-6") in {(w.code, w.where) for w in found.warnings}


def test_a_charge_is_one() -> None:
    found = record(header("DFT^P03"), PID, charge(n6="CG"))
    assert only(found, "ChargeItem")["status"] == "billable"
    assert not lost(found)
    assert "charge-not-one" not in codes(found)


def test_a_department_keeps_code_name_and_system() -> None:
    party = only(record(header("DFT^P03"), PID, charge(n13="CARD^Cardiology^DEPTS")), "ChargeItem")[
        "performingOrganization"
    ]
    assert party["display"] == "Cardiology"
    assert party["identifier"]["value"] == "CARD"
    assert party["identifier"]["system"].endswith("DEPTS")


def test_an_amount_that_is_none_is_warned_about() -> None:
    found = record(header("DFT^P03"), PID, charge(n11="free"))
    assert "value-not-numeric" in codes(found)
    assert "FT1[1]-11" in lost(found)


def test_an_account_of_which_only_a_status_is_known_is_none() -> None:
    found = record(header("ADT^A01"), PID, VISIT + "|" * 22 + "ARRIVED")
    assert not every(found, "Account")
    assert "PV1-41" in lost(found)


@pytest.mark.parametrize(
    ("word", "name", "own"), [("01", "Okafor^Ben", False), ("01", "Okafor^Grace", True), ("SEL", "Okafor^Gracie", True)]
)
def test_a_word_for_self_that_is_spouse_elsewhere_is_self_only_by_name(word: str, name: str, own: bool) -> None:
    found = record(header("ADT^A08"), PID, f"IN1|1|301^Gold|5001|Buckeye||||||||||||{name}|{word}")
    patient = only(found, "Patient")
    subscriber = only(found, "Coverage")["subscriber"]["reference"]
    assert (subscriber == f"Patient/{patient['id']}") is own
    assert any(n["given"] == ["Ben"] for n in patient["name"]) is False
