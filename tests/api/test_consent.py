"""/fhir/Consent over HTTP: recorded by those who may, versioned, searched without identifiers in addresses, accounted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.region import Region

JSON = {"content-type": "application/fhir+json"}


def consent(**changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "59284-0"}]}],
        "patient": {"reference": "Patient/1"},
        **changed,
    }


def test_record_read_replace(region: Region) -> None:
    with region.client(user="petra", headers=JSON) as client:
        made = client.post("/fhir/Consent", json=consent(id="mine"))
        assert made.status_code == 201
        id = made.json()["id"]
        assert id != "mine"
        assert made.headers["location"].endswith(f"/fhir/Consent/{id}/_history/1")
        read = client.get(f"/fhir/Consent/{id}")
        assert (read.status_code, read.headers["etag"]) == (200, 'W/"1"')
        changed = client.put(
            f"/fhir/Consent/{id}", json=consent(id=id, status="inactive"), headers={**JSON, "if-match": 'W/"1"'}
        )
        assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
        assert changed.headers["hie-begun-before"] == "1"
        late = client.put(f"/fhir/Consent/{id}", json=consent(id=id), headers={**JSON, "if-match": 'W/"1"'})
        assert late.status_code == 409
        assert client.get(f"/fhir/Consent/{id}").json()["status"] == "inactive"
        assert client.get("/fhir/Consent/none").status_code == 404
    assert [actor for name, _, actor in region.answers.asked if name == "consent.put"] == ["user:petra"] * 2


def test_search_by_id_is_accounted(region: Region) -> None:
    with region.client(user="petra", headers=JSON) as client:
        id = client.post("/fhir/Consent", json=consent()).json()["id"]
        found = client.get("/fhir/Consent", params={"_id": id}).json()
        assert (found["type"], found["total"], found["entry"][0]["resource"]["id"]) == ("searchset", 1, id)
        assert client.get("/fhir/Consent", params={"_id": id, "status": "inactive"}).json()["total"] == 0
    notes = region.answers.of("audit.note")
    assert notes[0]["body"]["parameters"] == ["_id"]
    assert notes[0]["body"]["consents"] == [id]


@pytest.mark.invariant(3)
def test_nothing_is_shown_where_the_account_cannot_be_written(region: Region) -> None:
    with region.client(user="petra", headers=JSON) as client:
        id = client.post("/fhir/Consent", json=consent()).json()["id"]
        region.answers.failing.add("audit.note")
        answer = client.get(f"/fhir/Consent/{id}")
    assert answer.status_code == 503
    assert "patient-privacy" not in answer.text


@pytest.mark.invariant(8)
def test_identifiers_only_in_a_posted_form(region: Region) -> None:
    with region.client(user="petra") as client:
        refused = client.get("/fhir/Consent", params={"patient.identifier": "urn:oid:1.2.3.4|MRN-77001"})
        assert refused.status_code == 400
        assert "MRN-77001" not in refused.text
        posted = client.post("/fhir/Consent/_search", data={"patient.identifier": "urn:oid:1.2.3.4|MRN-77001"})
        assert (posted.status_code, posted.json()["total"]) == (200, 0)
    assert "MRN-77001" not in str(region.answers.of("audit.note"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'"text"', 400),
        (b'{"resourceType":"Patient"}', 400),
        (b'{"resourceType":"Consent","status":"active"}', 400),
        (b"[" * 100000, 400),
        (b'{"resourceType":"Consent","a":' + b'{"a":' * 60 + b"1" + b"}" * 61, 400),
    ],
)
def test_bad_bodies_are_named(region: Region, body: bytes, status: int) -> None:
    with region.client(user="petra", headers=JSON) as client:
        answer = client.post("/fhir/Consent", content=body)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
        assert client.post("/fhir/Consent", content=body, headers={"content-type": "text/plain"}).status_code == 415
    assert region.answers.of("consent.put") == []


def test_the_statement_names_what_is_there(region: Region) -> None:
    with region.client(user="petra") as client:
        statement = client.get("/fhir/metadata").json()
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    (consent,) = [r for r in statement["rest"][0]["resource"] if r["type"] == "Consent"]
    assert "read" in {i["code"] for i in consent["interaction"]}
