"""What a resource earns, and why."""

from __future__ import annotations

from typing import Any

import pytest

from hie.labels.label import LabelContext, label
from hie.labels.rules import shipped
from hie.labels.unclassified import unclassified
from hie.model import SecurityLabel

ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def condition(code: str, id: str = "c", system: str = ICD, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": id, "code": {"coding": [{"system": system, "code": code}]}, **more}


def codes(labels: tuple[SecurityLabel, ...]) -> set[str]:
    return {one.code for one in labels}


def test_a_cause_names_the_stem_and_no_patient_data() -> None:
    [given] = label([condition("F11.20")]).values()
    assert next(one.cause for one in given if one.code == "ETH") == "icd-10-cm F11.20 lies under F11"
    assert {"ETH", "OPIOIDUD", "R"} <= codes(given)


def test_dots_and_case_do_not_count() -> None:
    assert "ETH" in codes(label([condition("f1120")])["Condition/c"])


def test_nothing_sensitive_is_normal() -> None:
    assert codes(label([condition("I10")])["Condition/c"]) == {"N"}


def test_the_senders_labels_are_kept_and_only_go_up() -> None:
    sent = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
    given = label([condition("B20", meta=sent)])["Condition/c"]
    assert {"HIV", "R", "N"} <= codes(given)
    assert any(one.cause == "set by the sender" for one in given)


def test_everything_of_a_part_2_programme_is_substance_use() -> None:
    resources = [condition("I10"), {"resourceType": "Patient", "id": "p"}]
    given = label(resources, LabelContext(frozenset(["part2-programme"])))
    assert {"ETH", "42CFRPart2", "R"} <= codes(given["Condition/c"])
    assert codes(given["Patient/p"]) == {"N"}


def test_an_unknown_code_is_unclassified_and_on_the_work_list() -> None:
    resources = [condition("X17", system="urn:hie:system:99LOC"), condition("I10", id="d")]
    given = label(resources)
    assert "unclassified" in codes(given["Condition/c"])
    assert unclassified(resources, given) == ("urn:hie:system:99LOC|X17",)


def test_one_known_coding_is_enough() -> None:
    both = {"coding": [{"system": "urn:hie:system:99LOC", "code": "X17"}, {"system": ICD, "code": "I10"}]}
    assert codes(label([{"resourceType": "Condition", "id": "c", "code": both}])["Condition/c"]) == {"N"}


def test_what_cannot_be_read_gets_no_label_at_all() -> None:
    assert label([{"resourceType": "Condition", "id": "c", "code": {"coding": "F11"}}])["Condition/c"] == ()
    assert label([condition("I10", meta={"security": "R"})])["Condition/c"] == ()


def test_a_report_and_its_document_inherit() -> None:
    result = {
        "resourceType": "Observation",
        "id": "o",
        "code": {"coding": [{"system": "http://loinc.org", "code": "20447-9", "display": "HIV 1 RNA"}]},
    }
    report = {"resourceType": "DiagnosticReport", "id": "r", "result": [{"reference": "Observation/o"}]}
    document = {"resourceType": "DocumentReference", "id": "d", "content": [{"attachment": {"data": "eA=="}}]}
    given = label([report, result, document])
    assert "HIV" in codes(given["DiagnosticReport/r"])
    assert {"HIV", "R"} <= codes(given["DocumentReference/d"])


def test_an_order_for_hiv_makes_its_results_sensitive() -> None:
    order = {"coding": [{"system": "http://loinc.org", "code": "75622-1", "display": "HIV 1 and 2 panel"}]}
    report = {"resourceType": "DiagnosticReport", "id": "r", "code": order, "result": [{"reference": "Observation/o"}]}
    result = {"resourceType": "Observation", "id": "o", "code": {"text": "Interpretation"}, "valueString": "see note"}
    assert "HIV" in codes(label([report, result])["Observation/o"])


def test_an_author_of_psychiatry_makes_the_note_sensitive() -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "r",
        "specialty": [{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "2084P0800X"}]}],
    }
    note = {"resourceType": "DocumentReference", "id": "d", "author": [{"reference": "PractitionerRole/r"}]}
    assert "PSY" in codes(label([role, note])["DocumentReference/d"])


def test_free_text_is_only_a_hint() -> None:
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "note": [{"text": "patient attends the methadone clinic"}],
    }
    [eth] = [one for one in label([observation])["Observation/o"] if one.code == "ETH"]
    assert eth.confidence < 0.5
    assert "R" not in codes(label([observation])["Observation/o"])


@pytest.mark.parametrize(
    "text", ["ST segment depression", "Isopropyl alcohol swab", "Nonalcoholic fatty liver", "Hearing aids", "PCP visit"]
)
def test_words_with_another_meaning(text: str) -> None:
    assert codes(label([{"resourceType": "Condition", "id": "c", "code": {"text": text}}])["Condition/c"]) == {"N"}


@pytest.mark.parametrize("name", ["Suboxone 8-2 mg film", "METHADONE HCL 10 MG TAB", "Vivitrol 380 mg IM"])
def test_drug_names_without_codes(name: str) -> None:
    request = {"resourceType": "MedicationRequest", "id": "m", "medicationCodeableConcept": {"text": name}}
    assert "ETH" in codes(label([request])["MedicationRequest/m"])


def test_labels_do_not_depend_on_order() -> None:
    resources = [
        {"resourceType": "DiagnosticReport", "id": "r", "result": [{"reference": "Observation/o"}]},
        {"resourceType": "Observation", "id": "o", "code": {"text": "HIV 1 Ab"}},
        {"resourceType": "Composition", "id": "k", "section": [{"entry": [{"reference": "DiagnosticReport/r"}]}]},
        condition("I10"),
    ]
    one = {k: codes(v) for k, v in label(resources).items()}
    other = {k: codes(v) for k, v in label(resources[::-1]).items()}
    assert one == other


def test_the_rules_are_read_once() -> None:
    assert shipped() is shipped()
