"""POST /fhir, POST and PUT /fhir/{type}: stored before it is answered, told at once what cannot be taken, true about what
is still to come."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapters.fhir.decode import decode
from hie.model import FeedContext
from hie.record.body import ZSTD, pack
from hie.store import tables
from tests.api.region import CANARIES, Region

FHIR = {"content-type": "application/fhir+json"}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:1.2.3.4", "value": "MRN-77001"}],
    "name": [{"family": "Zyxwolfe", "given": ["Quintessa"]}],
    "birthDate": "1977-07-07",
}
PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "bp-1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
    "subject": {"reference": "Patient/77"},
    "valueQuantity": {"value": 121.0, "unit": "mmHg"},
}


def bundle(kind: str, *resources: dict[str, Any], method: str = "POST") -> dict[str, Any]:
    entries = [{"resource": r, "request": {"method": method, "url": r["resourceType"]}} for r in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def send(region: Region, path: str, body: Any, method: str = "POST", **headers: str) -> httpx.Response:
    with region.client("app") as client:
        return client.request(method, path, json=body, headers={**FHIR, **headers})


def checked(answer: httpx.Response) -> dict[str, Any]:
    """The OperationOutcome of an answer, which R4 allows and which says nothing of the patient."""
    assert answer.headers["content-type"] == "application/fhir+json"
    assert not any(canary in answer.text for canary in CANARIES)
    found: dict[str, Any] = answer.json()
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return found


@pytest.mark.invariant(1)
def test_accepted_is_on_the_disk_and_says_where_to_look(region: Region) -> None:
    for number, (path, body) in enumerate(
        [
            ("/fhir", bundle("transaction", PATIENT, PRESSURE)),
            ("/fhir/", bundle("batch", PATIENT, PRESSURE)),
            ("/fhir", bundle("collection", PATIENT)),
            ("/fhir", {**PATIENT, "gender": "female"}),
            ("/fhir/Patient", PATIENT),
            ("/fhir/Observation", PRESSURE),
        ]
    ):
        answer = send(region, path, body)
        assert answer.status_code == 202, answer.text
        assert checked(answer)["issue"][0]["severity"] == "informational"
        entry = region.arrived()[number]
        assert entry.envelope.message_id == answer.headers["x-message-id"]
        assert (entry.envelope.feed, entry.refusal) == ("app", None)
    with region.client("app") as client:
        waits = client.get(answer.headers["content-location"])
    assert (waits.status_code, waits.headers["retry-after"]) == (202, "1")


def test_an_update_names_its_resource_and_is_never_a_repeat(region: Region) -> None:
    first, other = {**PRESSURE}, {**PRESSURE, "status": "amended"}
    ids = [
        send(region, "/fhir/Observation/bp-1", body, "PUT").headers["x-message-id"] for body in (first, other, first)
    ]
    assert len(set(ids)) == 3
    assert send(region, "/fhir/Observation/bp-2", first, "PUT").status_code == 400
    assert send(region, "/fhir/Condition/bp-1", first, "PUT").status_code == 400
    assert send(region, "/fhir/Observation/bp-1", first, "PUT", **{"if-match": 'W/"1"'}).status_code == 412
    assert len(region.arrived()) == 3


def test_a_create_that_is_sent_again_is_one(region: Region) -> None:
    first = send(region, "/fhir/Patient", PATIENT)
    again = send(region, "/fhir/Patient", PATIENT)
    assert again.headers["x-message-id"] == first.headers["x-message-id"]
    assert again.headers["x-duplicate"] == "true"


@pytest.mark.invariant(2)
def test_a_transaction_is_taken_as_a_whole_or_not_at_all(region: Region) -> None:
    gone: dict[str, Any] = {"request": {"method": "DELETE", "url": "Observation/1"}}
    body = bundle("transaction", PATIENT)
    body["entry"].append(gone)
    answer = send(region, "/fhir", body)
    assert answer.status_code == 422
    issues = checked(answer)["issue"]
    assert issues[0]["expression"] == ["Bundle.entry[1].resource"]
    assert "fhir-method" in [i["details"]["coding"][0]["code"] for i in issues]
    [entry] = region.arrived()
    assert entry.refusal is not None
    body["type"] = "batch"
    answer = send(region, "/fhir", body)
    assert (answer.status_code, len(region.arrived())) == (202, 2)
    assert "fhir-method" in [i["details"]["coding"][0]["code"] for i in checked(answer)["issue"]]


@pytest.mark.invariant(2)
def test_what_cannot_be_taken_is_kept_and_told(region: Region) -> None:
    for body in (
        {**PRESSURE, "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {k: v for k, v in PRESSURE.items() if k != "subject"},
    ):
        answer = send(region, "/fhir/Observation", body)
        assert answer.status_code == 422
        assert checked(answer)["issue"][0]["severity"] == "error"
        assert region.arrived()[-1].refusal is not None


def test_what_was_mended_is_told_with_its_place(region: Region) -> None:
    odd = {**PRESSURE, "effectiveDateTime": "yesterday", "unknownElement": 5}
    answer = send(region, "/fhir/Observation", odd)
    assert answer.status_code == 202
    told = {(i["code"], *i.get("expression", ())) for i in checked(answer)["issue"]}
    assert {("value", "Observation.effectiveDateTime"), ("structure", "Observation.unknownElement")} <= told
    assert send(region, "/fhir/Observation", odd, prefer="handling=strict").status_code == 422


def test_prefer_minimal(region: Region) -> None:
    answer = send(region, "/fhir/Patient", PATIENT, prefer="respond-async, return=minimal")
    assert (answer.status_code, answer.content) == (202, b"")
    assert "/fhir/_async/" in answer.headers["content-location"]


@pytest.mark.invariant(10)
def test_only_a_feed_that_takes_fhir_may(region: Region) -> None:
    with region.client("north") as client:
        assert client.post("/fhir/Patient", json=PATIENT, headers=FHIR).status_code == 403
    with region.client(user="root") as client:
        assert client.post("/fhir", json=PATIENT, headers=FHIR).status_code == 403
    with region.client() as client:
        assert client.post("/fhir", json=PATIENT, headers=FHIR).status_code == 401
    assert send(region, "/fhir/Consent", {"resourceType": "Consent"}).status_code == 403
    id = send(region, "/fhir/Patient", PATIENT).headers["x-message-id"]
    with region.client("north") as client:
        assert client.get(f"/fhir/_async/{id}").status_code == 403
    with region.client("app") as client:
        for unknown in ("20200101-1", "nonsense", "x" * 40):
            assert client.get(f"/fhir/_async/{unknown}").status_code == 404


def test_what_the_address_and_the_headers_say(region: Region) -> None:
    cases: list[tuple[str, str, dict[str, str], int]] = [
        ("/fhir/Patient", "POST", {"content-type": "application/fhir+xml"}, 415),
        ("/fhir/Patient", "POST", {"content-type": "application/fhir+json; fhirVersion=5.0"}, 415),
        ("/fhir/Patient", "POST", {"content-type": "application/fhir+json; fhirVersion=4.0; charset=utf-8"}, 202),
        ("/fhir/Subscription", "POST", {}, 404),
        ("/fhir/patient", "POST", {}, 404),
        ("/fhir/Observation", "POST", {}, 400),
        ("/fhir/Patient/1", "DELETE", {}, 405),
        ("/fhir/Patient/1", "PATCH", {}, 405),
    ]
    for path, method, headers, status in cases:
        answer = send(region, path, PATIENT, method, **headers)
        assert answer.status_code == status, (path, method, headers)
        checked(answer)


def test_a_conditional_create_is_answered_by_what_is_here(region: Region) -> None:
    wants = {"if-none-exist": "identifier=urn:oid:1.2.3.4|MRN-77001"}
    first = send(region, "/fhir/Patient", PATIENT, **wants)
    assert first.status_code == 202

    [record] = decode(region.arrived()[0].envelope.raw, FeedContext(feed="app"))
    region.write(
        tables.resource.insert().values(
            reference=record.patient,
            message_id=first.headers["x-message-id"],
            idx=0,
            mpi_record=1,
            version=1,
            content=b"",
        )
    )
    again = send(region, "/fhir/Patient", PATIENT, **wants)
    assert (again.status_code, len(region.arrived())) == (200, 1)
    assert send(region, "/fhir/Patient", PATIENT, **{"if-none-exist": "name=Zyxwolfe"}).status_code == 412


def test_the_end_is_shown_entry_by_entry(region: Region) -> None:
    body = bundle("batch", PATIENT)
    body["entry"].append({"request": {"method": "DELETE", "url": "Observation/1"}})
    id = send(region, "/fhir", body).headers["x-message-id"]
    region.message(id, "app", format="fhir", event="Bundle")

    [record] = decode(region.arrived()[0].envelope.raw, FeedContext(feed="app"))
    region.write(
        tables.record.insert().values(
            message_id=id,
            idx=0,
            event="Bundle",
            mpi_record=1,
            decision="new",
            body=pack(record, {}),
            codec=ZSTD,
            key_id=0,
        )
    )
    with region.client("app") as client:
        found = checked(client.get(f"/fhir/_async/{id}"))
    assert found["type"] == "batch-response"
    assert [e["response"]["status"][:3] for e in found["entry"]] == ["200", "422"]
    assert record.patient in found["entry"][0]["response"]["outcome"]["issue"][0]["details"]["text"]


def test_the_statement_says_what_works(region: Region) -> None:
    with region.client(user="root") as client:
        statement = client.get("/fhir/metadata").json()
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    [rest] = statement["rest"]
    types = {r["type"]: {i["code"] for i in r["interaction"]} for r in rest["resource"]}
    assert types["ExplanationOfBenefit"] == types["ImagingStudy"] == {"create", "update"}
    assert "Subscription" not in types
    assert {i["code"] for i in rest["interaction"]} == {"batch", "transaction"}


def test_intake_takes_every_writing_of_it(region: Region) -> None:
    one, two = (f'{{"resourceType":"Patient","id":"{n}","name":[{{"family":"Ä"}}]}}' for n in (1, 2))
    for content in (b"\xef\xbb\xbf" + one.encode(), f"{one}\n{two}\n".encode(), one.encode("utf-16")):
        with region.client("app") as client:
            answer = client.post("/intake/app", content=content, headers={"content-type": "application/fhir+ndjson"})
        assert answer.status_code == 202
        assert region.arrived()[-1].refusal is None
