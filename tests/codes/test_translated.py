"""What an application posts as FHIR gets standard codes by the same tables, and is otherwise what it was."""

from __future__ import annotations

import orjson

from adapters.fhir.decode import decode
from hie.codes.translated import translated
from hie.model import FeedContext

MAPS = {
    "https://clinic.example/lab": {"GLU": ("http://loinc.org", "2345-7", "Glucose")},
    "": {"K": ("http://loinc.org", "2823-3", "")},
}
LOCAL = {"system": "https://clinic.example/lab", "code": "GLU"}
LOINC = {"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}


def test_a_local_code_wherever_a_concept_stands() -> None:
    resource = {
        "resourceType": "Observation",
        "code": {"coding": [LOCAL]},
        "component": [{"code": {"coding": [{"code": "K"}]}}],
    }
    made = translated(resource, MAPS)
    assert made["code"]["coding"] == [LOINC, LOCAL]
    assert made["component"][0]["code"]["coding"] == [{"system": "http://loinc.org", "code": "2823-3"}, {"code": "K"}]
    assert resource["code"] == {"coding": [LOCAL]}


def test_nothing_is_added_twice_and_what_no_table_names_stays_itself() -> None:
    resource = {
        "resourceType": "Observation",
        "code": {"coding": [LOCAL, LOINC]},
        "subject": {"reference": "Patient/1"},
    }
    assert translated(resource, MAPS) is resource


def test_by_the_decoder() -> None:
    patient = {"resourceType": "Patient", "id": "1", "identifier": [{"system": "urn:oid:1.2", "value": "7"}]}
    result = {
        "resourceType": "Observation",
        "id": "2",
        "status": "final",
        "code": {"coding": [LOCAL]},
        "subject": {"reference": "Patient/1"},
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": result}]}
    (record,) = decode(orjson.dumps(bundle), FeedContext(code_maps=MAPS))
    (made,) = [r for r in record.resources if r["resourceType"] == "Observation"]
    assert made["code"]["coding"] == [LOINC, LOCAL]
