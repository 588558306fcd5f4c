"""The transaction bundle: idempotent, labelled, and silent about what was left out."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle

from adapters.fhir.bundle import encode
from hie.errors import PermanentRefusal
from hie.fhir.ids import resource_id
from hie.model import Source, SubscriberContext, View

CONTEXT = SubscriberContext(name="pcp", key="d-0001")
P, O1, O2 = (resource_id("t", "x", str(n)) for n in range(3))
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def observation(identity: str, level: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"security": [{"system": CONFIDENTIALITY, "code": level}]},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": f"Patient/{P}"},
        "valueQuantity": {"value": 92, "unit": "mg/dL"},
    }


RESOURCES: tuple[dict[str, Any], ...] = (
    {"resourceType": "Patient", "id": P, "identifier": [{"system": "urn:oid:1.2", "value": "4471"}]},
    observation(O1, "N"),
    observation(O2, "R"),
)


def view(**changes: Any) -> View:
    given: dict[str, Any] = {
        "message_id": "m-1",
        "event": "ORU^R01",
        "enterprise_id": "E-9",
        "patient": f"Patient/{P}",
        "resources": RESOURCES,
        "sources": (
            Source(f"Patient/{P}", "PID[1]"),
            Source(f"Observation/{O1}", "OBX[1]"),
            Source(f"Observation/{O2}", "OBX[3]"),
            Source("Observation/withheld", "OBX[2]"),
        ),
        "raw": b"MSH|...",
        "authored": "2026-03-01T10:15:00-06:00",
        "sender": "LAB|CLINIC",
    }
    return View(**{**given, **changes})


def decoded(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(encode(view(**changes), CONTEXT))
    Bundle.model_validate(made)
    return made


@pytest.mark.invariant(6)
def test_every_entry_is_a_put_by_id_and_the_bundle_is_repeatable() -> None:
    bundle = decoded()
    assert bundle["type"] == "transaction"
    assert bundle["identifier"] == {"system": "urn:hie:delivery-key", "value": "d-0001"}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
        assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"
    shuffled = view(resources=tuple(dict(reversed(r.items())) for r in copy.deepcopy(RESOURCES)))
    assert encode(shuffled, CONTEXT) == encode(view(), CONTEXT)


def test_patient_gets_the_enterprise_id_beside_the_senders() -> None:
    before = copy.deepcopy(RESOURCES)
    patient = decoded()["entry"][0]["resource"]
    assert patient["identifier"] == [
        {"system": "urn:oid:1.2", "value": "4471"},
        {"system": "urn:hie:enterprise-id", "value": "E-9"},
    ]
    assert before == RESOURCES


@pytest.mark.parametrize(
    ("levels", "highest"), [(("N", "R"), "R"), (("V", "N"), "V"), (("N", "N"), "N"), (("L", "M"), "M")]
)
def test_bundle_carries_the_highest_confidentiality_and_the_purpose(levels: tuple[str, str], highest: str) -> None:
    resources = (RESOURCES[0], observation(O1, levels[0]), observation(O2, levels[1]))
    security = decoded(resources=resources, purpose="HPAYMT")["meta"]["security"]
    assert security[0] == {"system": CONFIDENTIALITY, "code": highest}
    assert security[1]["code"] == "HPAYMT"


def test_obligation_travels_as_refrain_with_its_text_and_the_consent_it_rests_on() -> None:
    notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
    bundle = decoded(obligations=(notice,), consent="consent-5|3")
    refrain = bundle["meta"]["security"][2]
    assert refrain["code"] == "NORDSCLCD"
    assert refrain["extension"][0]["valueString"] == notice
    disclosure = bundle["entry"][-1]["resource"]
    assert disclosure["entity"][0]["what"]["identifier"]["value"] == "consent-5|3"
    assert len(disclosure["target"]) == 3


def test_nothing_tells_that_something_is_missing_unless_it_may() -> None:
    text = encode(view(removed=frozenset({"OBX[2]"})), CONTEXT).decode()
    for hint in ("withheld", "OBX[", "REDACTED", "sha256"):
        assert hint not in text
    assert encode(view(removed=frozenset({"OBX[2]"})), CONTEXT) == encode(view(), CONTEXT)
    open_context = SubscriberContext(name="pcp", key="d-0001", reveal_redaction=True)
    told = encode(view(removed=frozenset({"OBX[2]"})), open_context).decode()
    assert "REDACTED" in told
    assert "OBX[3]" in told


def test_provenance_targets_only_what_is_in_the_bundle() -> None:
    bundle = decoded()
    present = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]}
    provenance = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Provenance"]
    assert provenance
    for resource in provenance:
        assert {t["reference"] for t in resource["target"]} <= present
    without = SubscriberContext(name="pcp", key="d-0001", options={"provenance": False})
    assert b"Provenance" not in encode(view(), without)


def test_one_id_stands_once_in_a_transaction() -> None:
    twice = (*RESOURCES, observation(O1, "R"))
    bundle = decoded(resources=twice)
    urls = [e["request"]["url"] for e in bundle["entry"]]
    assert len(urls) == len(set(urls))
    assert bundle["entry"][1]["resource"]["meta"]["security"][0]["code"] == "R"


def test_an_empty_view_is_refused() -> None:
    with pytest.raises(PermanentRefusal) as refused:
        encode(view(resources=()), CONTEXT)
    assert refused.value.code == "bundle-empty"
