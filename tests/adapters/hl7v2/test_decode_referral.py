"""Referrals, problems, goals, pathways, and messages without a patient (HL7 v2 chapters 8, 11, 12)."""

from __future__ import annotations

import pytest

from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record


def test_a_referral_with_its_people_and_its_authorization() -> None:
    found = record(
        header("REF^I13"), "RF1|A|A|MED|||REF77^NORTH|20240305|20240605|20240304|S^Second opinion^HL70336||||In pain",
        "AUT|||Blue Plan|||AU9^PAYER", "PRD|RP^Referring^HL70286|Haddad^Leila|||||1234567893^NPI", "PRD|RT^Referred to^HL70286|Moss^Ira",
        "CTD|PR^Primary^HL70131|Desk^Dora|||^WPN^PH^^1^610^5550122", PID,
    )  # fmt: skip
    made = only(found, "ServiceRequest")
    assert (made["status"], made["priority"], made["authoredOn"]) == ("active", "asap", "2024-03-04")
    assert made["occurrencePeriod"] == {"start": "2024-03-05", "end": "2024-06-05"}
    assert made["reasonCode"][1] == {"text": "In pain"}
    (insurance,) = made["insurance"]
    assert (insurance["identifier"]["value"], insurance["display"]) == ("AU9", "Blue Plan")
    assert "requester" in made
    assert len(made["performer"]) == 1
    assert len(made["supportingInfo"]) == 1
    assert lost(found) == set()


@pytest.mark.parametrize(
    ("event", "sent", "status"),
    [("I12", "P", "draft"), ("I12", "R", "revoked"), ("I14", "", "revoked"), ("I12", "", "unknown")],
)
def test_status_of_a_referral(event: str, sent: str, status: str) -> None:
    found = record(header(f"REF^{event}"), f"RF1|{sent}||MED|||REF77", PID)
    assert only(found, "ServiceRequest")["status"] == status


def test_a_problem_that_was_established_after_it_began() -> None:
    prb = "PRB|AD|20240305|38341003^Hypertension^SCT|P1|||20240101||||||C^Confirmed|ACTIVE^Active||2019"
    made = only(record(header("PPR^PC1"), PID, prb), "Condition")
    assert made["onsetDateTime"] == "2019"
    assert made["recordedDate"] == "2024-03-05"
    assert made["extension"][0]["valueDateTime"] == "2024-01-01"


def test_a_status_that_fhir_does_not_have_is_listed() -> None:
    found = record(
        header("PPR^PC1"), PID, "PRB|AD|20240305|38341003^Hypertension^SCT|P1|||||||||ODD^Odd^L|DORMANT^Dormant^L"
    )
    made = only(found, "Condition")
    assert "clinicalStatus" not in made
    assert "verificationStatus" not in made
    assert {"PRB[1]-13", "PRB[1]-14"} <= lost(found)


def test_a_deleted_problem_is_an_error() -> None:
    made = only(record(header("PPR^PC3"), PID, "PRB|DE|20240305|38341003^Hypertension^SCT|P1"), "Condition")
    assert made["verificationStatus"]["coding"][0]["code"] == "entered-in-error"


@pytest.mark.parametrize(
    ("action", "life", "status"),
    [("AD", "ACTIVE^Active", "active"), ("UP", "C^Completed", "completed"), ("DE", "ACTIVE", "entered-in-error")],
)
def test_life_of_a_goal(action: str, life: str, status: str) -> None:
    gol = f"GOL|{action}|20240305|WT^Lose weight^L|G1|||||PER^Personal^L|||||||P^In progress^L|Slow|{life}|20240304"
    made = only(record(header("PGL^PC6"), PID, gol), "Goal")
    assert made["lifecycleStatus"] == status
    assert made["statusDate"] == "2024-03-04"
    assert made["achievementStatus"]["coding"][0]["code"] == "P"
    assert made["note"] == [{"text": "Slow"}]


def test_a_goal_without_a_state_has_none() -> None:
    made = only(record(header("PGL^PC6"), PID, "GOL|AD|20240305|WT^Lose weight^L|G1"), "Goal")
    assert "lifecycleStatus" not in made
    assert made["_lifecycleStatus"]["extension"][0]["valueCode"] == "unknown"


def test_a_variance_is_a_note_of_what_it_departs_from() -> None:
    found = record(
        header("PPP^PCB"),
        PID,
        "PTH|AD|H1^Path^L|I1|20240305|ACTIVE",
        "VAR|V1|20240306090000-0500||9^Nurse^Nina||Left early",
    )
    made = only(found, "CarePlan")
    assert made["status"] == "active"
    (note,) = made["note"]
    assert (note["text"], note["time"]) == ("Left early", "2024-03-06T09:00:00-05:00")
    assert note["authorReference"]["reference"].startswith("Practitioner/")


@pytest.mark.parametrize(
    ("event", "lines", "code"),
    [("MFN^M02", ("MFI|STF||UPD", "STF|1||Haddad^Leila"), "staff-or-master-file"), ("PMU^B01", ("STF|1||Haddad^Leila",), "staff-or-master-file"),
     ("QBP^Q11", ("QPD|Z44|1",), "question"), ("ACK^R01", ("MSA|AA|1",), "acknowledgement"), ("DSR^Q03", ("DSP|1||A line",), "answer-without-patient"),
     ("ORU^R01", ("OBR|1|P1|F1|1^Test^L",), "patient-missing")],
)  # fmt: skip
def test_a_message_without_a_patient_says_so(event: str, lines: tuple[str, ...], code: str) -> None:
    found = record(header(event), *lines)
    assert found.patient is None
    assert code in codes(found)


def test_every_field_of_a_staff_message_is_listed() -> None:
    found = record(header("MFN^M02"), "MFI|STF||UPD", "MFE|MAD|1|20240305|7", "STF|7||Haddad^Leila")
    assert {"MFI[1]-1", "MFI[1]-3", "MFE[1]-4", "STF[1]-1", "STF[1]-3"} <= lost(found)
    assert every(found, "Practitioner") == []


def test_results_in_an_answer_are_results() -> None:
    found = record(
        header("ORF^R04"),
        "MSA|AA|7",
        "QRD|20240305|R|I|Q1|||1^RD|4^Okafor",
        PID,
        "OBR|1|P1|F1|1^Panel^L",
        "OBX|1|NM|2345-7^Glucose^LN||98|mg/dL|||||F",
    )
    assert only(found, "Observation")["valueQuantity"]["value"] == 98
    assert only(found, "DiagnosticReport")["result"]
