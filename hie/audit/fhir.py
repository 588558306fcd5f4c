"""An audit record as FHIR R4 AuditEvent, in the shapes of IHE's Basic Audit Log Patterns where one fits.

Sources: FHIR R4 AuditEvent; IHE ITI BALP 1.1 (PrivacyDisclosure.Source, AuthZconsent, PatientQuery, Query,
PatientUpdate); DICOM PS3.16 CID 400 and 401. A profile is claimed only where the record has what it demands.
"""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple

import orjson

from hie.audit.events import Kind
from hie.fhir.dates import instant
from hie.model import Resource

BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_REST: Final = "http://hl7.org/fhir/restful-interaction"
_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"

Coding = tuple[str, str, str]
_EXPORT: Final = (_DCM, "110106", "Export")
_IMPORT: Final = (_DCM, "110107", "Import")
_PATIENT_RECORD: Final = (_DCM, "110110", "Patient Record")
_ALERT: Final = (_DCM, "110113", "Security Alert")
_APPLICATION: Final = (_DCM, "110100", "Application Activity")
_AUTHENTICATION: Final = (_DCM, "110114", "User Authentication")
_RESTFUL: Final = (_TYPE, "rest", "Restful Operation")
_SOURCE: Final = (_DCM, "110153", "Source Role ID")
_DESTINATION: Final = (_DCM, "110152", "Destination Role ID")
_DISCLOSE: Final = (
    "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    "disclose",
    "Disclose Record Lifecycle Event",
)
_BY_CONSENT: Final = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", "AuthZ-Consent", "")


class _Shape(NamedTuple):
    type: Coding
    subtype: tuple[Coding, ...]
    action: str


_SHAPES: Final[dict[Kind, _Shape]] = {
    Kind.RECEIVED: _Shape(_IMPORT, (), "C"),
    Kind.PROCESSED: _Shape(_IMPORT, (), "C"),
    Kind.MATCH: _Shape(_PATIENT_RECORD, (), "U"),
    Kind.LABEL_CHANGE: _Shape(_PATIENT_RECORD, (), "U"),
    Kind.DECISION: _Shape(_ALERT, (_BY_CONSENT,), "E"),
    Kind.DISCLOSURE_BEGUN: _Shape(_EXPORT, (_DISCLOSE,), "R"),
    Kind.DISCLOSURE_ENDED: _Shape(_EXPORT, (_DISCLOSE,), "R"),
    Kind.DELIVERY_FAILED: _Shape(_EXPORT, (), "R"),
    Kind.QUERY: _Shape(_RESTFUL, ((_REST, "search", "search"),), "E"),
    Kind.BREAK_GLASS: _Shape(_ALERT, ((_DCM, "110127", "Emergency Override Started"),), "E"),
    Kind.CONSENT_CHANGE: _Shape(_RESTFUL, ((_REST, "update", "update"),), "U"),
    Kind.EXPORT: _Shape(_EXPORT, (_DISCLOSE,), "R"),
    Kind.ADMINISTRATION: _Shape(_ALERT, ((_DCM, "110129", "Security Configuration"),), "U"),
    Kind.LOGIN: _Shape(_AUTHENTICATION, ((_DCM, "110122", "Login"),), "E"),
    Kind.LOGIN_FAILED: _Shape(_AUTHENTICATION, ((_DCM, "110122", "Login"),), "E"),
    Kind.LOG_READ: _Shape((_DCM, "110101", "Audit Log Used"), (), "R"),
    Kind.CONFIGURATION: _Shape(_ALERT, ((_DCM, "110131", "Software Configuration"),), "U"),
    Kind.START: _Shape(_APPLICATION, ((_DCM, "110120", "Application Start"),), "E"),
    Kind.STOP: _Shape(_APPLICATION, ((_DCM, "110121", "Application Stop"),), "E"),
    Kind.FOREIGN_WRITE: _Shape(_ALERT, (), "E"),
}
_DISCLOSURES: Final = (Kind.DISCLOSURE_BEGUN, Kind.DISCLOSURE_ENDED, Kind.EXPORT)
_LOGOUT: Final = (_DCM, "110123", "Logout")


def audit_event(row: Any, node: str) -> Resource:
    """`row` is a row of `audit`; `node` the name of the node, which observed what it records."""
    kind = Kind(row.kind)
    body: dict[str, Any] = orjson.loads(row.body)
    shape = _SHAPES[kind]
    subtype = (_LOGOUT,) if kind is Kind.LOGIN and body.get("action") == "close-session" else shape.subtype
    outcome, why = _outcome(kind, body)
    found: Resource = {
        "resourceType": "AuditEvent",
        "id": f"{row.chain}-{row.seq}",
        "type": _coding(shape.type),
        "subtype": [_coding(s) for s in subtype],
        "action": shape.action,
        "recorded": instant(row.at),
        "outcome": outcome,
        "outcomeDesc": why,
        "purposeOfEvent": [_purpose(body["purpose"])] if body.get("purpose") else [],
        "agent": _agents(kind, row.actor, body, node),
        "source": {
            "site": node,
            "observer": {"display": node},
            "type": [
                _coding(("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server"))
            ],
        },
        "entity": _entities(kind, row, body),
    }
    if profile := _profile(kind, body):
        found["meta"] = {"profile": [BALP + profile]}
    return {key: value for key, value in found.items() if value not in ([], "")}


