"""Consents, items and requests in few words."""

from __future__ import annotations

from typing import Any

from hie.codes import security
from hie.consent.compile import NOBODY, PatientConsents, compile_consents
from hie.consent.decide import Decisions, Request, decide
from hie.consent.directory import Directory
from hie.consent.item import Item, item
from hie.consent.jurisdiction import Policy, load, with_default
from hie.consent.period import instant
from hie.model import SecurityLabel

REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
TYPES = "http://hl7.org/fhir/resource-types"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
OPT_OUT = with_default(load("us-opt-out"), True)
OPT_IN = with_default(load("us-opt-out"), False)

PEOPLE: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "anna"},
    {"resourceType": "Organization", "id": "system"},
    {"resourceType": "Organization", "id": "clinic", "partOf": {"reference": "Organization/system"}},
    {"resourceType": "Organization", "id": "other", "identifier": [{"system": "urn:npi", "value": "77"}]},
    {"resourceType": "Practitioner", "id": "lee"},
    {"resourceType": "Practitioner", "id": "poe"},
    {
        "resourceType": "PractitionerRole",
        "id": "lee-clinic",
        "practitioner": {"reference": "Practitioner/lee"},
        "organization": {"reference": "Organization/clinic"},
    },
    {"resourceType": "Group", "id": "night", "member": [{"entity": {"reference": "Practitioner/lee"}}]},
    {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "participant": [
            {"member": {"reference": "Practitioner/lee"}},
            {"member": {"reference": "Practitioner/poe"}, "period": {"end": "2020-01-01"}},
        ],
    },
    {"resourceType": "Encounter", "id": "visit", "subject": {"reference": "Patient/anna"}},
    {"resourceType": "Observation", "id": "item", "subject": {"reference": "Patient/anna"}},
]
DIRECTORY = Directory(PEOPLE, "America/New_York")


def coding(code: str) -> dict[str, str]:
    system = security.CONFIDENTIALITY if code in security.LEVELS else security.ACT_CODE
    return {"system": system, "code": code}


def provision(type: str | None = "permit", *nested: dict[str, Any], **conditions: Any) -> dict[str, Any]:
    """`purpose` and `label` as code lists, `actor` as references or (role, reference), the rest as in FHIR."""
    made: dict[str, Any] = {} if type is None else {"type": type}
    for key, value in conditions.items():
        if key == "purpose":
            made["purpose"] = [{"system": REASON, "code": code} for code in value]
        elif key == "label":
            made["securityLabel"] = [coding(code) for code in value]
        elif key == "actor":
            pairs = [one if isinstance(one, tuple) else ("IRCP", one) for one in value]
            made["actor"] = [
                {"role": {"coding": [{"system": ROLE, "code": role}]}, "reference": {"reference": ref}}
                for role, ref in pairs
            ]
        elif key == "icd":
            made["code"] = [{"coding": [{"system": ICD, "code": code} for code in value]}]
        elif key == "data":
            made["data"] = [{"meaning": m, "reference": {"reference": ref}} for m, ref in value]
        elif key == "types":
            made["class"] = [{"system": TYPES, "code": code} for code in value]
        else:
            made[key] = value
    if nested:
        made["provision"] = list(nested)
    return made


def consent(root: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "patient": {"reference": "Patient/anna"},
        "dateTime": "2022-01-10",
        "organization": [{"reference": "Organization/system"}],
        "policy": [{"uri": "urn:policy:base"}],
        "provision": root,
        **more,
    }
    return {key: value for key, value in made.items() if value is not None}


def compiled(*consents: Any, policy: Policy = OPT_OUT) -> PatientConsents:
    if not consents:
        return NOBODY
    return compile_consents([(f"c{n}", "1", one) for n, one in enumerate(consents)], policy, DIRECTORY)


def thing(*labels: str, id: str = "item", type: str = "Observation", **more: Any) -> Item:
    given = [SecurityLabel(code, "test", coding(code)["system"]) for code in labels or ("N",)]
    if labels and not any(code in security.LEVELS for code in labels) and labels != ("?",):
        given.append(SecurityLabel("R", "test", security.CONFIDENTIALITY))
    resource = {"resourceType": type, "id": id, "subject": {"reference": "Patient/anna"}, **more}
    return item(resource, () if labels == ("?",) else given)


def request(purpose: str = "TREAT", *held: str, now: str = "2022-07-01T12:00:00Z", **more: Any) -> Request:
    at = instant(now, "America/New_York")
    assert at is not None
    who = DIRECTORY.expand(held or ("Practitioner/lee", "Organization/clinic"), at)
    return Request(recipient=who.sure, possible=who.possible, purpose=purpose, now=at, **more)


def asked(
    consents: PatientConsents, ask: Request, *items: Item, policy: Policy = OPT_OUT, candidates: Any = ()
) -> Decisions:
    return decide(policy, consents, candidates, ask, items or (thing(),))


def verdict(*consents: Any, ask: Request | None = None, of: Item | None = None, policy: Policy = OPT_OUT) -> str:
    """The answer for one item: permit or deny, or "silent" where a default gave it."""
    one = of or thing()
    found = asked(compiled(*consents, policy=policy), ask or request(), one, policy=policy).verdicts[one.reference]
    return found.verdict if found.answered else "silent"
