"""Values that are easily dropped on the way: each is in the element of its meaning, or listed."""

from __future__ import annotations

from adapters.hl7v2.decode import decode
from hie.model import FeedContext
from tests.adapters.hl7v2.sample import PID, every, header, lost, only, record


def test_a_report_time_without_offset_stays_as_sent_at_its_element() -> None:
    found = record(
        header(stamp="20240305101530"), PID, "OBR|1|P1|F1|718-7^Hb^LN|||20240304|||||||||||||||20240305093000|||F"
    )
    report = only(found, "DiagnosticReport")
    assert "issued" not in report
    assert report["_issued"]["extension"][0]["valueString"] == "20240305093000"
    assert "time-without-zone" in {w.code for w in found.warnings}
    assert not {w for w in lost(found) if w.startswith("OBR[1]-22")}


def test_an_impossible_report_time_is_listed() -> None:
    found = record(header(), PID, "OBR|1|P1|F1|718-7^Hb^LN|||20240304|||||||||||||||20241399093000|||F")
    assert "_issued" not in only(found, "DiagnosticReport")
    assert "OBR[1]-22" in lost(found)


def test_an_order_keeps_when_it_is_to_be_done() -> None:
    found = record(header("OML^O21"), PID, "ORC|NW|P1", "OBR|1|P1||718-7^Hb^LN|||20240304083000-0500")
    assert only(found, "ServiceRequest")["occurrenceDateTime"] == "2024-03-04T08:30:00-05:00"


def test_further_filler_numbers_are_numbers_of_the_order_and_the_first_seeds_its_id() -> None:
    found = record(header(), PID, "OBR|1|P1|F1~F2|718-7^Hb^LN|||20240304||||||||||||||||||F")
    alone = record(header(), PID, "OBR|1|P1|F1|718-7^Hb^LN|||20240304||||||||||||||||||F")
    order = only(found, "ServiceRequest")
    assert [i["value"] for i in order["identifier"]] == ["P1", "F1", "F2"]
    assert order["id"] == only(alone, "ServiceRequest")["id"]


def test_an_order_group_of_placer_and_filler() -> None:
    found = record(header("OML^O21"), PID, "ORC|NW|P1||G7&NORTH^G8&LAB", "OBR|1|P1||718-7^Hb^LN")
    assert only(found, "ServiceRequest")["requisition"]["value"] == "G7"
    assert "ORC[1]-4.2" in lost(found)


def test_a_triplet_one_level_too_deep() -> None:
    found = record(header(), PID, "OBR|1|P1|F1|718-7^Hb^LN", "SPM|1|S1||119297000&Blood&SCT^^^^")
    coding = only(found, "Specimen")["type"]["coding"][0]
    assert (coding["system"], coding["code"], coding["display"]) == ("http://snomed.info/sct", "119297000", "Blood")


def test_utf8_under_the_name_of_latin1() -> None:
    msh = header() + "||||||8859/1"
    raw = "\r".join((msh, "PID|1||4^^^N^MR||Muñoz^Inés||19790412|F")).encode()
    (found,) = decode(raw, FeedContext())
    assert only(found, "Patient")["name"][0]["family"] == "Muñoz"
    assert "charset-wrong" in {w.code for w in found.warnings}
    (found,) = decode(raw.decode().encode("latin-1"), FeedContext())
    assert only(found, "Patient")["name"][0]["family"] == "Muñoz"
    assert "charset-wrong" not in {w.code for w in found.warnings}


def test_a_dose_that_the_pharmacy_replaced_stays_as_the_one_ordered() -> None:
    found = record(
        header("RDE^O11"), PID, "ORC|NW|P1", "RXO|^Amoxicillin|250||mg^milligram", "RXE||^Amoxicillin|500||mg^milligram"
    )
    given, ordered = only(found, "MedicationRequest")["dosageInstruction"][0]["doseAndRate"]
    assert given["doseQuantity"]["value"] == 500
    assert ordered["doseQuantity"]["value"] == 250
    assert ordered["type"]["coding"][0]["code"] == "ordered"
    assert not {w for w in lost(found) if w.startswith("RXO")}


def test_further_notes_of_a_vaccination_keep_their_words_and_list_their_codes() -> None:
    rxa = "RXA|0|1|20240102||03^MMR^CVX|0.5|mL||00^New^NIP001~77^clinic remark^LOCAL"
    found = record(header("VXU^V04"), PID, rxa)
    assert only(found, "Immunization")["note"] == [{"text": "clinic remark"}]
    assert "RXA[1]-9[2].1" in lost(found)


def test_those_to_call_about_an_appointment_have_coded_roles() -> None:
    sch = "SCH|A1|B1||||||||30|MIN|||||17^Reyes^Ana||||18^Vance^Leo|||||BOOKED"
    found = record(header("SIU^S12"), sch, PID, "AIS|1||99213^Visit|20240401090000-0500")
    roles = [t["coding"][0]["code"] for p in only(found, "Appointment")["participant"] for t in p.get("type", ())]
    assert {"CALLBCK", "ENT"} <= set(roles)


def test_the_build_of_a_program_identifies_it() -> None:
    found = record(header(), "SFT|Acme|3.1|Sender|3.1.0.77", PID)
    (device,) = every(found, "Device")
    assert device["identifier"] == [{"value": "3.1.0.77"}]


def test_an_unresolved_parent_result_keeps_its_words_and_its_code_on_the_reference() -> None:
    found = record(header(), PID, "OBR|1|P1|F1|718-7^Hb^LN|||20240304||||||||||||||||||F|600-7&Culture&LN^1")
    assert only(found, "ServiceRequest")["supportingInfo"] == [{"type": "Observation", "display": "Culture (600-7) 1"}]
    assert not {place for place in lost(found) if place.startswith("OBR[1]-26")}
