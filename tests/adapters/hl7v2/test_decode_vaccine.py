"""Vaccinations, refusals, histories and forecasts of registries (CDC immunization guide 2.5.1, versions 2.3.1 to 2.5.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.hl7v2.sample import PID, every, header, lost, only, record

RXA = "RXA|0|1|20240305||03^MMR^CVX|0.5|mL^^UCUM||{origin}|||||||||{why}||{completion}|{action}"


def given(*obx: str, origin: str = "00^New^NIP001", why: str = "", completion: str = "CP", action: str = "A") -> Any:
    rxa = RXA.format(origin=origin, why=why, completion=completion, action=action)
    return record(header("VXU^V04"), PID, "ORC|RE||F1^EHR", rxa, *obx)


@pytest.mark.parametrize(
    ("completion", "action", "status"),
    [("CP", "A", "completed"), ("PA", "A", "completed"), ("RE", "A", "not-done"), ("NA", "A", "not-done"), ("", "", "completed"), ("CP", "D", "entered-in-error")],
)  # fmt: skip
def test_status(completion: str, action: str, status: str) -> None:
    assert only(given(completion=completion, action=action), "Immunization")["status"] == status


def test_a_refusal_has_its_reason_as_sent() -> None:
    made = only(given(why="00^Parental decision^NIP002", completion="RE"), "Immunization")
    assert made["status"] == "not-done"
    (coding,) = made["statusReason"]["coding"]
    assert (coding["code"], coding["display"]) == ("00", "Parental decision")


def test_a_refusal_without_a_reason_says_only_that_it_was_refused() -> None:
    (coding,) = only(given(completion="RE"), "Immunization")["statusReason"]["coding"]
    assert coding == {"system": "http://terminology.hl7.org/CodeSystem/v2-0322", "code": "RE"}


@pytest.mark.parametrize(("code", "primary"), [("00", True), ("01", False), ("07", False)])
def test_administered_here_or_told_by_others(code: str, primary: bool) -> None:
    made = only(given(origin=f"{code}^words^NIP001"), "Immunization")
    assert made["primarySource"] is primary
    assert ("reportOrigin" in made) is not primary
    if not primary:
        assert made["reportOrigin"]["coding"][0] == {
            "system": "urn:hie:system:NIP001",
            "code": code,
            "display": "words",
        }


def test_who_entered_ordered_and_gave() -> None:
    orc = "ORC|RE||F1^EHR|||||||7^Clerk^Cleo||8^Haddad^Leila|||||NC1^North Clinic^L"
    rxa = "RXA|0|1|20240305||03^MMR^CVX|0.5|mL||00^New^NIP001|9^Nurse^Nina"
    found = record(header("VXU^V04"), PID, orc, rxa)
    performers = only(found, "Immunization")["performer"]
    roles = sorted(p["function"]["coding"][0]["code"] for p in performers)
    assert roles == ["AP", "EP", "EP", "OP"]
    assert any(p["actor"].get("reference", "").startswith("Organization/") for p in performers)
    assert lost(found) == set()


def test_eligibility_funding_and_indication() -> None:
    found = given(
        "OBX|1|CE|64994-7^Eligibility^LN|1|V02^Medicaid^HL70064||||||F|||20240305",
        "OBX|2|CE|30963-3^Funding^LN|2|PHC70^Private^CDCPHINVS||||||F",
        "OBX|3|CE|59785-6^Indication^LN|3|VXC7^Rabies exposure^CDCPHINVS||||||F",
        "OBX|4|TX|48767-8^Comment^LN|4|second attempt||||||F",
    )
    made = only(found, "Immunization")
    assert made["programEligibility"][0]["coding"][0]["code"] == "V02"
    assert made["fundingSource"]["coding"][0]["code"] == "PHC70"
    assert made["reasonCode"][0]["coding"][0]["code"] == "VXC7"
    assert made["note"] == [{"text": "second attempt"}]
    assert every(found, "Observation") == []
    assert lost(found) == set()


def test_how_eligibility_was_captured_stays_beside_it() -> None:
    found = given("OBX|1|CE|64994-7^E^LN|1|V02^Medicaid^HL70064||||||F|||20240305|||VXC40^per immunization^CDCPHINVS")
    assert only(found, "Immunization")["programEligibility"][0]["coding"][0]["code"] == "V02"
    assert only(found, "Observation")["method"]["coding"][0]["code"] == "VXC40"
    assert lost(found) == set()


def test_information_statements_by_their_group() -> None:
    made = only(
        given(
            "OBX|1|CE|69764-9^Document type^LN|1|253088698300012711120420^MMR VIS^cdcgs1vis||||||F",
            "OBX|2|TS|29769-7^Presented^LN|1|20240305||||||F",
            "OBX|3|CE|30956-7^Vaccine type^LN|2|03^MMR^CVX||||||F",
            "OBX|4|TS|29768-9^Published^LN|2|20210806||||||F",
            "OBX|5|TS|29769-7^Presented^LN|2|20240305||||||F",
        ),
        "Immunization",
    )
    first, second = made["education"]
    assert first["documentType"] == "253088698300012711120420"
    assert first["presentationDate"] == "2024-03-05"
    assert "publicationDate" not in first
    assert (second["documentType"], second["publicationDate"]) == ("03", "2021-08-06")


def test_a_reaction_has_its_date_and_its_observation() -> None:
    found = given("OBX|1|CE|31044-1^Reaction^LN|1|VXC12^fever^CDCPHINVS||||||F|||20240306")
    (reaction,) = only(found, "Immunization")["reaction"]
    observation = only(found, "Observation")
    assert reaction == {"date": "2024-03-06", "detail": {"reference": f"Observation/{observation['id']}"}}


def test_presumed_immunity_stays_an_observation() -> None:
    found = record(
        header("VXU^V04"), PID, "RXA|0|1|20240305||998^No vaccine administered^CVX|999||||||||||||||NA",
        "OBX|1|CE|59784-9^Disease with presumed immunity^LN|1|38907003^Varicella^SCT||||||F",
    )  # fmt: skip
    assert only(found, "Immunization")["status"] == "not-done"
    assert only(found, "Observation")["valueCodeableConcept"]["coding"][0]["code"] == "38907003"


def test_an_evaluated_dose() -> None:
    made = only(
        given(
            "OBX|1|CE|30956-7^Vaccine type^LN|1|03^MMR^CVX||||||F", "OBX|2|CE|59779-9^Schedule^LN|1|VXC16^ACIP^CDCPHINVS||||||F",
            "OBX|3|NM|30973-2^Dose number^LN|1|1||||||F", "OBX|4|NM|59782-3^Doses^LN|1|2||||||F", "OBX|5|ST|59780-7^Series^LN|1|MMR||||||F",
        ),
        "Immunization",
    )  # fmt: skip
    (applied,) = made["protocolApplied"]
    assert (applied["series"], applied["doseNumberPositiveInt"], applied["seriesDosesPositiveInt"]) == ("MMR", 1, 2)
    assert applied["targetDisease"][0]["coding"][0]["code"] == "03"
    assert applied["authority"]["display"] == "ACIP"


def test_a_forecast_by_its_groups() -> None:
    found = record(
        header("RSP^K11"), "MSA|AA|1", PID, "ORC|RE||9999^IIS", "RXA|0|1|20240305||998^No vaccine administered^CVX|999||||||||||||||NA",
        "OBX|1|CE|30979-9^Due next^LN|1|107^DTaP^CVX||||||F", "OBX|2|DT|30980-7^Due^LN|1|20240801||||||F",
        "OBX|3|DT|30981-5^Earliest^LN|1|20240715||||||F", "OBX|4|NM|30973-2^Dose^LN|1|4||||||F",
        "OBX|5|CE|59783-1^Status^LN|1|LA13423-1^Overdue^LN||||||F",
        "OBX|6|CE|30979-9^Due next^LN|2|03^MMR^CVX||||||F", "OBX|7|NM|30973-2^Dose^LN|2|2||||||F", "OBX|8|DT|59778-1^Overdue^LN|2|20240901||||||F",
    )  # fmt: skip
    made = only(found, "ImmunizationRecommendation")
    first, second = made["recommendation"]
    assert first["vaccineCode"][0]["coding"][0]["code"] == "107"
    assert [(c["code"]["coding"][0]["code"], c["value"]) for c in first["dateCriterion"]] == [
        ("30980-7", "2024-08-01"),
        ("30981-5", "2024-07-15"),
    ]
    assert (first["doseNumberPositiveInt"], second["doseNumberPositiveInt"]) == (4, 2)
    assert first["forecastStatus"]["coding"][0]["code"] == "overdue"
    assert "coding" not in second["forecastStatus"]
    assert "protocolApplied" not in only(found, "Immunization")
    assert every(found, "Observation") == []


def test_an_old_history_without_order() -> None:
    found = record(
        header("VXU^V04").replace("2.5.1", "2.3.1"), PID,
        "RXA|0|1|19900607|19900607|08^HEPB^CVX^90744^HEPB^CPT|.5|ML||03^FROM PARENT^NIP001|^Jones^Lisa|^^^HOSPITAL||||LOT1|199206|MSD^MERCK^MVX",
        "RXR|IM^INTRAMUSCULAR^HL70162|LA^LEFT ARM^HL70163",
    )  # fmt: skip
    made = only(found, "Immunization")
    assert [c["code"] for c in made["vaccineCode"]["coding"]] == ["08", "90744"]
    assert (made["lotNumber"], made["expirationDate"], made["occurrenceDateTime"]) == ("LOT1", "1992-06", "1990-06-07")
    assert made["route"]["coding"][0]["code"] == "IM"
    assert lost(found) == set()


def test_the_number_that_a_registry_sends_beside_the_origin() -> None:
    made = only(given(origin="01^Historical^NIP001~38193939^Registry id^IMM_ID"), "Immunization")
    assert made["primarySource"] is False
    assert {"type": {"text": "Registry id"}, "system": "urn:hie:system:IMM_ID", "value": "38193939"} in made[
        "identifier"
    ]
