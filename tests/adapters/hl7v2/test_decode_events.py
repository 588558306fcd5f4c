"""The events of patient administration (HL7 v2.8.2 chapter 3): what each says of visit, person and number."""

from __future__ import annotations

from typing import Any

import pytest

from hie.model import StatementKind
from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record, records

VISIT = "PV1|1|I|4W^412^B^NORTH|||ICU^1^A^NORTH" + "|" * 13 + "V5566^^^NORTH^VN"
DISCHARGED = VISIT + "|" * 25 + "20240304083000-0500|20240306150000-0500"
MRG = "MRG|450001^^^NORTH^MR"


def visit(event: str, *lines: str, before: tuple[str, ...] = ()) -> Any:
    return only(record(header(f"ADT^{event}"), *before, PID, *(lines or (VISIT,))), "Encounter")


@pytest.mark.parametrize(
    ("event", "status", "place"),
    [
        ("A01", "in-progress", "active"), ("A02", "in-progress", "active"), ("A03", "finished", "completed"),
        ("A04", "in-progress", "active"), ("A05", "planned", "planned"), ("A06", "in-progress", "active"),
        ("A07", "in-progress", "active"), ("A09", "in-progress", "active"), ("A10", "arrived", "active"),
        ("A11", "cancelled", None), ("A12", "in-progress", "active"), ("A13", "in-progress", "active"),
        ("A14", "planned", "planned"), ("A15", "in-progress", "active"), ("A16", "in-progress", "active"),
        ("A17", "in-progress", "active"), ("A21", "onleave", "active"), ("A22", "in-progress", "active"),
        ("A23", "entered-in-error", None), ("A25", "in-progress", "active"), ("A26", "in-progress", "active"),
        ("A27", "cancelled", None), ("A32", "in-progress", "active"), ("A33", "in-progress", "active"),
        ("A38", "cancelled", None), ("A52", "in-progress", "active"), ("A53", "onleave", "active"),
        ("A08", "unknown", None), ("A54", "unknown", None), ("A60", "unknown", None),
    ],
)  # fmt: skip
def test_status_of_the_visit_and_of_its_place(event: str, status: str, place: str | None) -> None:
    made = visit(event)
    assert made["status"] == status
    assert [one.get("status") for one in made["location"]] == [place, "completed"]


@pytest.mark.parametrize("event", ["A08", "A54", "A60", "A18", "A42"])
def test_where_the_event_says_nothing_the_times_of_the_visit_do(event: str) -> None:
    assert visit(event, DISCHARGED)["status"] == "finished"
    assert visit(event, DISCHARGED.rpartition("|")[0])["status"] == "in-progress"


def test_an_outpatient_registered_after_the_visit() -> None:
    found = record(header("ADT^A04"), PID, DISCHARGED.replace("|I|", "|O|"))
    assert only(found, "Encounter")["status"] == "finished"
    assert "contradiction" not in codes(found)


@pytest.mark.parametrize("event", ["A28", "A29", "A31"])
def test_no_visit_to_speak_of_is_not_worth_a_line(event: str) -> None:
    found = record(header(f"ADT^{event}"), PID, "PV1|1|N")
    assert not every(found, "Encounter")
    assert not lost(found)


def test_a_deleted_person_is_no_longer_in_use() -> None:
    assert only(record(header("ADT^A29"), PID), "Patient")["active"] is False
    assert "active" not in only(record(header("ADT^A31"), PID), "Patient")


@pytest.mark.parametrize(
    ("event", "name"), [("A05", "plannedStartDate"), ("A14", "plannedStartDate"), ("A16", "plannedEndDate")]
)
def test_when_it_is_planned(event: str, name: str) -> None:
    evn = f"EVN|{event}|20240305100000-0500|20240310080000-0500"
    (planned,) = visit(event, before=(evn,))["extension"]
    assert planned["url"].endswith("extension-Encounter." + name)
    assert planned["valueDateTime"] == "2024-03-10T08:00:00-05:00"
    found = record(header("ADT^A01"), evn, PID, VISIT)
    assert "EVN-3" in lost(found)


def test_a_swap_of_beds_is_told_of_both() -> None:
    other = "PID|2||7^^^NORTH^MR||Vance^Leo"
    swapped = (
        VISIT.replace("4W^412^B", "x").replace("ICU^1^A", "4W^412^B").replace("x^", "ICU^1^A^").replace("V5566", "V7")
    )
    first, second = records(header("ADT^A17"), PID, VISIT, other, swapped)
    places = [[one["location"]["reference"] for one in only(r, "Encounter")["location"]] for r in (first, second)]
    assert places[0] == places[1][::-1]


@pytest.mark.parametrize("event", ["A18", "A30", "A34", "A36", "A39", "A40"])
def test_merged_persons_are_linked_both_ways(event: str) -> None:
    found = record(header(f"ADT^{event}"), PID, MRG + "||||||Okafor^Gracie")
    survivor, prior = every(found, "Patient")
    assert survivor["link"][0] == {"other": {"reference": f"Patient/{prior['id']}"}, "type": "replaces"}
    assert prior["link"][0]["type"] == "replaced-by"
    assert prior["identifier"][0]["value"] == "450001"
    assert prior["name"][0]["given"] == ["Gracie"]
    assert [s.kind for s in found.statements] == [StatementKind.MERGE]


