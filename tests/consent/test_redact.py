"""What leaves holds no trace of what was withheld, and still hangs together."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hie.consent.directory import targets
from hie.consent.jurisdiction import load
from hie.consent.leak import leaks
from hie.consent.redact import REDACTED_TAG, redact
from hie.model import Source

OUT = load("us-opt-out")
ANNA = {"reference": "Patient/anna"}


def coded(code: str, display: str, system: str = "http://loinc.org") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def record() -> list[dict[str, Any]]:
    """A visit with a methadone level, a glucose, a psychiatrist, a report, a document and its narrative."""
    return [
        {
            "resourceType": "Patient",
            "id": "anna",
            "name": [{"family": "Berg"}],
            "text": {"div": "<div>methadone</div>"},
        },
        {"resourceType": "Practitioner", "id": "psych", "name": [{"family": "Quellenbach"}]},
        {"resourceType": "Practitioner", "id": "lee", "name": [{"family": "Leestadt"}]},
        {
            "resourceType": "Encounter",
            "id": "visit",
            "subject": ANNA,
            "reasonCode": [coded("F11.20", "Opioid dependence", "http://hl7.org/fhir/sid/icd-10-cm")],
            "diagnosis": [{"condition": {"reference": "Condition/opioid", "display": "Opioid dependence"}}],
        },
        {
            "resourceType": "Condition",
            "id": "opioid",
            "subject": ANNA,
            "encounter": {"reference": "Encounter/visit"},
            "asserter": {"reference": "Practitioner/psych"},
            "code": coded("F11.20", "Opioid dependence", "http://hl7.org/fhir/sid/icd-10-cm"),
            "note": [{"text": "on methadone since 2019"}],
        },
        {
            "resourceType": "Observation",
            "id": "meth",
            "subject": ANNA,
            "code": coded("3773-9", "Methadone [Presence] in Urine"),
            "valueString": "strongly positive today",
        },
        {
            "resourceType": "Observation",
            "id": "glucose",
            "subject": ANNA,
            "performer": [{"reference": "Practitioner/lee"}],
            "code": coded("2345-7", "Glucose"),
            "note": [{"text": "drawn at noon"}, {"text": "Patient has Opioid Dependence"}],
            "derivedFrom": [{"reference": "Observation/meth"}],
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "report",
            "subject": ANNA,
            "code": coded("11502-2", "Laboratory report"),
            "result": [{"reference": "Observation/glucose"}, {"reference": "Observation/meth"}],
            "conclusion": "Methadone found.",
            "presentedForm": [{"data": "TWV0aGFkb25l"}],
        },
        {
            "resourceType": "Composition",
            "id": "doc",
            "subject": ANNA,
            "title": "Summary",
            "section": [
                {
                    "title": "Problems",
                    "text": {"div": "<div>Opioid dependence</div>"},
                    "entry": [{"reference": "Condition/opioid"}],
                },
                {
                    "title": "Results",
                    "text": {"div": "<div>glucose, methadone</div>"},
                    "entry": [{"reference": "Observation/glucose"}, {"reference": "Observation/meth"}],
                },
                {"title": "Story", "text": {"div": "<div>uses heroin</div>"}},
            ],
        },
        {
            "resourceType": "DocumentReference",
            "id": "fax",
            "subject": ANNA,
            "content": [{"attachment": {"data": "eA=="}}],
        },
        {"resourceType": "Provenance", "id": "prov", "target": [{"reference": "Observation/meth"}]},
    ]


SOURCES = (
    Source("Patient/anna", "PID[1]"),
    Source("Condition/opioid", "DG1[1]"),
    Source("Observation/glucose", "OBX[1]"),
    Source("Observation/meth", "OBX[2]"),
    Source("DiagnosticReport/report", "OBR[1]"),
    Source("Observation/meth", "OBR[1]"),
)
DENIED = {"Condition/opioid", "Observation/meth"}


def test_nothing_withheld_changes_nothing() -> None:
    resources = record()
    found = redact(resources, SOURCES, set(), set(), OUT)
    assert found.resources == tuple(resources)
    assert not found.removed


@pytest.mark.invariant(3)
def test_no_word_of_what_is_withheld_is_left() -> None:
    resources = record()
    before = copy.deepcopy(resources)
    found = redact(resources, SOURCES, DENIED, set(), OUT)
    assert resources == before
    left = json.dumps(found.resources).lower()
    for word in (
        "methadone",
        "opioid",
        "f11.20",
        "3773-9",
        "strongly positive",
        "heroin",
        "quellenbach",
        "twv0agfkb25l",
    ):
        assert word not in left, word
    assert "glucose" in left
    assert "leestadt" in left
    assert "drawn at noon" in left
    assert not leaks(left.encode(), found.withheld_strings)
    assert leaks(json.dumps(record()).encode(), found.withheld_strings)


def test_what_is_left_hangs_together() -> None:
    found = redact(record(), SOURCES, DENIED, set(), OUT)
    kept = {f"{r['resourceType']}/{r['id']}" for r in found.resources}
    for resource in found.resources:
        assert targets(resource) <= kept
    assert "DocumentReference/fax" not in kept
    assert "Provenance/prov" not in kept
    [document] = [r for r in found.resources if r["resourceType"] == "Composition"]
    assert [s["title"] for s in document["section"]] == ["Results"]
    assert document["section"][0]["text"]["status"] == "generated"
    assert "Glucose" in document["section"][0]["text"]["div"]


def test_places_go_when_everything_in_them_goes() -> None:
    found = redact(record(), SOURCES, DENIED, set(), OUT)
    assert found.removed == {"DG1[1]", "OBX[2]"}


def test_a_report_without_a_result_goes_too() -> None:
    found = redact(record(), SOURCES, {"Observation/meth", "Observation/glucose"}, set(), OUT)
    assert "DiagnosticReport/report" in found.gone
    assert "OBR[1]" in found.removed


def test_what_nobody_asked_for_goes_without_being_a_secret() -> None:
    found = redact(record(), SOURCES, set(), {"Observation/meth"}, OUT)
    assert "OBX[2]" in found.removed
    assert not found.withheld_strings


def test_a_marker_only_where_the_policy_allows_it() -> None:
    assert REDACTED_TAG["code"] not in json.dumps(redact(record(), SOURCES, DENIED, set(), OUT).resources)
    told = redact(record(), SOURCES, DENIED, set(), OUT, reveal=True)
    assert REDACTED_TAG["code"] in json.dumps(told.resources)


@pytest.mark.parametrize(
    "payload",
    [
        b"OBX|1|TX|X||A&B \\T\\ methadone level||||||F\r",
        b'{"text": "Methadone\\u0020Level"}',
        b"<td>Methadone<b> level</b></td>",
        b"<text>methadone\n   level</text>",
        b"METHADONE LEVEL",
        b"ED|" + base64.b64encode(b"The methadone level was high in this patient."),
        "caf\u00e9 methadone level".encode("cp1252"),
    ],
)
def test_the_last_look_sees_through_escapes(payload: bytes) -> None:
    assert leaks(payload, frozenset(["methadone level"]))


def test_the_last_look_knows_whole_words() -> None:
    assert not leaks(b"methadone levels", frozenset(["methadone level"]))
    assert not leaks(b"", frozenset(["x"]))
    assert leaks(b"DG1|1||F11.20^x", frozenset(["F11.20"]))
    assert not leaks(b"AF11.20", frozenset(["F11.20"]))


@settings(max_examples=200, deadline=None)
@given(
    st.sets(
        st.sampled_from(
            [f"{r['resourceType']}/{r['id']}" for r in record() if r["resourceType"] not in ("Patient", "Practitioner")]
        )
    )
)
def test_whatever_is_withheld_leaves_no_reference_and_no_word(denied: set[str]) -> None:
    found = redact(record(), SOURCES, denied, set(), OUT)
    kept = {f"{r['resourceType']}/{r['id']}" for r in found.resources}
    assert not kept & denied
    for resource in found.resources:
        assert not targets(resource) & (found.gone | denied)
    assert not leaks(json.dumps(found.resources).encode(), found.withheld_strings)
