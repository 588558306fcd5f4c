"""Patient, visit, merge: what the sender said of people, no more and no less."""

from __future__ import annotations

import pytest

from hie.model import FeedContext, StatementKind
from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record, records

VISIT = "PV1|1|I|4W^412^B^NORTH" + "|" * 16 + "V5566^^^NORTH^VN"


def test_identifiers_keep_their_assigner_as_system() -> None:
    context = FeedContext(authorities={"EAST": "urn:oid:2.16.840.1.113883.19.9"}, default_authority="urn:oid:1.2.3")
    line = "PID|1|E9|1^^^NORTH^MR~2^^^EAST^PI~3^^^X&2.16.840.1.113883.19.7&ISO^MR~4^^^^PT~900-11-2233^^^SSA^SS|A7||Okafor^G"
    known = only(record(header("ADT^A01"), line, context=context), "Patient")["identifier"]
    assert [(i.get("system"), i["value"]) for i in known] == [
        ("urn:hie:authority:NORTH", "1"), ("urn:oid:2.16.840.1.113883.19.9", "2"), ("urn:oid:2.16.840.1.113883.19.7", "3"),
        ("urn:oid:1.2.3", "4"), ("http://hl7.org/fhir/sid/us-ssn", "900-11-2233"), ("urn:oid:1.2.3", "E9"), ("urn:oid:1.2.3", "A7"),
    ]  # fmt: skip


def test_the_same_patient_has_the_same_id_in_every_message() -> None:
    one = record(header("ADT^A01"), PID).patient
    other = record(header("ORU^R01", control="77"), "PID|1||900^^^SSA^SS~448812^^^NORTH^MR||Other^Name").patient
    assert one == other
    assert record(header("ADT^A01"), PID.replace("448812", "448813")).patient != one


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("19790412", "1979-04-12"),
        ("1979", "1979"),
        ("199911", "1999-11"),
        ("00000000", None),
        ("00010101000000", None),
        ("20240230", None),
    ],
)
def test_birth_date_keeps_its_precision(sent: str, meant: str | None) -> None:
    found = record(header("ADT^A01"), PID.replace("19790412", sent))
    assert only(found, "Patient").get("birthDate") == meant
    assert ("PID-7" in lost(found)) == (meant is None)


def test_times_without_offset() -> None:
    pv1 = VISIT + "|" * 25 + "202403050945"
    no_zone = only(record(header("ADT^A01", stamp="20240305"), PID, pv1), "Encounter")["period"]
    assert no_zone["start"] == "2024-03-05"
    assert no_zone["_start"]["extension"][0]["valueString"] == "202403050945"
    feed = only(
        record(header("ADT^A01", stamp="20240305"), PID, pv1, context=FeedContext(timezone="America/New_York")),
        "Encounter",
    )["period"]
    assert feed["start"] == "2024-03-05T09:45:00-05:00"
    assert feed["_start"]["extension"][0]["url"] == "urn:hie:derived-offset"
    header_zone = only(record(header("ADT^A01"), PID, pv1), "Encounter")["period"]
    assert header_zone["start"] == "2024-03-05T09:45:00-05:00"
    assert header_zone["_start"]
    sent = only(record(header("ADT^A01"), PID, pv1.replace("202403050945", "202403050945+0215")), "Encounter")["period"]
    assert sent == {"start": "2024-03-05T09:45:00+02:15"}


def test_twins_death_and_last_update() -> None:
    line = PID + "|" * 16 + "Y|2||||20240301103000-0500|Y|||20240302|"
    patient = only(record(header("ADT^A08"), line), "Patient")
    assert patient["multipleBirthInteger"] == 2
    assert patient["deceasedDateTime"] == "2024-03-01T10:30:00-05:00"


def test_race_ethnicity_language_and_phones() -> None:
    line = (
        "PID|1||1^^^N^MR||Okafor^Grace||19790412|F||2106-3^White^CDCREC~1002-5|||^PRN^PH^^1^610^5550134~a@b.example^NET||es|M"
        + "|" * 6 + "2135-2^Hispanic^CDCREC"
    )  # fmt: skip
    patient = only(record(header("ADT^A08"), line), "Patient")
    race, ethnicity = patient["extension"]
    assert [e["valueCoding"]["code"] for e in race["extension"][:2]] == ["2106-3", "1002-5"]
    assert ethnicity["extension"][0]["valueCoding"]["code"] == "2135-2"
    assert [t["system"] for t in patient["telecom"]] == ["phone", "email"]
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "es"


def test_null_deletes_and_empty_says_nothing() -> None:
    found = record(header("ADT^A31"), 'PID|1||1^^^N^MR||Okafor^Grace||19790412|F|||""||')
    assert [(x.element, x.where) for x in found.deleted] == [("address", "PID-11")]
    assert "address" not in only(found, "Patient")


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("A01", "in-progress"),
        ("A03", "finished"),
        ("A05", "planned"),
        ("A11", "cancelled"),
        ("A13", "in-progress"),
        ("A38", "cancelled"),
        ("A23", "entered-in-error"),
    ],
)
def test_visit_status_comes_from_the_event(event: str, status: str) -> None:
    assert only(record(header(f"ADT^{event}"), PID, VISIT), "Encounter")["status"] == status


