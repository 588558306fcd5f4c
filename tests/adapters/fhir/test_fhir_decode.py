"""FHIR bodies in: one record a patient, references inside it, the sender's ids kept, nothing misread."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir.decode import decode, peek
from adapters.fhir.references import pointers
from hie.errors import DecodeError, Rejected
from hie.fhir.validate import valid
from hie.model import FeedContext, Record

SAMPLE = Path("adapters/fhir/samples/transaction.json")
CONTEXT = FeedContext(feed="lakeside")


def records(body: Any, context: FeedContext = CONTEXT) -> list[Record]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(decode(raw, context))


def sample() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SAMPLE.read_text())
    return loaded


def check_closed(record: Record) -> None:
    """Every reference resolves inside the record and every resource is valid R4B."""
    present = {f"{r['resourceType']}/{r['id']}" for r in record.resources}
    assert record.patient in present
    for resource in record.resources:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        for element in pointers(resource):
            reference = element if isinstance(element, str) else element.get("reference", "#")
            assert reference in present or reference.startswith(("#", "http")), reference
    assert {s.reference for s in record.sources} == present


def test_a_transaction_becomes_one_closed_record() -> None:
    (record,) = records(sample())
    check_closed(record)
    patient, doctor, result = record.resources
    assert patient["meta"] == {"security": sample()["entry"][0]["resource"]["meta"]["security"]}
    assert patient["identifier"][-1]["system"] == "https://ehr.lakeside.example/fhir/Patient"
    assert patient["identifier"][-1]["value"] == "88"
    assert patient["generalPractitioner"][0]["reference"] == f"Practitioner/{doctor['id']}"
    assert result["subject"]["reference"] == record.patient
    assert result["performer"][0] == {
        "display": "Outside laboratory",
        "type": "Organization",
        "identifier": {"system": "urn:hie:fhir:lakeside/Organization", "value": "77"},
    }
    assert record.authored == "2026-04-02T08:30:00-05:00"
    assert [s.where for s in record.sources] == ["Bundle.entry[0]", "Bundle.entry[1]", "Bundle.entry[2]"]
    assert ("Bundle.entry[0].meta.versionId", 1) in record.unmapped


def test_same_input_same_output_and_other_feed_other_ids() -> None:
    assert records(sample()) == records(sample())
    assert records(sample())[0].patient != records(sample(), FeedContext(feed="other"))[0].patient


def test_peek_names_every_patient_and_the_control_id() -> None:
    keys = peek(SAMPLE.read_bytes())
    assert keys.control_id == b"2026-000917"
    assert keys.ordering == ("https://ehr.lakeside.example/mrn|MR|L-5520", "||Patient/88")
    assert keys.sender == "https://ehr.lakeside.example"
    assert keys.event == "Bundle"
    body = sample()
    body["meta"]["tag"] = [{"code": "HTEST"}]
    assert peek(json.dumps(body).encode()).processing == "T"


def two_patients() -> dict[str, Any]:
    def observation(identity: str, patient: str, **more: Any) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "id": identity,
            "status": "final",
            "code": {"text": identity},
            "subject": {"reference": f"Patient/{patient}"},
            **more,
        }

    resources = [
        {
            "resourceType": "Patient",
            "id": "a",
            "name": [{"family": "A"}],
            "managingOrganization": {"reference": "Organization/o"},
        },
        {
            "resourceType": "Patient",
            "id": "b",
            "name": [{"family": "B"}],
            "managingOrganization": {"reference": "Organization/o"},
        },
        {"resourceType": "Organization", "id": "o", "name": "Shared"},
        observation("oa", "a", derivedFrom=[{"reference": "Observation/ob"}]),
        observation("ob", "b"),
        {"resourceType": "Observation", "id": "lost", "status": "final", "code": {"text": "lost"}},
        observation("elsewhere", "c"),
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def test_two_patients_never_share_a_clinical_resource() -> None:
    first, second, third, nobody = records(two_patients())
    for record in (first, second, third):
        check_closed(record)
    texts = [[r.get("code", {}).get("text") for r in record.resources if "code" in r] for record in (first, second)]
    assert texts == [["oa"], ["ob"]]
    assert [r["resourceType"] for r in first.resources].count("Organization") == 1
    assert [r["resourceType"] for r in second.resources].count("Organization") == 1
    codes = {(w.code, w.where) for w in first.warnings}
    assert ("fhir-cut", "Bundle.entry[3].derivedFrom") in codes
    assert ("fhir-no-subject", "Bundle.entry[5]") in codes
    assert nobody.patient is None
    assert [r["code"]["text"] for r in nobody.resources] == ["lost"]
    # who is only named is a patient too: by the id that the sender's server gave
    assert [r["resourceType"] for r in third.resources] == ["Patient", "Observation"]
    assert third.resources[0]["identifier"][0]["system"] == "urn:hie:fhir:lakeside/Patient"
    assert third.resources[0]["identifier"][0]["value"] == "c"


def test_a_subject_named_by_identifier_is_a_patient() -> None:
    body = {
        "resourceType": "Observation",
        "id": "x",
        "status": "final",
        "code": {"text": "glucose"},
        "subject": {"identifier": {"system": "urn:oid:1.2.3", "value": "77"}, "display": "Somebody"},
    }
    (record,) = records(body)
    check_closed(record)
    assert peek(json.dumps(body).encode()).ordering == ("urn:oid:1.2.3||77",)
    patient = record.resources[0]
    assert patient["identifier"] == [{"system": "urn:oid:1.2.3", "value": "77"}]


def changed(**changes: Any) -> dict[str, Any]:
    return {**sample(), **changes}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "fhir-json"),
        (b"", "fhir-json"),
        (b"[" * 100_000, "fhir-depth"),
        (b"<Patient/>", "fhir-xml"),
        (b"[]", "fhir-type"),
        (b'{"resourceType": 5}', "fhir-type"),
        ({"resourceType": "Practitioner", "id": "1"}, "fhir-empty"),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/9"}}, "fhir-empty"),
        ({"resourceType": "Bundle", "type": "searchset"}, "fhir-empty"),
        ({"resourceType": "Subscription", "status": "requested", "criteria": "Observation?"}, "fhir-not-taken"),
        ({"resourceType": "Encounter", "class": [{"text": "x"}]}, "fhir-version"),
        ({"resourceType": "Permission", "status": "active"}, "fhir-type"),
    ],
)
def test_what_cannot_be_taken_has_a_code(body: Any, code: str) -> None:
    with pytest.raises(DecodeError) as refused:
        records(body)
    assert refused.value.code == code


@pytest.mark.invariant(7)
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"resource": {"resourceType": "MedicationRequest", "medication": {"concept": {}}}}, "fhir-version"),
        ({"resource": {"resourceType": "Condition", "modifierExtension": [{"url": "x"}]}}, "fhir-modifier"),
        ({"resource": {"resourceType": "Observation", "implicitRules": "urn:x"}}, "fhir-modifier"),
        ({"request": {"method": "DELETE", "url": "Observation/4"}}, "fhir-method"),
        ({"resource": "text"}, "fhir-shape"),
        ({"resource": {"id": "1"}}, "fhir-type"),
        ("text", "fhir-shape"),
    ],
)
def test_one_bad_entry_is_left_out_and_named(entry: Any, code: str) -> None:
    body = sample()
    body["entry"].append(entry)
    (record,) = records(body)
    assert len(record.resources) == 3
    assert (code, "Bundle.entry[3]") in {(w.code, w.where) for w in record.warnings}
    assert "Bundle.entry[3]" in {u.where for u in record.unmapped}


def test_history_keeps_the_newest_and_a_batch_the_last() -> None:
    old, new = (
        {"fullUrl": "http://s/Patient/1", "resource": {"resourceType": "Patient", "id": "1", "gender": g}}
        for g in ("male", "female")
    )
    (record,) = records({"resourceType": "Bundle", "type": "history", "entry": [new, old]})
    assert record.resources[0]["gender"] == "female"
    (record,) = records({"resourceType": "Bundle", "type": "batch", "entry": [old, new]})
    assert record.resources[0]["gender"] == "female"
    assert record.warnings[0].code == "fhir-duplicate"


def test_wrong_shapes_are_taken_out_not_passed_on() -> None:
    body = {
        "resourceType": "Patient",
        "id": "1",
        "name": "Jo",
        "birthDate": "19/07/88",
        "gender": None,
        "telecom": [None],
    }
    (record,) = records(body)
    assert set(record.resources[0]) == {"resourceType", "id", "identifier", "name", "_birthDate"}
    assert record.resources[0]["name"] == [{"text": "Jo"}]
    assert record.resources[0]["_birthDate"]["extension"][0]["valueString"] == "19/07/88"
    assert {w.where.partition("[")[0] for w in record.warnings} == {"Patient.name", "Patient.birthDate"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["Patient", "Patient/88", "#x", "a", "Observation"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "subject",
                    "reference",
                    "identifier",
                    "meta",
                    "entry",
                    "resource",
                    "name",
                    "type",
                    "value",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 3),
    st.sampled_from(["id", "meta", "identifier", "subject", "name", "fullUrl", "request", "resource"]),
    JSON,
)
def test_any_damage_gives_a_record_or_a_coded_error(number: int, name: str, value: Any) -> None:
    body = copy.deepcopy(sample())
    if number < 3:
        place = body["entry"][number]
        (place if name in ("fullUrl", "request", "resource") else place["resource"])[name] = value
    else:
        body[name] = value
    raw = json.dumps(body).encode()
    try:
        peek(raw)
        for record in decode(raw, CONTEXT):
            assert record.resources
            assert valid(record.resources)
    except Rejected as refused:
        if not refused.code.startswith("fhir-"):
            raise