@pytest.mark.parametrize("event", ["A46", "A47", "A48", "A49", "A50", "A51"])
def test_a_changed_number_is_kept_as_old(event: str) -> None:
    found = record(header(f"ADT^{event}"), PID, MRG)
    assert [(i["value"], i.get("use")) for i in only(found, "Patient")["identifier"]] == [
        ("448812", None),
        ("450001", "old"),
    ]


@pytest.mark.parametrize("event", ["A06", "A35", "A41", "A42", "A43", "A44", "A45"])
def test_a_person_who_only_gave_something_away_stays_himself(event: str) -> None:
    known = only(record(header("ADT^A04"), PID.replace("448812", "450001")), "Patient")
    found = record(header(f"ADT^{event}"), PID, MRG)
    survivor, other = every(found, "Patient")
    assert "link" not in survivor
    assert "link" not in other
    assert other["identifier"][0]["value"] == "450001"
    assert other["id"] != known["id"]  # so that what is known of him is not replaced by a number alone


def test_a_second_number_of_the_same_person_is_an_old_one() -> None:
    found = record(header("ADT^A40"), PID, "MRG|448812^^^NORTH^MR~77^^^OLD^PI||||||Okafor^Grace~Bello^Grace")
    made = only(found, "Patient")
    assert [(i["value"], i.get("use")) for i in made["identifier"]] == [("448812", None), ("77", "old")]
    assert [(n["family"], n.get("use")) for n in made["name"]] == [("Okafor", None), ("Bello", "old")]


def test_each_moved_visit_has_its_own_pair_of_numbers() -> None:
    lines = (
        "MRG|450001^^^NORTH^MR||||V1^^^NORTH^VN", VISIT.replace("V5566", "V11"),
        "MRG|450001^^^NORTH^MR||||V2^^^NORTH^VN", VISIT.replace("V5566", "V22"),
    )  # fmt: skip
    found = record(header("ADT^A45"), PID, *lines)
    numbers = [[i["value"] for i in e["identifier"]] for e in every(found, "Encounter")]
    assert numbers == [["V11", "V1"], ["V22", "V2"]]
    assert [(s.survivor.value, s.prior.value) for s in found.statements] == [("V11", "V1"), ("V22", "V2")]


def test_a_merged_account_is_closed() -> None:
    found = record(header("ADT^A41"), PID + "|" * 10 + "A2^^^NORTH^AN", "MRG|448812^^^NORTH^MR||A1^^^NORTH^AN")
    assert [(a["identifier"][0]["value"], a["status"]) for a in every(found, "Account")] == [
        ("A2", "unknown"),
        ("A1", "inactive"),
    ]
    assert [(s.survivor.value, s.prior.value) for s in found.statements] == [("A2", "A1")]


def test_a_role_before_the_visit_is_one_in_the_visit() -> None:
    rol = "ROL||UP|AT^Attending^HL70443|1033^Reyes^Ana|20240304"
    found = record(header("ADT^A54"), PID, rol, VISIT)
    (who,) = only(found, "Encounter")["participant"]
    assert {"ATND", "AT"} == {c["code"] for c in who["type"][0]["coding"]}
    assert who["period"] == {"start": "2024-03-04"}
    gone = record(header("ADT^A54"), PID, VISIT, rol.replace("|UP|", "|DE|"))
    assert "participant" not in only(gone, "Encounter")
    assert {"ROL[1]-3", "ROL[1]-4"} <= lost(gone)


def test_the_state_of_a_bed() -> None:
    made = only(record(header("ADT^A20"), "NPU|4W^412^B^NORTH|K"), "Location")
    assert (made["name"], made["operationalStatus"]["code"]) == ("B", "K")


def test_what_somebody_died_of() -> None:
    pda = "PDA|I21.4^NSTEMI^I10C||Y|20240306160000-0500|1033^Reyes^Ana"
    found = record(header("ADT^A03"), PID, VISIT, pda)
    made = only(found, "Condition")
    assert made["code"]["coding"][0]["code"] == "I21.4"
    assert made["recordedDate"] == "2024-03-06T16:00:00-05:00"
    assert "PDA-3" in lost(found)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("^NKDA", "409137002"),
        ("^No Known Allergies", "716186003"),
        ("NKA^No known allergy^L", "716186003"),
        ("^NO KNOWN DRUG ALLERGIES", "409137002"),
        ("^Penicillin", None),
    ],
)
def test_no_known_allergy_is_no_allergen(sent: str, code: str | None) -> None:
    made = only(record(header("ADT^A01"), PID, f"AL1|1|DA|{sent}"), "AllergyIntolerance")["code"]
    snomed = [c["code"] for c in made.get("coding", ()) if c.get("system") == "http://snomed.info/sct"]
    assert snomed == ([code] if code else [])


def test_words_of_an_allergy_keep_their_places() -> None:
    made = only(record(header("ADT^A60"), PID, "IAM|1|DA^Drug^HL70127|^Latex|U|Hives"), "AllergyIntolerance")
    assert made["category"] == ["medication"]
    assert made["_category"][0]["extension"][0]["valueString"] == "Drug"
    assert made["criticality"] == "unable-to-assess"
    assert "severity" not in made["reaction"][0]


@pytest.mark.parametrize(("sent", "meant"), [("High", "high"), ("LOW", "low"), ("U", "unable-to-assess")])
def test_words_of_criticality_are_it(sent: str, meant: str) -> None:
    found = record(header("ADT^A08"), PID, f"AL1|1|DA|70618^Penicillin^RXNORM|{sent}|Hives")
    made = only(found, "AllergyIntolerance")
    assert made["criticality"] == meant
    assert "severity" not in made["reaction"][0]
    assert not lost(found)
