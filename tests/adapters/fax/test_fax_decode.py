"""Fax text in: split by patient, roles kept apart, facts proposed and never guessed, any damage survived."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fax.dates import dates_in
from adapters.fax.decode import decode, peek
from adapters.fax.document import documents_of
from adapters.fax.labs import ASSERTED, labs_of
from adapters.fax.pages import Line, pages_of
from adapters.fax.parties import is_npi
from adapters.fax.patient import agreement, patient_of
from adapters.fax.people import person_name
from hie.errors import DecodeError, Rejected
from hie.model import FeedContext, Record

SAMPLE = Path("adapters/fax/samples/two-patients.txt").read_text()


def records(text: str) -> list[Record]:
    return list(decode(text.encode(), FeedContext(feed="fax")))


def of_type(record: Record, kind: str) -> list[dict[str, Any]]:
    return [r for r in record.resources if r["resourceType"] == kind]


def test_two_patients_in_one_fax_are_two_records() -> None:
    lab, consult = records(SAMPLE)
    for record in (lab, consult):
        present = {f"{r['resourceType']}/{r['id']}" for r in record.resources}
        assert {s.reference for s in record.sources} == present
        assert record.patient in present
        for resource in record.resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    names = [of_type(r, "Patient")[0]["name"][0]["family"] for r in (lab, consult)]
    assert names[0] == "Oduya"
    assert "Ruiz" in names[1]
    assert {p for s in consult.sources if (p := s.where.split(" line")[0])} == {"page 3", "page 4"}
    assert not of_type(consult, "Observation")
    assert lab.event == "11502-2"
    assert consult.event == "11488-4"


def test_facts_are_preliminary_unconfirmed_and_point_to_their_line() -> None:
    lab, consult = records(SAMPLE)
    observations = of_type(lab, "Observation")
    assert {o["status"] for o in observations} == {"preliminary"}
    assert [o["valueQuantity"]["value"] for o in observations] == [112, 0.9, 6.1]
    where = {s.reference: s.where for s in lab.sources}
    assert where[f"Observation/{observations[0]['id']}"] == "page 2 line 13"
    assert {a["verificationStatus"]["coding"][0]["code"] for a in of_type(consult, "AllergyIntolerance")} == {
        "unconfirmed"
    }
    assert [c["code"]["coding"][0]["code"] for c in of_type(consult, "Condition")] == ["I48.91", "I10"]
    (document,) = of_type(lab, "DocumentReference")
    assert document["docStatus"] == "preliminary"
    assert document["context"]["period"]["start"] == "2026-03-02"


@pytest.mark.invariant(7)
def test_what_fails_its_check_is_named_and_not_asserted() -> None:
    lab, consult = records(SAMPLE)
    assert ("fax-lab-implausible", "page 2 line 15") in {(w.code, w.where) for w in lab.warnings}
    assert ("page 2 line 15", 1) in lab.unmapped
    assert all("otassium" not in str(o) for o in of_type(lab, "Observation"))
    names = [m["medicationCodeableConcept"]["text"] for m in of_type(consult, "MedicationStatement")]
    assert names == ["Metoprolol 25 mg", "Apixaban 5 mg"]
    assert "fax-dose-doubtful" in {w.code for w in consult.warnings}
    for record in (lab, consult):
        for warning in record.warnings:
            assert "Oduya" not in warning.text
            assert "L-5520" not in warning.text


def test_same_bytes_same_records() -> None:
    assert records(SAMPLE) == records(SAMPLE)


BLOCK = "Patient: {name}   DOB: {dob}\n"


def page(name: str, dob: str, title: str = "PROGRESS NOTE", foot: str = "", body: str = "Seen today.") -> str:
    return f"LAKE CLINIC\n{title}\n{BLOCK.format(name=name, dob=dob)}\n{body}\n\n{foot}\n"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([page("DOE, ANN", "01/02/1970"), page("ROE, BEA", "03/04/1980")], [(1,), (2,)]),
        ([page("DOE, ANN", "01/02/1970"), page("DOE, AMY", "01/02/1971")], [(1,), (2,)]),
        (
            [page("DOE, ANN", "01/02/1970", foot="Page 1 of 2"), page("DOE, ANN", "01/02/1970", foot="Page 2 of 2")],
            [(1, 2)],
        ),
        (
            [page("DOE, ANN", "01/02/1970", foot="Page 2 of 2"), page("DOE, ANN", "01/02/1970", foot="Page 1 of 2")],
            [(2, 1)],
        ),
        ([page("DOE, ANN", "01/02/1970", foot="Page 1 of 2"), "more text of the note\nPage 2 of 2\n"], [(1, 2)]),
        ([page("DOE, ANN", "01/02/1970"), "a stray page about nobody in particular\n"], [(1,), (2,)]),
        (
            [
                page("DOE, ANN", "01/02/1970"),
                page("DOE, ANN", "01/02/1970", "LABORATORY REPORT", body="Glucose 92 mg/dL 70-99"),
            ],
            [(1,), (2,)],
        ),
        (
            [page("DOE, ANN", "01/02/1970", foot="Page 1 of 3"), page("ROE, BEA", "03/04/1980", foot="Page 2 of 3")],
            [(1,), (2,)],
        ),
    ],
)
def test_splitting(pages: list[str], expected: list[tuple[int, ...]]) -> None:
    assert [d.pages for d in documents_of("\f".join(pages))] == expected


def test_a_stray_page_is_about_nobody() -> None:
    (_, stray) = records(page("DOE, ANN", "01/02/1970") + "\f" + "Potassium 4.1 mmol/L 3.5-5.1\nsome text\n")
    assert stray.patient is None
    assert [r["resourceType"] for r in stray.resources] == ["DocumentReference"]
    assert "fax-no-patient" in {w.code for w in stray.warnings}


def test_two_names_in_the_patients_place_hold_the_page() -> None:
    (record,) = records(page("DOE, ANN", "01/02/1970", body="Patient: ROE, BEA   DOB: 03/04/1980"))
    assert record.patient is None
    assert "fax-several-patients" in {w.code for w in record.warnings}


ROLES = """\
TO: Martin Grant            FROM: Olga Petrov
{role}: Carla Mendez{dob}
Phone: 918-555-7777
"""


@pytest.mark.parametrize(
    "role",
    ["Guarantor", "Subscriber", "Emergency Contact", "Mother's Name", "Guardian", "Attn", "cc", "Prescriber", "Ordering Provider",
     "Referring Physician", "Printed by", "Lab Director", "Policy Holder", "Next of Kin", "Responsible Party"],
)  # fmt: skip
def test_nobody_in_another_role_is_the_patient(role: str) -> None:
    has_birth_date = role[:4] in ("Guar", "Subs", "Emer", "Moth", "Poli", "Next", "Resp")
    text = ROLES.format(role=role, dob="   DOB: 09/09/1999" if has_birth_date else "")
    key = patient_of(pages_of(text)[0], 2026)
    assert key.is_empty
    both = text + "\nPatient Name: Ann Doe\nDate of Birth: 01/02/1970\n"
    key = patient_of(pages_of(both)[0], 2026)
    assert (key.family, key.given, key.dob, key.phone, key.conflict) == ("Doe", "Ann", "1970-01-02", "", False)


def test_a_birth_date_beside_the_provider_is_the_patients() -> None:
    key = patient_of(pages_of("Patient: DOE, ANN   Provider: Jane Roe, MD   DOB: 01/02/1970\n")[0], 2026)
    assert (key.family, key.dob) == ("Doe", "1970-01-02")


@pytest.mark.parametrize(
    "block",
    [
        "Patient: DOE, ANN Q   DOB: 01/02/1970   MRN: L-44\n",
        "Patient Name   Ann Q. Doe\nDOB   1/2/1970\nMRN   L-44\n",
        "Patient Name        DOB           MRN\nAnn Q. Doe          01/02/1970    L-44\n",
        "RE: Ann Q. Doe   DOB 01-02-1970   MRN# L-44\n",
        "PATIENT INFORMATION\nLast Name: Doe   First Name: Ann Q\nDate of Birth: January 2, 1970\nMedical Record #: L-44\n",
        "Pat1ent Narne; DOE. ANN Q\nDate 0f B1rth; 01/02/1970\nMRN L-44\n",
        "DOE, ANN Q   DOB 01/02/1970   MRN L-44\n",
    ],
)
def test_layouts_of_the_patient_block(block: str) -> None:
    key = patient_of(pages_of("LAKE CLINIC\n\n" + block)[0], 2026)
    assert (key.family, key.given, key.dob, key.mrn) == ("Doe", "Ann", "1970-01-02", "L-44")


def test_a_near_birth_date_is_neither_equal_nor_different() -> None:
    def key(name: str, dob: str) -> Any:
        return patient_of(pages_of(BLOCK.format(name=name, dob=dob))[0], 2026)

    assert agreement(key("DOE, ANN", "01/02/1970"), key("DOE, ANN", "0l/02/1970")) == "same"
    assert agreement(key("DOE, ANN", "01/02/1970"), key("DOE, ANN", "01/03/1970")) == "other"
    repaired = records(BLOCK.format(name="DOE, ANN", dob="0l/02/1970") + "PROGRESS NOTE\n")[0]
    assert "birthDate" not in of_type(repaired, "Patient")[0]
    assert "fax-birth-date-repaired" in {w.code for w in repaired.warnings}


@pytest.mark.parametrize(
    ("row", "confident", "why"),
    [
        ("Glucose   92   mg/dL   70-99", True, ""),
        ("Glucose   112 H   mg/dL   70-99", True, ""),
        ("Glucose   112   L   mg/dL   70-99", False, "flag-and-range"),
        ("Glucose   9.2   H   mg/dL   70-99", False, "implausible"),
        ("Potassium   41   mmol/L   3.5-5.1", False, "implausible"),
        ("Creatinine   9   mg/dL   0.7-1.3", False, "outside-without-flag"),
        ("Glucose   1O2   mg/dL   70-99", False, "repaired"),
        ("TSH: 2.1 uIU/mL (0.4-4.5)", True, ""),
        ("LDL Cholesterol   88   mg/dL   <100", True, ""),
        ("LDL Cholesterol   188   mg/dL   <100   H", True, ""),
    ],
)
def test_lab_values_are_checked_against_range_flag_and_life(row: str, confident: bool, why: str) -> None:
    (lab,) = labs_of([Line(1, 1, row)], lab_report=True)
    assert (lab.conf >= ASSERTED) is confident
    assert lab.why == why


@given(st.integers(70, 99), st.sampled_from(["H", "L"]))
def test_a_value_that_contradicts_its_flag_is_never_asserted(value: int, flag: str) -> None:
    (lab,) = labs_of([Line(1, 1, f"Glucose  {value}  {flag}  mg/dL  70-99")], lab_report=True)
    assert lab.conf < ASSERTED


@pytest.mark.parametrize(
    "line",
    [
        "BP 120/80",
        "Phone: 918 555 0100",
        "Page 2 of 3",
        "DOB: 01/02/1970",
        "Lisinopril 10 mg daily",
        "Weight 180 lbs",
        "Suite 200 Tulsa",
    ],
)
def test_what_is_no_result(line: str) -> None:
    assert labs_of([Line(1, 1, line)], lab_report=True) == []


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("01/02/1970", "1970-01-02"),
        ("3-4-2026", "2026-03-04"),
        ("March 3rd, 2026", "2026-03-03"),
        ("3 de febrero de 1970", "1970-02-03"),
        ("31/12/1970", None),
        ("02/30/1970", None),
        ("918-555-0100", None),
        ("12/2026", None),
    ],
)
def test_dates_are_read_strictly(text: str, iso: str | None) -> None:
    assert [d.iso for d in dates_in(text, 2026)] == ([iso] if iso else [])


@pytest.mark.parametrize(
    "text", ["Jane Roe, MD", "St. Mary Hospital", "Patient Information", "12345", "Ann", "See attached"]
)
def test_what_is_no_patients_name(text: str) -> None:
    assert person_name(text) is None


@pytest.mark.parametrize(
    ("text", "urgent"),
    [
        ("URGENT: please review", True),
        ("STAT", True),
        ("[x] Urgent", True),
        ("Seen in urgent care last week", False),
        ("Non-urgent referral", False),
        ("If this is urgent please call", False),
        ("[ ] Urgent  [x] Routine", False),
        ("Urgent: no", False),
    ],
)
def test_urgency_has_a_context(text: str, urgent: bool) -> None:
    (document,) = documents_of(page("DOE, ANN", "01/02/1970", body=text))
    assert document.urgent is urgent


@pytest.mark.parametrize(
    ("text", "none", "substances"),
    [
        ("Allergies: NKDA", True, []),
        ("ALLERGIES\nPenicillin - hives\nSulfa (rash)\n", False, ["Penicillin", "Sulfa"]),
        ("Allergies: No known drug allergies", True, []),
        ("Allergies: latex, peanuts", False, ["latex", "peanuts"]),
    ],
)
def test_allergies(text: str, none: bool, substances: list[str]) -> None:
    (document,) = documents_of(page("DOE, ANN", "01/02/1970", body=text))
    assert document.no_known_allergies is none
    assert [a.substance for a in document.allergies] == substances


def test_negated_doubtful_and_family_statements_are_no_problems() -> None:
    body = "Assessment:\n1. Asthma J45.909\n2. No evidence of pneumonia\n3. Rule out PE\n4. Mother with diabetes\n"
    (document,) = documents_of(page("DOE, ANN", "01/02/1970", body=body))
    assert [(p.name, p.code) for p in document.problems] == [("Asthma", "J45.909")]


def test_npi_check_digit() -> None:
    assert is_npi("1234567893")
    assert not is_npi("1234567890")


def test_peek_and_refusals() -> None:
    keys = peek(SAMPLE.encode())
    assert keys.format == "fax"
    assert len(keys.ordering) == 1
    assert "Oduya" not in keys.ordering[0]
    for raw, code in ((b"  \f ", "fax-empty"), (b"%PDF-1.7 x", "fax-binary"), (b"II*\0abc", "fax-binary")):
        with pytest.raises(Rejected) as refused:
            peek(raw)
        assert refused.value.code == code
        with pytest.raises(DecodeError):
            list(decode(raw, FeedContext()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.2]))
def test_no_damage_moves_a_page_into_another_chart(seed: int, rate: float) -> None:
    """Whatever characters are lost or changed: every page is in one document, and none mixes the two patients."""
    chance = random.Random(seed)
    damaged = "".join(
        c if c in "\f\n" or chance.random() > rate else chance.choice(["", "0", "l", ".", "c", " "]) for c in SAMPLE
    )
    documents = documents_of(damaged)
    assert sorted(n for d in documents for n in d.pages) == [1, 2, 3, 4]
    for document in documents:
        assert not ({2} <= set(document.pages) and set(document.pages) & {3, 4})
    list(decode(damaged.encode(), FeedContext()))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("Patient:DOB MRN 01/2\f\n,.-()%mg HLA"), max_size=300))
def test_any_text_gives_records_or_a_coded_refusal(text: str) -> None:
    try:
        for record in decode(text.encode(), FeedContext()):
            assert record.resources
    except DecodeError as refused:
        if not refused.code.startswith("fax-"):
            raise
