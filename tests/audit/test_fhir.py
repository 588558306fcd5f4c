"""Audit records as AuditEvent: valid R4, BALP profiles only where they are kept, and no content."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from sqlalchemy import Engine, select

from hie.audit.chain import Chain
from hie.audit.events import Kind, event
from hie.audit.fhir import BALP, audit_event
from hie.store.tables import audit

BODIES: dict[Kind, dict[str, Any]] = {
    Kind.DISCLOSURE_BEGUN: {"eid": "E1", "message": "m1", "subscriber": "ed", "purpose": "TREAT", "rules": ["r"]},
    Kind.DISCLOSURE_ENDED: {"eid": "E1", "message": "m1", "subscriber": "ed", "purpose": "TREAT", "state": "unknown"},
    Kind.DELIVERY_FAILED: {"eid": "E1", "message": "m1", "subscriber": "ed", "reason": "refused"},
    Kind.DECISION: {
        "eid": "E1",
        "subscriber": "ed",
        "decision": "deny",
        "rule": "opt-out",
        "consents": ["c1"],
        "purpose": "TREAT",
    },
    Kind.QUERY: {"eid": "E1", "parameters": ["patient", "code"], "purpose": "TREAT", "address": "10.0.0.7"},
    Kind.CONSENT_CHANGE: {"eid": "E1", "consent": "c1", "action": "revoke"},
}


def rendered(engine: Engine, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    with engine.begin() as connection:
        Chain("engine").append(connection, [event(kind, "user:alice", body, at=1_700_000_000.25)])
        row = connection.execute(select(audit).order_by(audit.c.seq.desc())).first()
    return audit_event(row, "node-a")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_a_valid_audit_event(engine: Engine, kind: Kind) -> None:
    found = rendered(engine, kind, BODIES.get(kind, {}))
    AuditEvent.model_validate(found)
    assert found["recorded"] == "2023-11-14T22:13:20.250Z"
    empty = rendered(engine, kind, {})
    AuditEvent.model_validate(empty)


@pytest.mark.parametrize("kind", [Kind.DISCLOSURE_BEGUN, Kind.DISCLOSURE_ENDED])
def test_a_disclosure_has_the_shape_of_its_profile(engine: Engine, kind: Kind) -> None:
    found = rendered(engine, kind, BODIES[kind])
    assert found["meta"]["profile"] == [BALP + "PrivacyDisclosure.Source"]
    assert (found["type"]["code"], found["action"]) == ("110106", "R")
    assert found["subtype"][0]["code"] == "disclose"
    assert [a["type"]["coding"][0]["code"] for a in found["agent"]] == ["110153", "110152"]
    assert all(a["network"]["address"] for a in found["agent"])
    assert found["agent"][0]["who"] == found["source"]["observer"]
    assert found["entity"][0]["what"] == {"reference": "Patient/E1"}
    assert len(found["entity"]) == 2
    assert found["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_an_outcome_that_is_unknown_is_no_success(engine: Engine) -> None:
    assert rendered(engine, Kind.DISCLOSURE_ENDED, BODIES[Kind.DISCLOSURE_ENDED])["outcome"] == "4"
    delivered = BODIES[Kind.DISCLOSURE_ENDED] | {"state": "delivered"}
    assert rendered(engine, Kind.DISCLOSURE_ENDED, delivered)["outcome"] == "0"


def test_a_denial_names_consent_and_rule(engine: Engine) -> None:
    found = rendered(engine, Kind.DECISION, BODIES[Kind.DECISION])
    assert found["meta"]["profile"] == [BALP + "AuthZconsent"]
    assert (found["outcome"], found["outcomeDesc"]) == ("8", "opt-out")
    assert [e["what"]["reference"] for e in found["entity"]] == ["Patient/E1", "Consent/c1"]
    assert len(found["agent"]) == 4


def test_a_query_tells_names_of_parameters_only(engine: Engine) -> None:
    found = rendered(engine, Kind.QUERY, BODIES[Kind.QUERY])
    assert found["meta"]["profile"] == [BALP + "PatientQuery"]
    assert base64.b64decode(found["entity"][-1]["query"]) == b"patient&code"


def test_no_profile_is_claimed_that_is_not_kept(engine: Engine) -> None:
    assert "meta" not in rendered(engine, Kind.DISCLOSURE_BEGUN, {"message": "m1"})
    assert "meta" not in rendered(engine, Kind.DECISION, {"eid": "E1"})
    assert "meta" not in rendered(engine, Kind.QUERY, {"outcome": "denied"})


def test_logging_out_is_a_logout(engine: Engine) -> None:
    assert rendered(engine, Kind.LOGIN, {"action": "close-session"})["subtype"][0]["code"] == "110123"