def _profile(kind: Kind, body: dict[str, Any]) -> str:
    about_patient = bool(body.get("eid"))
    if kind in _DISCLOSURES and about_patient:
        return "PrivacyDisclosure.Source"
    if kind is Kind.DECISION and about_patient and body.get("consents"):
        return "AuthZconsent"
    if kind is Kind.QUERY and not _failed(body):
        return "PatientQuery" if about_patient else "Query"
    if kind is Kind.CONSENT_CHANGE and about_patient and body.get("consent"):
        return "PatientUpdate"
    return ""


def _failed(body: dict[str, Any]) -> bool:
    return body.get("outcome") in ("denied", "failed", "refused")


def _outcome(kind: Kind, body: dict[str, Any]) -> tuple[str, str]:
    """Code of audit-event-outcome and its explanation: 0 success, 4 minor, 8 serious failure."""
    state = str(body.get("state") or body.get("outcome") or body.get("decision") or "")
    why = " ".join(str(body[k]) for k in ("reason", "rule", "exception") if body.get(k))
    if kind is Kind.FOREIGN_WRITE or (kind is Kind.DECISION and state in ("deny", "denied", "withhold", "withheld")):
        return "8", why or state
    if kind in (Kind.LOGIN_FAILED, Kind.DELIVERY_FAILED) or state in ("failed", "unknown", "rejected", "quarantined"):
        return "4", why or state
    return "0", why or state


def _agents(kind: Kind, actor: str, body: dict[str, Any], node: str) -> list[Resource]:
    recipient = str(body.get("subscriber") or body.get("participant") or actor)
    if kind in (*_DISCLOSURES, Kind.DELIVERY_FAILED):
        return [_agent(_SOURCE, node, network=True), _agent(_DESTINATION, recipient, network=True)]
    if kind is Kind.DECISION:
        server = (
            "http://terminology.hl7.org/CodeSystem/extra-security-role-type",
            "authserver",
            "authorization server",
        )
        purpose = [_purpose(body["purpose"])] if body.get("purpose") else []
        return [
            _agent((_DCM, "110150", "Application"), recipient, network=True),
            _agent(_USER, recipient, requestor=True) | ({"purposeOfUse": purpose} if purpose else {}),
            _agent(("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider"), recipient),
            _agent(server, node),
        ]
    if kind in (Kind.QUERY, Kind.CONSENT_CHANGE):
        client = str(body.get("address") or actor)
        agents = [_agent(_SOURCE, client, network=True), _agent(_DESTINATION, node, network=True)]
        return [*agents, _agent(_USER, actor, requestor=True)]
    return [_agent(_USER, actor, requestor=True)]


_USER: Final = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient")


def _agent(role: Coding, name: str, *, network: bool = False, requestor: bool = False) -> Resource:
    found: Resource = {"type": {"coding": [_coding(role)]}, "who": {"display": name}, "requestor": requestor}
    if network:
        # 1: a name, for the addresses of subscribers are configuration and not the log's business
        found["network"] = {"address": name, "type": "1"}
    return found


def _entities(kind: Kind, row: Any, body: dict[str, Any]) -> list[Resource]:
    found: list[Resource] = []
    if body.get("eid"):
        what = {"reference": f"Patient/{body['eid']}"}
        found.append(
            {"what": what, "type": _coding((_ENTITY, "1", "Person")), "role": _coding((_ROLE, "1", "Patient"))}
        )
    consents = body.get("consents") or ([body["consent"]] if body.get("consent") else [])
    for consent in consents:
        type = _coding(("http://hl7.org/fhir/resource-types", "Consent", "Consent"))
        found.append({"what": {"reference": f"Consent/{consent.removeprefix('Consent/')}"}, "type": type})
    if kind is Kind.DECISION:
        return found
    if kind is Kind.QUERY:
        # names of parameters only: what was searched for is the patient's
        asked = "&".join(body.get("parameters") or ()) or "-"
        query = base64.b64encode(asked.encode()).decode()
        found.append({"type": _OBJECT, "role": _coding((_ROLE, "24", "Query")), "query": query})
        return found
    about = body.get("message") or body.get("disclosure") or body.get("delivery") or body.get("name")
    if about is not None or not found or kind in _DISCLOSURES:
        value = str(about) if about is not None else f"{row.chain}-{row.seq}"
        detail = [{"type": k, "valueString": _text(v)} for k, v in sorted(body.items()) if k != "eid" and _text(v)]
        entity = {
            "what": {"identifier": {"value": value}},
            "type": _OBJECT,
            "role": _coding((_ROLE, "4", "Domain Resource")),
        }
        found.append(entity | ({"detail": detail} if detail else {}))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _purpose(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}]}


def _coding(coding: Coding) -> Resource:
    system, code, display = coding
    return {"system": system, "code": code} | ({"display": display} if display else {})


_OBJECT: Final = _coding((_ENTITY, "2", "System Object"))
