"""Orders: when and how often, who takes part, what stands around a specimen, and which order is whose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record

DOCTOR = "1234567893^Haddad^Leila^^^^MD^^NPI"


def segment(name: str, **fields: str) -> str:
    """A segment by its field numbers: segment("OBR", f4="A^a^L")."""
    last = max(int(key[1:]) for key in fields)
    return name + "".join("|" + fields.get(f"f{n}", "") for n in range(1, last + 1))


def ordered(*lines: str) -> Any:
    return record(header("OML^O21"), PID, "ORC|NW|P1^EHR", "OBR|1|P1^EHR||718-7^Hb^LN", *lines)


@pytest.mark.parametrize(
    ("tq1", "timing"),
    [
        ({"f3": "Q6H"}, {"repeat": {"frequency": 1, "period": 6, "periodUnit": "h"}}),
        ({"f3": "^^^^12^h"}, {"repeat": {"period": 12, "periodUnit": "h"}}),
        ({"f3": "^^^^^^^AC^30^min"}, {"repeat": {"when": ["AC"], "offset": 30}}),
        ({"f3": "BID", "f4": "0800~2000"}, {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:00:00"]}}),
        ({"f3": "Q6H", "f6": "5^days", "f7": "20240306"}, {"repeat": {"boundsDuration": {"value": 5, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}}, "event": ["2024-03-06"]}),
        ({"f3": "QD", "f7": "20240306", "f8": "20240309"}, {"repeat": {"boundsPeriod": {"start": "2024-03-06", "end": "2024-03-09"}}}),
        ({"f3": "QD", "f13": "20^min", "f14": "4"}, {"repeat": {"duration": 20, "durationUnit": "min", "count": 4}}),
    ],
)  # fmt: skip
def test_timing(tq1: dict[str, str], timing: dict[str, Any]) -> None:
    found = ordered(segment("TQ1", f1="1", **tq1))
    made = only(found, "ServiceRequest")["occurrenceTiming"]
    assert timing["repeat"].items() <= made["repeat"].items()
    assert made.get("event") == timing.get("event")
    assert not lost(found)


@pytest.mark.parametrize(
    ("tq", "repeat"),
    [
        ("1^Q6H&0600,1200,1800,2400", {"timeOfDay": ["06:00:00", "12:00:00", "18:00:00", "00:00:00"], "period": 6}),
        ("1^BID^X10", {"count": 10, "frequency": 2}),
        ("1^TID^D3", {"boundsDuration": {"value": 3, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}}),
    ],
)
def test_quantity_timing_of_older_versions(tq: str, repeat: dict[str, Any]) -> None:
    found = record(header("ORM^O01"), PID, f"ORC|NW|P1^EHR|||SC||{tq}", "OBR|1|P1^EHR||718-7^Hb^LN")
    assert repeat.items() <= only(found, "ServiceRequest")["occurrenceTiming"]["repeat"].items()


def test_a_condition_an_instruction_and_a_priority() -> None:
    made = only(ordered("TQ1|1||||||||S^Stat^HL70485|if fever|fasting"), "ServiceRequest")
    assert made["priority"] == "stat"
    assert made["asNeededCodeableConcept"] == {"text": "if fever"}
    assert made["patientInstruction"] == "fasting"


def test_one_time_told_twice_is_one_fact() -> None:
    line = segment("OBR", f1="1", f2="P1^EHR", f4="718-7^Hb^LN", f27="1^^^20240306^^R", f36="20240306")
    found = record(header("ORM^O01"), PID, "ORC|NW|P1^EHR|||SC||1^^^20240306^^R", line)
    assert only(found, "ServiceRequest")["occurrenceDateTime"] == "2024-03-06"
    assert not lost(found)


def test_a_requester_and_the_facility_named_apart_are_one_role() -> None:
    orc = segment("ORC", f1="RE", f2="P1^EHR", f21="North Clinic", f24="14 Mill Rd^^Easton^PA^18042")
    found = record(header(), PID, orc, segment("OBR", f1="1", f2="P1^EHR", f4="718-7^Hb^LN", f16=DOCTOR, f25="F"))
    role = only(found, "PractitionerRole")
    assert role["practitioner"]["reference"].startswith("Practitioner/")
    assert role["organization"]["reference"].startswith("Organization/")
    assert only(found, "Practitioner")["address"][0]["city"] == "Easton"
    assert only(found, "ServiceRequest")["requester"] == {"reference": f"PractitionerRole/{role['id']}"}
    assert codes(found) == set()


def test_who_entered_and_verified_an_order_is_its_provenance() -> None:
    orc = segment(
        "ORC", f1="NW", f2="P1^EHR", f9="20240305101000-0500", f10="7^Reyes^Ana", f11="8^Lund^Eva", f18="WS1^Desk^L"
    )
    found = record(header("OML^O21"), PID, orc, "OBR|1|P1^EHR||718-7^Hb^LN")
    made = only(found, "Provenance")
    assert made["target"] == [{"reference": f"ServiceRequest/{only(found, 'ServiceRequest')['id']}"}]
    assert made["recorded"] == "2024-03-05T10:10:00-05:00"
    assert [a["type"]["coding"][0]["code"] for a in made["agent"]] == ["enterer", "verifier", "enterer"]
    assert made["agent"][2]["who"]["display"] == "Desk"
    assert not lost(found)


def test_participations_of_newer_versions() -> None:
    def part(role: str, number: str) -> str:
        return segment("PRT", f1="1", f2="AD", f4=f"{role}^^HL70912", f5=f"{number}^Name{number}")

    found = record(
        header(), PID, "OBR|1|P1|F1|718-7^Hb^LN|||20240304||||||||||||||||||F",
        part("OP", "1"), part("RCT", "2"), part("PI", "3"), part("SC", "4"), part("TN", "5"), part("TR", "6"),
        "OBX|1|NM|718-7^Hb^LN||13||||||F", part("RO", "7"),
        segment("PRT", f1="1", f2="AD", f4="EQUIP^^HL70912", f10="M1^ACME", f16="(01)0123", f19="LOT7"),
        "SPM|1|S1||BLD",
    )  # fmt: skip
    names = {f"Practitioner/{p['id']}": p["name"][0]["family"] for p in every(found, "Practitioner")}

    def named(*references: dict[str, str]) -> list[str]:
        return [names[r["reference"]] for r in references]

    report, order, result = only(found, "DiagnosticReport"), only(found, "ServiceRequest"), only(found, "Observation")
    assert named(order["requester"]) == ["Name1"]
    assert named(*only(found, "CommunicationRequest")["recipient"]) == ["Name2"]
    assert named(*report["resultsInterpreter"]) == ["Name3"]
    assert named(only(found, "Specimen")["collection"]["collector"]) == ["Name4"]
    assert named(*report["performer"]) == ["Name5"]
    assert named(only(found, "Provenance")["agent"][0]["who"]) == ["Name6"]
    assert named(*result["performer"]) == ["Name7"]
    device = only(found, "Device")
    assert result["device"] == {"reference": f"Device/{device['id']}"}
    assert (device["udiCarrier"][0]["carrierHRF"], device["lotNumber"]) == ("(01)0123", "LOT7")


def test_an_order_behind_its_detail_joins_it_where_the_structure_has_it_so() -> None:
    lines = [
        line
        for n in (1, 2)
        for line in (f"OBR|{n}||F{n}|718-7^Hb^LN", f"ORC|OK|P{n}|F{n}", "OBX|1|NM|718-7^Hb^LN||13||||||F")
    ]
    found = record(header("OUL^R22"), PID, "SPM|1|S1||BLD", *lines)
    first, _second = every(found, "ServiceRequest")
    assert {i["value"] for i in first["identifier"]} == {"P1", "F1"}
    assert [len(report["result"]) for report in every(found, "DiagnosticReport")] == [1, 1]


def test_equipment_in_levels() -> None:
    obx = segment("OBX", f1="1", f2="NM", f3="718-7^Hb^LN", f5="13", f11="F", f18="MOD1^ACME~UNIT2^ACME~LINE3^ACME")
    found = record(header(), PID, "OBR|1|P1|F1|718-7^Hb^LN", obx)
    device = only(found, "Device")
    assert device["identifier"][0]["value"] == "MOD1"
    assert device["contained"][0]["identifier"][0]["value"] == "UNIT2"
    assert device["contained"][0]["parent"]["identifier"]["value"] == "LINE3"
    assert not lost(found)


def test_the_site_of_a_specimen_and_what_qualifies_it() -> None:
    spm = segment("SPM", f1="1", f2="S1", f4="SKN", f8="ARM^Arm^99S", f9="L^Left^99S", f10="WARD^Ward^99S")
    found = record(header("OML^O21"), PID, "OBR|1|P1||718-7^Hb^LN", spm)
    made = only(found, "Specimen")
    assert made["collection"]["bodySite"]["coding"][0]["code"] == "ARM"
    assert made["contained"][0]["locationQualifier"][0]["coding"][0]["code"] == "L"
    assert lost(found) == {"SPM[1]-10"}


def test_an_answer_to_an_order_is_no_report() -> None:
    found = record(header("ORL^O22"), "MSA|AA|1", PID, "ORC|OK|P1|F1", "OBR|1|P1|F1|718-7^Hb^LN")
    assert only(found, "ServiceRequest")["status"] == "active"
    assert not every(found, "DiagnosticReport")


def test_further_repetitions_of_what_has_room_for_one_are_listed() -> None:
    orc = segment(
        "ORC", f1="NW", f2="P1^EHR", f12=DOCTOR, f16="A^a^L~B^b^L", f21="North~Submitter", f24="1 A St^^X~2 B St^^Y"
    )
    obr = segment("OBR", f1="1", f2="P1^EHR", f4="718-7^Hb^LN", f10="8^Coll~9^Lector", f15="BLD")
    found = record(header("OML^O21"), PID, orc, obr)
    assert lost(found) == {"ORC[1]-16[2]", "ORC[1]-21[2]", "ORC[1]-24[2]", "OBR[1]-10[2]"}
