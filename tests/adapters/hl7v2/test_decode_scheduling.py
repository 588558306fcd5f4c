"""Appointments and requests for them (HL7 v2 chapter 10, SIU S12 to S26, SRM, SRR)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.hl7v2.sample import PID, codes, header, lost, only, record


def sch(**fields: str) -> str:
    made = [""] * 28
    made[0], made[1], made[2] = "SCH", "A1^EHR", "B1^SCHED"
    made[11] = "^^^20240401090000-0400^20240401093000-0400"
    for name, value in fields.items():
        made[int(name[1:])] = value
    return "|".join(made).rstrip("|")


def appointment(trigger: str, *lines: str) -> Any:
    return only(record(header(f"SIU^{trigger}"), *lines, PID), "Appointment")


@pytest.mark.parametrize(
    ("trigger", "sent", "status"),
    [("S12", "Booked", "booked"), ("S12", "", "booked"), ("S14", "Checked In", "checked-in"), ("S14", "COMPLETED", "fulfilled"), ("S15", "", "cancelled"),
     ("S16", "Dc", "cancelled"), ("S17", "Deleted", "entered-in-error"), ("S26", "No Show", "noshow"), ("S14", "Cancelled", "cancelled"), ("S12", "Waitlist", "waitlist")],
)  # fmt: skip
def test_status_by_event_and_field(trigger: str, sent: str, status: str) -> None:
    assert appointment(trigger, sch(f25=sent))["status"] == status


@pytest.mark.parametrize("trigger", ["S15", "S26"])
def test_why_it_did_not_take_place(trigger: str) -> None:
    made = appointment(trigger, sch(f6="PT^Patient wish^L", f7="FOLLOWUP"))
    assert made["cancelationReason"]["coding"][0]["code"] == "PT"
    assert [r["coding"][0]["code"] for r in made["reasonCode"]] == ["FOLLOWUP"]


def test_times_of_tq1_count_and_those_of_sch_stay() -> None:
    found = record(header("SIU^S13"), sch(), "TQ1|1||||||20240402090000-0400|20240402093000-0400", PID)
    made = only(found, "Appointment")
    assert (made["start"], made["end"]) == ("2024-04-02T09:00:00-04:00", "2024-04-02T09:30:00-04:00")
    assert made["requestedPeriod"] == [{"start": "2024-04-01T09:00:00-04:00", "end": "2024-04-01T09:30:00-04:00"}]
    assert "contradiction" in codes(found)


def test_a_start_in_a_line_and_a_duration() -> None:
    made = appointment("S12", sch(f11="", f9="45", f10="min"), "AIS|1||1^Visit^L|20240401090000-0400")
    assert (made["start"], made["end"], made["minutesDuration"]) == (
        "2024-04-01T09:00:00-04:00",
        "2024-04-01T09:45:00-04:00",
        45,
    )


def test_a_date_that_a_line_makes_exact_leaves_no_mark() -> None:
    made = appointment("S12", sch(f11="^^^20240401", f9="15", f10="min"), "AIS|1||1^Visit^L|20240401090000-0400")
    assert made["start"] == "2024-04-01T09:00:00-04:00"
    assert "_start" not in made
    assert "_end" not in made


def test_each_participant_answers_for_itself() -> None:
    found = record(
        header("SIU^S12"), sch(f25="Booked", f20="9^Clerk^Cleo"), PID, "AIG|1||M1^Scanner^L|EQ^Equipment^L||||||||||Tentative",
        "AIL|1||ROOM2^^^NORTH|||||||||Cancelled", "AIP|1||1^Moss^Ira|MD^Doctor^L||||||||Declined", "AIP|2|D|2^Gone^Gus",
    )  # fmt: skip
    _, clerk, device, room, doctor, gone = only(found, "Appointment")["participant"]
    assert [p["status"] for p in (clerk, device, room, doctor, gone)] == [
        "needs-action", "tentative", "declined", "declined", "declined",
    ]  # fmt: skip
    assert device["actor"]["identifier"] == {"system": "urn:hie:system:L", "value": "M1"}
    assert lost(found) == set()


@pytest.mark.parametrize(
    ("aig", "kind"),
    [("55^Haddad^Leila|P^Provider", "Practitioner"), ("55^Haddad^Leila", "Practitioner"), ("55^HADDAD^LEILA^^^DR", "Practitioner"), ("55^Min^So-Hyun", "Practitioner"),
     ("M1^Scanner^L|EQ", "Device"), ("M1^Scanner^Local", ""), ("lhaddad", "")],
)  # fmt: skip
def test_people_and_things_among_the_resources(aig: str, kind: str) -> None:
    actor = appointment("S12", sch(), "AIG|1||" + aig)["participant"][-1]["actor"]
    assert (actor["reference"].partition("/")[0] if "reference" in actor else actor.get("type", "")) == kind


@pytest.mark.parametrize(
    ("length", "unit", "minutes"),
    [("30", "min", 30), ("30", "", 30), ("1", "H", 60), ("1800", "s", 30), ("1800", "", 30), ("3600", "", None), ("10", "foot", None)],
)  # fmt: skip
def test_how_long(length: str, unit: str, minutes: int | None) -> None:
    found = record(header("SIU^S12"), sch(f9=length, f10=unit), PID)
    assert only(found, "Appointment").get("minutesDuration") == minutes
    assert ("SCH-9" in lost(found)) is (minutes is None)


def test_whom_to_call() -> None:
    found = record(
        header("SIU^S12"), sch(f12="9^Clerk^Cleo", f13="^WPN^PH^^1^610^5550111", f14="1 Main^^Easton^PA"), PID
    )
    who = only(found, "Practitioner")
    assert who["telecom"][0]["value"].endswith("5550111")
    assert who["address"][0]["city"] == "Easton"
    assert lost(found) == set()


def test_orders_and_the_appointment_it_came_from() -> None:
    made = appointment("S12", sch(f23="P9^EHR", f24="Q9^SCHED", f26="O1^EHR", f27="F1^LAB"))
    assert [b["identifier"]["value"] for b in made["basedOn"]] == ["O1", "F1"]
    assert [b["identifier"]["value"] for b in made["supportingInformation"]] == ["P9", "Q9"]


def test_a_request_is_a_proposal() -> None:
    arq = "ARQ|A1^EHR|||||RQ^Request^L|FOLLOWUP|NORMAL|30|min|20240401^20240405||||9^Clerk^Cleo"
    found = record(header("SRM^S01"), arq, PID, "AIS|1||1^Visit^L")
    made = only(found, "Appointment")
    assert made["status"] == "proposed"
    assert made["requestedPeriod"] == [{"start": "2024-04-01", "end": "2024-04-05"}]
    assert made["minutesDuration"] == 30
    assert made["serviceType"][0]["coding"][0]["code"] == "1"
    assert lost(found) == set()


def test_a_request_to_cancel_does_not_say_how_things_stand() -> None:
    made = only(record(header("SRM^S04"), "ARQ|A1^EHR|B1^SCHED||||PT^Wish^L", PID), "Appointment")
    assert "status" not in made
    assert made["_status"]["extension"][0]["valueCode"] == "unknown"


def test_a_booking_whose_time_has_no_zone_stays_booked() -> None:
    made = only(record(header("SIU^S12", stamp="20240305"), sch(f11="^^^202404010900"), PID), "Appointment")
    assert made["status"] == "booked"
    assert "start" not in made
    assert made["_start"]["extension"][0]["valueString"] == "202404010900"