@pytest.mark.parametrize("event", ["A28", "A31", "A29"])
def test_person_events_make_no_visit(event: str) -> None:
    found = record(header(f"ADT^{event}"), PID, VISIT)
    assert not every(found, "Encounter")
    assert "PV1-19" in lost(found)


def test_one_visit_number_one_visit() -> None:
    first = only(record(header("ADT^A01"), PID, VISIT), "Encounter")
    later = only(record(header("ORU^R01", control="9"), PID, VISIT, "OBR|1||F|A", "OBX|1|ST|1||x"), "Encounter")
    assert first["id"] == later["id"]


def test_location_has_all_its_parts() -> None:
    found = record(header("ADT^A02"), PID, "PV1|1|I|4W^412^B^NORTH^^^MAIN^3|||ICU^1^A" + "|" * 13 + "V1")
    bed, former = every(found, "Location")
    assert (bed["name"], [c["name"] for c in bed["contained"]]) == ("B", ["412", "4W", "3", "MAIN"])
    assert bed["managingOrganization"]["display"] == "NORTH"
    assert [p["status"] for p in only(found, "Encounter")["location"]] == ["active", "completed"]
    assert former["name"] == "A"


def test_merge_links_both_ways_and_states_it() -> None:
    found = record(header("ADT^A40"), PID, "MRG|450001^^^NORTH^MR")
    survivor, prior = every(found, "Patient")
    assert survivor["link"] == [{"other": {"reference": "Patient/" + prior["id"]}, "type": "replaces"}]
    assert prior["link"][0]["type"] == "replaced-by"
    assert prior["active"] is False
    (statement,) = found.statements
    assert (statement.kind, statement.survivor.value, statement.prior.value) == (
        StatementKind.MERGE,
        "448812",
        "450001",
    )


def test_a_moved_visit_does_not_make_two_people_one() -> None:
    found = record(header("ADT^A45"), PID, "MRG|450001^^^NORTH^MR||||V5000^^^NORTH^VN", VISIT)
    survivor, other = every(found, "Patient")
    assert "link" not in survivor
    assert "link" not in other
    assert [i["value"] for i in survivor["identifier"]] == ["448812"]
    assert [s.kind for s in found.statements] == [StatementKind.MOVE]


def test_a_changed_number_stays_with_its_person() -> None:
    found = record(header("ADT^A47"), PID, "MRG|440000^^^NORTH^MR")
    assert only(found, "Patient")["identifier"][-1]["use"] == "old"


@pytest.mark.parametrize(("event", "kind"), [("A24", StatementKind.LINK), ("A37", StatementKind.UNLINK)])
def test_link_and_unlink(event: str, kind: StatementKind) -> None:
    found = records(header(f"ADT^{event}"), PID, PID.replace("448812^^^NORTH", "7^^^SOUTH"))
    assert [s.kind for r in found for s in r.statements] == [kind]
    linked = [
        (link["type"], link["other"]["identifier"]["value"])
        for r in found
        for p in every(r, "Patient")
        for link in p.get("link", ())
    ]
    assert linked == ([("seealso", "7"), ("seealso", "448812")] if event == "A24" else [])
    assert all(("persons-unlinked" in codes(r)) == (event == "A37") for r in found)


def test_allergies_without_a_reaction_and_without_a_code() -> None:
    found = record(header("ADT^A01"), PID, "AL1|1|DA|^Penicillin|SV|Rash~Hives|2001", "AL1|2|FA|^Peanut|MO", "AL1|3")
    penicillin, peanut = every(found, "AllergyIntolerance")
    assert [m["text"] for m in penicillin["reaction"][0]["manifestation"]] == ["Rash", "Hives"]
    assert penicillin["onsetDateTime"] == "2001"
    assert peanut["reaction"][0]["severity"] == "moderate"
    assert "clinicalStatus" not in penicillin


def test_test_messages_stay_test_messages() -> None:
    found = record(header("ADT^A01", processing="T"), PID)
    assert found.processing == "T"
    assert only(found, "MessageHeader")["meta"]["tag"][0]["code"] == "T"
    assert only(found, "Patient")["meta"]["tag"][0]["code"] == "T"


def test_unknown_types_and_site_segments_lose_nothing_silently() -> None:
    found = record(header("QQQ^Q99"), PID, "ZPI|1|alpha|b~c")
    assert {"ZPI[1]-2", "ZPI[1]-3"} <= lost(found)
    mapped = record(
        header("QQQ^Q99"),
        PID,
        "ZPI|1|alpha",
        context=FeedContext(overrides={"fields": {"ZPI-2": "Patient.identifier[] cx PI"}}),
    )
    assert "alpha" in [i["value"] for i in only(mapped, "Patient")["identifier"]]


def test_no_patient_data_in_warnings_or_places() -> None:
    found = record(
        header("ADT^A01"),
        PID.replace("|F", "|CANARY").replace("19790412", "CANARY"),
        "DG1|1||X|||CANARY|||||||||CANARY",
    )
    assert "code-not-mapped" in codes(found)
    assert "CANARY" not in repr((found.warnings, found.unmapped, [s.where for s in found.sources]))
