"""Odd but real, in header, patient and visit: each item has its one outcome."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.hl7v2.decode import decode
from adapters.hl7v2.original_segments import read as cut
from adapters.hl7v2.reader import read
from hie.model import FeedContext
from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record, records

VISIT = "PV1|1|I|4W^412^B^NORTH" + "|" * 16 + "V5566^^^NORTH^VN"


def patient(line: str, event: str = "ADT^A08", context: FeedContext | None = None) -> Any:
    return only(record(header(event), line, context=context), "Patient")


# -- dates ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("1987", "1987"),
        ("199911", "1999-11"),
        ("19790412", "1979-04-12"),
        ("19790412000000", "1979-04-12"),
        ("19870101^Y", "1987"),
        ("19870601^L", "1987-06"),
    ],
)
def test_a_birth_date_is_as_precise_as_it_was_sent(sent: str, meant: str) -> None:
    found = record(header("ADT^A08"), PID.replace("19790412", sent))
    assert only(found, "Patient")["birthDate"] == meant
    assert "PID-7" not in lost(found)
    assert "_birthDate" not in only(found, "Patient")


@pytest.mark.parametrize(
    "sent", ["00000000", "00010101000000", "19790230", "19791301", "UNKNOWN", "4/12/1979", "450102"]
)
def test_what_is_no_date_is_listed_and_warned_about(sent: str) -> None:
    found = record(header("ADT^A08"), PID.replace("19790412", sent))
    assert "birthDate" not in only(found, "Patient")
    assert "PID-7" in lost(found)
    assert "time-invalid" in codes(found)


def test_a_birth_after_the_message_is_kept_and_flagged() -> None:
    found = record(header("ADT^A08"), PID.replace("19790412", "20250101"))
    assert only(found, "Patient")["birthDate"] == "2025-01-01"
    assert ("contradiction", "PID-7") in {(w.code, w.where) for w in found.warnings}


def test_a_time_of_birth_keeps_the_senders_odd_offset() -> None:
    line = PID.replace("19790412", "197904122350+0215")
    found = patient(line)
    assert found["birthDate"] == "1979-04-12"
    assert found["_birthDate"]["extension"][0]["valueDateTime"] == "1979-04-12T23:50:00+02:15"


def test_minutes_without_an_offset_stay_a_date_with_the_text_as_sent() -> None:
    pv1 = VISIT + "|" * 25 + "202403050945"
    span = only(record(header("ADT^A01", stamp="20240305"), PID, pv1), "Encounter")["period"]
    assert span["start"] == "2024-03-05"
    assert span["_start"]["extension"][0]["valueString"] == "202403050945"


# -- identifiers, names, telephones ---------------------------------------------------------------------------------------


def test_the_old_identifier_fields_are_identifiers() -> None:
    line = "PID|1|E77^^^OUT|448812^^^NORTH^MR|A12~A13||Okafor^Grace"
    assert [i["value"] for i in patient(line)["identifier"]] == ["448812", "E77", "A12", "A13"]


def test_a_number_sent_twice_is_one_identifier() -> None:
    line = "PID|1|448812|448812^^^NORTH^MR||Okafor^Grace" + "|" * 14 + "900-11-2233"
    known = patient(line.replace("448812^^^NORTH^MR", "448812^^^NORTH^MR~900112233^^^SSA^SS"))["identifier"]
    assert [i["value"] for i in known] == ["448812", "900112233"]


def test_a_repetition_without_a_number_makes_no_identifier() -> None:
    found = record(header("ADT^A08"), PID.replace("448812^^^NORTH^MR", "448812^^^NORTH^MR~^^^NORTH^PI"))
    assert [i["value"] for i in only(found, "Patient")["identifier"]] == ["448812"]
    assert {"PID-3[2].4", "PID-3[2].5"} <= lost(found)


def test_a_name_of_version_2_1_has_its_parts() -> None:
    (name,) = patient("PID|1||448812||OKAFOR^GRACE^A^JR^DR^MD")["name"]
    assert name == {"family": "OKAFOR", "given": ["GRACE", "A"], "prefix": ["DR"], "suffix": ["JR", "MD"]}


def test_names_of_all_kinds_keep_their_use() -> None:
    sent = "van Dijk&van&Dijk^Eva^^^^^L~Smit^Eva^^^^^M~Effie^^^^^^N~^^^^^^S"
    found = patient(f"PID|1||448812^^^NORTH^MR||{sent}")["name"]
    assert [n["use"] for n in found] == ["official", "maiden", "nickname", "anonymous"]
    assert [e["valueString"] for e in found[0]["_family"]["extension"]] == ["van", "Dijk"]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("(541)555-0142", [("phone", "(541)555-0142", "home")]),
        ("grace@example.org", [("email", "grace@example.org", "home")]),
        ("grace@example.org^NET^Internet", [("email", "grace@example.org", "home")]),
        ("^NET^Internet^grace@example.org", [("email", "grace@example.org", "home")]),
        ("^PRN^CP^^1^541^5550142^7", [("phone", "+1 (541) 5550142 x7", "mobile")]),
        ("^PRN^PH^^^^^^^^^+15415550142", [("phone", "+15415550142", "home")]),
        ("5415550142^PRN^PH^^^541^5550142", [("phone", "5415550142", "home")]),
    ],
)
def test_a_telephone_number_or_an_address_wherever_it_stands(sent: str, meant: list[tuple[str, str, str]]) -> None:
    line = PID + "|" * 5 + sent
    assert [(t["system"], t["value"], t["use"]) for t in patient(line)["telecom"]] == meant


def test_two_numbers_in_one_repetition_are_both_kept_and_flagged() -> None:
    found = record(header("ADT^A08"), PID + "|" * 5 + "5035550100^PRN^PH^^^541^5550142")
    assert [t["value"] for t in only(found, "Patient")["telecom"]] == ["(541) 5550142", "5035550100"]
    assert ("contradiction", "PID-13") in {(w.code, w.where) for w in found.warnings}


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("5 Quay Rd^^Bend^OR^97702", ["Deschutes"]),
        ("5 Quay Rd^^Bend^OR^97702^^^^Deschutes", ["Deschutes"]),
        ("5 Quay Rd^^Bend^OR^97702^^^^Crook", ["Crook", "Deschutes"]),
        ("", ["Deschutes"]),
    ],
)
def test_the_county_of_pid_12_has_a_place(address: str, meant: list[str]) -> None:
    found = record(header("ADT^A08"), PID + f"|||{address}|Deschutes")
    assert [a.get("district") for a in only(found, "Patient")["address"]] == meant
    assert "PID-12" not in lost(found)


# -- contradictions, deletions ---------------------------------------------------------------------------------------------


def test_a_twin_who_was_born_alone_is_flagged() -> None:
    found = record(header("ADT^A08"), PID + "|" * 16 + "N|2")
    assert only(found, "Patient")["multipleBirthInteger"] == 2
    assert "PID-24" in lost(found)
    assert "contradiction" in codes(found)


def test_the_first_of_one_is_no_twin() -> None:
    found = record(header("ADT^A08"), PID + "|" * 16 + "N|1")
    assert only(found, "Patient")["multipleBirthBoolean"] is False
    assert "contradiction" not in codes(found)


def test_a_death_with_an_indicator_that_says_alive_is_flagged() -> None:
    found = record(header("ADT^A08"), PID + "|" * 21 + "20240301|N")
    assert only(found, "Patient")["deceasedDateTime"] == "2024-03-01"
    assert {"PID-30"} <= lost(found)
    assert "contradiction" in codes(found)


def test_a_discharge_in_an_event_that_says_the_visit_goes_on_is_flagged() -> None:
    found = record(header("ADT^A13"), PID, VISIT + "|" * 26 + "20240306150000-0500")
    visit = only(found, "Encounter")
    assert visit["status"] == "in-progress"
    assert visit["period"]["end"] == "2024-03-06T15:00:00-05:00"
    assert ("contradiction", "PV1-45") in {(w.code, w.where) for w in found.warnings}


def test_a_deleted_value_is_told_wherever_it_stands() -> None:
    line = 'PID|1||448812^^^NORTH^MR||Okafor^Grace^""||""|F|||""||5035550100~""'
    found = record(header("ADT^A08"), line, VISIT.replace("4W^412^B^NORTH", '""'))
    told = {w.where for w in found.warnings if w.code == "value-deleted"}
    assert told == {"PID-5.3", "PID-7", "PID-11", "PID-13[2]", "PV1-3"}
    assert {x.where for x in found.deleted} == {"PID-7", "PID-11", "PV1-3"}
    made = only(found, "Patient")
    assert made["name"][0]["given"] == ["Grace"]
    assert not {"birthDate", "address"} & made.keys()


@pytest.mark.parametrize("line", ['NK1|1|""', 'IN1|1|""', 'AL1|1||""', 'DG1|1||""', 'GT1|1|""|""', 'PR1|1||""'])
def test_a_deleted_statement_makes_no_resource(line: str) -> None:
    found = record(header("ADT^A08"), PID, VISIT, line)
    kinds = {r["resourceType"] for r in found.resources}
    assert not kinds & {"RelatedPerson", "Coverage", "AllergyIntolerance", "Condition", "Procedure"}
    assert "value-deleted" in codes(found)


# -- segments ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "PR1", "GT1", "IN1", "IN2", "ACC", "MRG", "ROL", "EVN"]
)
def test_a_segment_that_is_only_its_name_says_nothing(name: str) -> None:
    found = record(header("ADT^A08"), PID, name)
    kinds = {r["resourceType"] for r in found.resources}
    assert kinds <= {"MessageHeader", "Patient", "Organization", "Account"}
    assert not lost(found)


def test_several_patients_are_several_records() -> None:
    first, second = records(header("ADT^A08"), PID, "PID|2||7^^^NORTH^MR||Vance^Leo", "AL1|1|DA|^Latex")
    assert only(first, "Patient")["name"][0]["family"] == "Okafor"
    assert not every(first, "AllergyIntolerance")
    assert only(second, "AllergyIntolerance")["patient"]["reference"] == second.patient


def test_a_pid_that_comes_again_is_the_same_patient() -> None:
    found = record(header("ADT^A08"), PID, VISIT, PID, "AL1|1|DA|^Latex")
    assert len(every(found, "Patient")) == 1
    assert len(only(found, "Patient")["identifier"]) == 1
    assert len(only(found, "Patient")["name"]) == 1


def test_a_pid_glued_to_the_next_segment_is_parted() -> None:
    found = record(header("ADT^A08"), PID + "|" * 34 + "PV1|1|I|4W^412^B" + "|" * 16 + "V5566")
    assert "segment-glued" in codes(found)
    assert only(found, "Encounter")["identifier"][0]["value"] == "V5566"


def test_site_segments_are_listed_field_by_field() -> None:
    found = record(header("ADT^A08"), PID, "ZPI|1|alpha^beta||gamma", "ZZ1|x")
    assert {"ZPI[1]-1", "ZPI[1]-2", "ZPI[1]-4", "ZZ1[1]-1"} <= lost(found)


def test_a_note_behind_the_patient_belongs_to_nobody_else() -> None:
    found = record(header("ADT^A08"), PID, "NTE|1||Wears glasses", "DG1|1||R07.9^Chest pain^I10C")
    assert "note" not in only(found, "Condition")
    assert "Wears glasses" in repr(found.resources) or any(w.startswith("NTE[1]") for w in lost(found))


# -- header --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ADT^", "ADT", "ADT^^ADT_A01", "^A08", ""])
def test_an_incomplete_message_type_is_read_as_far_as_it_goes(kind: str) -> None:
    found = record(header(kind), PID, VISIT)
    assert only(found, "Patient")["name"][0]["family"] == "Okafor"
    assert only(found, "Encounter")["identifier"][0]["value"] == "V5566"
    assert only(found, "MessageHeader")["eventCoding"]["code"]


@pytest.mark.parametrize("version", ["", "1.0", "2.1", "2.3.z", "2.8", "9"])
def test_the_version_changes_nothing(version: str) -> None:
    lines = header("ADT^A08").rpartition("|")[0] + "|" + version, PID, VISIT
    assert only(record(*lines), "Encounter")["status"] == "unknown"


def test_a_header_that_ends_early_is_read() -> None:
    found = record(r"MSH|^~\&|LAB|NORTH|||||ADT^A08", PID)
    assert only(found, "Patient")["birthDate"] == "1979-04-12"


def test_both_numbers_of_the_receiver_are_kept() -> None:
    msh = r"MSH|^~\&|LAB|NORTH|HIE^app.example^DNS|REGION|20240305||ADT^A08|1|P|2.5.1" + "|" * 13 + "net.example"
    (to,) = only(record(msh, PID), "MessageHeader")["destination"]
    assert (to["endpoint"], to["target"]["identifier"]["value"]) == ("net.example", "app.example")


def test_types_that_no_table_knows_stay_at_their_elements_as_sent() -> None:
    line = "PID|1||448812^^^NORTH^MR||Okafor^Grace^^^^^KEEPER||19790412|X9|||1 Main^^Bend^OR^97701^USA^SITE||5035550100^OFFX^BOX"
    found = record(header("ADT^A08"), line, VISIT)
    made = only(found, "Patient")
    kept = (
        made["name"][0]["_use"],
        made["address"][0]["_use"],
        made["telecom"][0]["_use"],
        made["telecom"][0]["_system"],
    )
    assert [one["extension"][0]["valueString"] for one in (*kept, made["_gender"])] == [
        "KEEPER",
        "SITE",
        "OFFX",
        "BOX",
        "X9",
    ]
    assert not {w for w in lost(found) if w.startswith("PID")}


def test_a_range_and_two_dates_of_an_address() -> None:
    address = "1 Main^^Bend^OR^97701^USA^H^^^^^20200101&20211231^{}^20211231"
    same = record(header("ADT^A08"), PID + "|||" + address.format("20200101"))
    assert only(same, "Patient")["address"][0]["period"] == {"start": "2020-01-01", "end": "2021-12-31"}
    assert not lost(same)
    assert "PID-11.13" in lost(record(header("ADT^A08"), PID + "|||" + address.format("20190101")))


def test_times_of_the_header_without_an_offset_keep_their_digits() -> None:
    evn = "EVN|A08|20240305101200||||20240304093000"
    found = record(header("ADT^A08", stamp="20240305101530"), evn, PID)
    assert found.occurred == "2024-03-04"
    meta = only(found, "MessageHeader")["meta"]
    assert meta["_lastUpdated"]["extension"][0]["valueString"] == "20240305101530"
    assert "EVN-2" in lost(found)
    assert ("time-without-zone", "EVN-6") in {(w.code, w.where) for w in found.warnings}


def test_a_clinic_is_part_of_the_facility_of_the_visit() -> None:
    pv1 = VISIT + "|" * 20 + "MAIN CAMPUS"
    found = record(header("ADT^A01"), PID, pv1, "PV2" + "|" * 23 + "Eye Clinic^L^77")
    provider = only(found, "Encounter")["serviceProvider"]["reference"]
    (clinic,) = [o for o in every(found, "Organization") if f"Organization/{o['id']}" == provider]
    assert (clinic["name"], clinic["partOf"]["display"]) == ("Eye Clinic", "MAIN CAMPUS")


@pytest.mark.parametrize("stray", ["MPID", "?PID", "pid", "'3PID"])
def test_a_patient_is_not_lost_for_one_byte_of_a_name(stray: str) -> None:
    found = record(header("ADT^A08"), PID.replace("PID", stray, 1), VISIT)
    assert only(found, "Patient")["name"][0]["family"] == "Okafor"
    assert ("segment-name-damaged", "PID") in {(w.code, w.where) for w in found.warnings}


def test_a_line_of_text_that_ends_in_the_name_of_a_segment_is_text() -> None:
    note = "NTE|1||see the PID\nand the OBX|"
    found = next(iter(decode("\r".join((header("ORU^R01"), PID, "OBX|1|TX|1^A^L||x", note)).encode(), FeedContext())))
    assert "segment-name-damaged" not in codes(found)
    assert len(every(found, "Observation")) == 1


@pytest.mark.parametrize("sent", ["450102", "19451302"])
def test_a_date_of_birth_that_is_none_keeps_its_digits(sent: str) -> None:
    found = record(header("ADT^A08"), PID.replace("19790412", sent))
    made = only(found, "Patient")
    assert "birthDate" not in made
    assert made["_birthDate"]["extension"][0]["valueString"] == sent
    assert ("time-invalid", "PID-7") in {(w.code, w.where) for w in found.warnings}
    assert "PID-7" in lost(found)


def test_roles_beyond_a_visit_are_those_of_the_care_team() -> None:
    first = "ROL|1|AD|PP^Primary^HL70443|77^Gray^Ann|20200101"
    second = "ROL|2|AD|CM^Case manager^L|88^Moss^Ben|20210101|20220101"
    found = record(header("ADT^A31"), PID, first, second)
    team = only(found, "CareTeam")
    assert [(p["role"][0]["coding"][0]["code"], p["period"]) for p in team["participant"]] == [
        ("PP", {"start": "2020-01-01"}),
        ("CM", {"start": "2021-01-01", "end": "2022-01-01"}),
    ]
    assert len(only(found, "Patient")["generalPractitioner"]) == 1
    assert not {where for where in lost(found) if "-3" in where or "-5" in where}


def test_what_a_persons_field_cannot_say_is_listed_at_each_place() -> None:
    who = "77^Gray^Ann^^^^^SRC^^L^^^^^X"
    found = record(header("ADT^A08"), PID, f"PV1|1|I|||||{who}|{who}")
    assert {"PV1-7.8", "PV1-7.15", "PV1-8.8", "PV1-8.15"} <= lost(found)


def test_an_odd_escape_is_told_with_its_place() -> None:
    found = record(header("ORU^R01"), PID, r"OBX|1|TX|1^A^L||a\X414\b||||||F")
    assert ("escape-odd", "OBX[1]") in {(w.code, w.where) for w in found.warnings}


def test_a_damaged_name_is_cut_from_the_stored_bytes_as_it_was_read() -> None:
    raw = "\r".join((header("ORU^R01"), PID, "?OBX|1|ST|1^A^L||x||||||F", "OBX|2|ST|2^B^L||y||||||F")).encode()
    places = [s.place for s in cut(raw).segments]
    assert places == [s.where for m in read(raw) for s in m.segments] == ["MSH", "PID[1]", "OBX[1]", "OBX[2]"]


def test_a_whole_name_in_one_component_is_parted_at_its_comma() -> None:
    (name,) = patient("PID|1||448812||LEE,JOHN Q")["name"]
    assert name == {"text": "LEE,JOHN Q", "family": "LEE", "given": ["JOHN", "Q"]}


@pytest.mark.parametrize("sent", ["SMITH, JR", "KING, MD", "A, B, C", "LEE,", "ACME,INC"])
def test_a_comma_before_no_given_name_parts_nothing(sent: str) -> None:
    (name,) = patient(f"PID|1||448812||{sent}")["name"]
    assert name == {"family": sent}
