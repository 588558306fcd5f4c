"""What apps, records and payers send: references of every kind, ids, labels, writings of JSON, elements that R4 does not
allow. Expectations are of FHIR R4 (Bundle, References, JSON representation, data-absent-reason)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.fhir.decode import decode, peek
from hie.errors import DecodeError
from hie.fhir import digits
from hie.model import FeedContext, Record

CONTEXT = FeedContext(feed="app", timezone="America/Chicago", default_authority="urn:oid:1.2.3")
GLUCOSE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
    "subject": {"reference": "Patient/7"},
    "valueQuantity": {"value": 5.25, "unit": "mmol/L"},
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "7", "name": [{"family": "Moss"}]}


def records(body: Any) -> list[Record]:
    return list(decode(body if isinstance(body, bytes) else json.dumps(body).encode(), CONTEXT))


def bundle(*resources: Any, kind: str = "collection", **more: Any) -> dict[str, Any]:
    entries = [r if "resource" in r else {"resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def one(record: Record, kind: str) -> dict[str, Any]:
    [found] = [r for r in record.resources if r["resourceType"] == kind]
    return found


def codes(record: Record) -> set[tuple[str, str]]:
    return {(w.code, w.where) for w in record.warnings}


def test_a_resource_alone_is_about_whom_it_names() -> None:
    [record] = records(GLUCOSE)
    patient = one(record, "Patient")
    assert patient["identifier"][0]["system"] == "urn:hie:fhir:app/Patient"
    assert patient["identifier"][0]["value"] == "7"
    assert one(record, "Observation")["subject"]["reference"] == f"Patient/{patient['id']}"
    assert (
        peek(json.dumps(GLUCOSE).encode()).ordering == peek(json.dumps(PATIENT).encode()).ordering == ("||Patient/7",)
    )


def test_two_results_without_a_name_are_two() -> None:
    other = {**GLUCOSE, "valueQuantity": {"value": 6.5, "unit": "mmol/L"}}
    ids = {one(records(body)[0], "Observation")["id"] for body in (GLUCOSE, other, GLUCOSE)}
    assert len(ids) == 2


def test_one_accession_number_on_several_results_is_no_name_of_one() -> None:
    number = [{"system": "urn:oid:1.9", "value": "A-1"}]
    potassium = {**GLUCOSE, "identifier": number, "code": {"text": "potassium"}}
    [record] = records(
        bundle(PATIENT, {**GLUCOSE, "identifier": number}, potassium, {**potassium, "status": "amended"})
    )
    assert len({r["id"] for r in record.resources}) == 4


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/7"},
        {"reference": "https://ehr.example/fhir/Patient/7"},
        {"reference": "https://ehr.example/fhir/Patient/7/_history/3"},
        {"reference": "Patient?identifier=urn:oid:1.2.3|M7"},
        {"reference": "Patient?identifier=urn%3Aoid%3A1.2.3%7CM7"},
        {"identifier": {"system": "urn:oid:1.2.3", "value": "M7"}},
        {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "M7"}},
    ],
)
def test_every_kind_of_reference_finds_the_patient(subject: dict[str, Any]) -> None:
    base = "https://ehr.example/fhir"
    patient = {**PATIENT, "identifier": [{"value": "M7"}, {"system": "urn:oid:1.2.3", "value": "M7"}]}
    [record] = records(
        bundle(
            {"fullUrl": f"{base}/Patient/7", "resource": patient},
            {"fullUrl": f"{base}/Observation/1", "resource": {**GLUCOSE, "id": "1", "subject": subject}},
        )
    )
    assert one(record, "Observation")["subject"]["reference"] == record.patient


def test_a_contained_patient_is_a_person_of_its_own() -> None:
    inside = {"resourceType": "Patient", "id": "p", "name": [{"text": "Ann Moss"}]}
    [record] = records({**GLUCOSE, "contained": [inside], "subject": {"reference": "#p"}})
    assert one(record, "Patient")["name"] == [{"text": "Ann Moss"}]
    assert "contained" not in one(record, "Observation")
    assert one(record, "Observation")["subject"]["reference"] == record.patient


def test_what_is_part_of_a_patients_record_goes_along() -> None:
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/7"},
    }
    finding = {k: v for k, v in GLUCOSE.items() if k != "subject"} | {
        "id": "o",
        "encounter": {"reference": "Encounter/e"},
    }
    witness = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/o"}, {"reference": "Patient/8"}],
        "recorded": "2024-01-01T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/d"}}],
    }
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Fern"}]}
    visit = {
        "resourceType": "Appointment",
        "status": "booked",
        "participant": [{"actor": {"reference": "Patient/7"}, "status": "accepted"}],
    }
    first, second = records(bundle(PATIENT, {**PATIENT, "id": "8"}, encounter, finding, witness, doctor, visit))
    kinds = [r["resourceType"] for r in first.resources]
    assert sorted(kinds) == ["Appointment", "Encounter", "Observation", "Patient", "Practitioner", "Provenance"]
    assert [r["resourceType"] for r in second.resources] == ["Patient", "Provenance", "Practitioner"]
    assert one(first, "Provenance")["target"] == [{"reference": f"Observation/{one(first, 'Observation')['id']}"}]


def test_pointers_to_images_stay() -> None:
    study = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "identifier": [
            {"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.99.1"},
            {"type": {"coding": [{"code": "ACSN"}]}, "value": "ACC-9"},
        ],
        "subject": {"reference": "Patient/7"},
        "endpoint": [{"reference": "Endpoint/w"}],
        "series": [{"uid": "1.2.840.99.1.1", "modality": {"code": "CT"}}],
    }
    web = {
        "resourceType": "Endpoint",
        "id": "w",
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "payloadType": [{"text": "DICOM"}],
        "address": "https://pacs.example/dicom-web/studies/1.2.840.99.1",
    }
    [record] = records(bundle(PATIENT, study, web))
    made = one(record, "ImagingStudy")
    assert made["identifier"] == study["identifier"]
    assert made["series"] == study["series"]
    assert made["endpoint"] == [{"reference": f"Endpoint/{one(record, 'Endpoint')['id']}"}]
    assert one(record, "Endpoint")["address"] == web["address"]


def test_labels_of_the_bundle_hold_for_what_has_none() -> None:
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    normal = {**restricted, "code": "N"}
    [record] = records(bundle(PATIENT, {**GLUCOSE, "meta": {"security": [normal]}}, meta={"security": [restricted]}))
    assert one(record, "Patient")["meta"]["security"] == [restricted]
    assert one(record, "Observation")["meta"]["security"] == [normal]


def test_parameters_and_bundles_in_bundles_are_opened() -> None:
    inner = bundle(PATIENT, kind="searchset")
    [record] = records(bundle({"resource": inner}, GLUCOSE, kind="batch-response"))
    assert {r["resourceType"] for r in record.resources} == {"Patient", "Observation"}
    [record] = records(
        {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": bundle(PATIENT, GLUCOSE)}]}
    )
    assert {r["resourceType"] for r in record.resources} == {"Patient", "Observation"}


def test_lines_are_resources_and_a_damaged_one_costs_itself() -> None:
    lines = [json.dumps(PATIENT), json.dumps(GLUCOSE), "{damaged", ""]
    [record] = records("\n".join(lines).encode())
    assert [r["resourceType"] for r in record.resources] == ["Patient", "Observation"]
    assert ("fhir-shape", "line 3") in codes(record)
    assert record.unmapped[0].where == "line 3"


@pytest.mark.parametrize(
    ("raw", "family", "warned"),
    [
        (b'\xef\xbb\xbf{"resourceType":"Patient","name":[{"family":"M\xc3\xb6ss"}]}', "Möss", None),
        ('{"resourceType":"Patient","name":[{"family":"Möss"}]}'.encode("utf-16"), "Möss", "fhir-charset"),
        ('{"resourceType":"Patient","name":[{"family":"Möss"}]}'.encode("utf-16-le"), "Möss", "fhir-charset"),
        ('{"resourceType":"Patient","name":[{"family":"Möss"}]}'.encode("cp1252"), "Möss", "fhir-charset"),
        (b'{"resourceType":"Patient","name":[{"family":"Mo\nss"}]}\x00', "Mo\nss", "fhir-json"),
        (b'{"resourceType":"Patient","name":[{"family":"Mo\\ud800ss"}]}', "Mo\ufffdss", "fhir-json"),
        (b'{"resourceType":"Patient","name":[{"family":"Ash","family":"Moss"}]}', "Moss", "fhir-twice"),
    ],
)
def test_writings_of_json(raw: bytes, family: str, warned: str | None) -> None:
    [record] = records(raw)
    assert one(record, "Patient")["name"][0]["family"] == family
    assert {w.code for w in record.warnings} == ({warned} if warned else set())
    assert peek(raw).event == "Patient"


def test_numbers_keep_their_digits_and_what_is_none_goes() -> None:
    raw = json.dumps(GLUCOSE).encode()
    for written in (b"5.00", b"1.50e3", b"123456789012345678.125", b"18446744073709551616"):
        [record] = records(raw.replace(b"5.25", written))
        assert b'"value":' + written in digits.dumps(record.resources)
    [record] = records(raw.replace(b"5.25", b"NaN"))
    assert one(record, "Observation")["valueQuantity"] == {"unit": "mmol/L"}
    assert "Observation.valueQuantity.value" in {u.where for u in record.unmapped}


def test_depth_costs_the_resource_that_is_too_deep() -> None:
    item: dict[str, Any] = {"linkId": "1"}
    for _ in range(60):
        item = {"linkId": "1", "item": [item]}
    deep = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": "Patient/7"},
        "item": [item],
    }
    [record] = records(bundle(PATIENT, deep))
    assert ("fhir-depth", "Bundle.entry[1]") in codes(record)
    with pytest.raises(DecodeError) as refused:
        records(b'{"resourceType":"Patient","a":' + b"[" * 900 + b"]" * 900 + b"}")
    assert refused.value.code == "fhir-depth"


ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def test_what_is_required_and_was_not_sent_says_so() -> None:
    bare = {k: v for k, v in GLUCOSE.items() if k not in ("status", "code")}
    [record] = records(
        bundle(
            PATIENT,
            bare,
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "subject": {"reference": "Patient/7"},
            },
        )
    )
    made = one(record, "Observation")
    assert (made["_status"], made["code"]) == (ABSENT, ABSENT)
    assert one(record, "MedicationRequest")["medicationCodeableConcept"] == ABSENT
    assert ("fhir-required", "Bundle.entry[1].status") in codes(record)


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("birthDate", "1970-02-03T00:00:00Z", {"birthDate": "1970-02-03"}),
        ("birthDate", "02/03/1970", {}),
        ("birthDate", "1970-02-30", {}),
        ("gender", "F", {"gender": "female"}),
        ("gender", "Female", {"gender": "female"}),
        ("gender", "W", {}),
        ("active", "true", {"active": True}),
        ("name", {"family": "Moss"}, {"name": [{"family": "Moss"}]}),
        ("name", "Ann Moss", {"name": [{"text": "Ann Moss"}]}),
        ("maritalStatus", "married", {"maritalStatus": {"text": "married"}}),
        ("favourite", "blue", {}),
        ("deceasedDateTime", "2024-05-06T07:08:09", {"deceasedDateTime": "2024-05-06T07:08:09-05:00"}),
    ],
)
def test_a_value_that_r4_does_not_allow_is_read_or_kept_as_it_was(name: str, sent: Any, kept: dict[str, Any]) -> None:
    [record] = records({"resourceType": "Patient", "id": "7", "telecom": [{"value": "555"}], name: sent})
    made = one(record, "Patient")
    assert {k: v for k, v in made.items() if k == name} == kept
    assert record.warnings
    if not kept and name != "favourite":
        assert made[f"_{name}"]["extension"] == [{"url": "urn:hie:original-text", "valueString": sent}]
    if name == "favourite":
        assert ("Patient.favourite", 1) in record.unmapped


def test_what_an_app_sends_as_a_list_with_gaps_keeps_its_places() -> None:
    reason = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
    }
    name = {"family": "Moss", "given": ["Ann", None], "_given": [None, reason]}
    [record] = records({**PATIENT, "name": [name]})
    assert one(record, "Patient")["name"] == [name]
    assert not record.warnings


def test_a_local_reference_to_nothing_goes_with_a_word() -> None:
    [record] = records(bundle(PATIENT, {**GLUCOSE, "performer": [{"reference": "#gone", "display": "Lab"}]}))
    assert one(record, "Observation")["performer"] == [{"display": "Lab"}]
    assert "Bundle.entry[1].performer.reference" in {u.where for u in record.unmapped}
