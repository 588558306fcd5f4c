"""HL7 v2.5.1 made from FHIR: the right message, the right fields, stable bytes, nothing unescaped."""

from __future__ import annotations

import base64
from typing import Any

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.render_types import text, ts
from adapters.hl7v2.rendered import control_id, encode
from hie.errors import PermanentRefusal
from hie.model import Source, SubscriberContext, View

CONTEXT = SubscriberContext(name="ed", key="d-42", application="TRIAGE^1.2.3^ISO", facility="NORTH")
THO = "http://terminology.hl7.org/CodeSystem/"

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [
        {
            "type": {"coding": [{"system": THO + "v2-0203", "code": "MR"}]},
            "system": "urn:oid:2.16.840.1.113883.19.5",
            "value": "4471",
        },
        {"system": "urn:hie:authority:LAKESIDE", "value": "L&9"},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "000111222"},
    ],
    "name": [{"use": "official", "family": "O'Testa|Ruiz", "given": ["Ánna", "Q."], "suffix": ["Jr"]}],
    "gender": "female",
    "birthDate": "1970-02-03",
    "address": [{"use": "home", "line": ["1 Elm St", "Apt 2"], "city": "Tulsa", "state": "OK", "postalCode": "74101"}],
    "telecom": [
        {"system": "phone", "use": "home", "value": "9185550100"},
        {"system": "email", "value": "a@example.org"},
    ],
    "contact": [{"relationship": [{"text": "Mother"}], "name": {"family": "Testa", "given": ["Rosa"]}}],
}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "in-progress",
    "class": {"system": THO + "v3-ActCode", "code": "EMER"},
    "identifier": [{"system": "urn:hie:authority:LAKESIDE", "value": "V-1"}],
    "period": {"start": "2026-03-01T10:00:00-06:00"},
    "reasonCode": [{"text": "Chest pain"}],
}
GLUCOSE = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "corrected",
    "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}], "text": "GLU"},
    "effectiveDateTime": "2026-03-01T09:15:00-06:00",
    "valueQuantity": {"value": 92.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    "referenceRange": [{"low": {"value": 70}, "high": {"value": 99}}],
    "interpretation": [{"coding": [{"system": THO + "v3-ObservationInterpretation", "code": "N"}]}],
    "note": [{"text": "fasting\nsecond line"}],
}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "r1",
    "status": "final",
    "identifier": [{"value": "F-9"}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "24323-8", "display": "Metabolic panel"}]},
    "result": [{"reference": "Observation/o1"}],
    "conclusion": "Within limits",
}


def view(*resources: dict[str, Any], **changes: Any) -> View:
    given: dict[str, Any] = {
        "message_id": "m",
        "event": "34133-9",
        "enterprise_id": "E-7",
        "patient": "Patient/p",
        "resources": (PATIENT, *resources),
        "sources": (Source("Patient/p", "PID[1]"),),
        "raw": b"",
        "authored": "2026-03-01T10:15:00-06:00",
    }
    return View(**{**given, **changes})


def rendered(*resources: dict[str, Any], **changes: Any) -> dict[str, list[list[str]]]:
    """Segments by name, each as a list of fields in which index n is SEG-n."""
    out = encode(view(*resources, **changes), CONTEXT).decode()
    hl7.parse(out)
    found: dict[str, list[list[str]]] = {}
    for line in out.rstrip("\r").split("\r"):
        fields = line.split("|")
        if fields[0] == "MSH":
            fields.insert(1, "|")
        found.setdefault(fields[0], []).append(fields)
    return found


def test_header_names_receiver_key_version_and_character_set() -> None:
    header = rendered(ENCOUNTER)["MSH"][0]
    assert header[5:7] == ["TRIAGE^1.2.3^ISO", "NORTH"]
    assert header[7] == "20260301101500-0600"
    assert header[9] == "ADT^A08^ADT_A01"
    assert header[10:13] == ["d-42", "P", "2.5.1"]
    assert header[18] == "UNICODE UTF-8"


def test_patient_has_enterprise_and_source_identifiers_and_every_delimiter_escaped() -> None:
    pid = rendered(ENCOUNTER)["PID"][0]
    assert pid[3].split("~") == [
        "E-7^^^HIE&urn:hie:enterprise-id&URI^PI",
        "4471^^^&2.16.840.1.113883.19.5&ISO^MR",
        "L\\T\\9^^^LAKESIDE",
        "000111222^^^&2.16.840.1.113883.4.1&ISO",
    ]
    assert pid[5] == "O'Testa\\F\\Ruiz^Ánna^Q.^Jr^^^L"
    assert pid[7:9] == ["19700203", "F"]
    assert pid[11] == "1 Elm St^Apt 2^Tulsa^OK^74101^^H"
    assert pid[13] == "9185550100^PRN^PH~^NET^Internet^a@example.org"


def test_visit_and_contact_of_an_admission() -> None:
    found = rendered(ENCOUNTER, event="ADT^A01")
    assert found["MSH"][0][9] == "ADT^A01^ADT_A01"
    assert found["EVN"][0][1] == "A01"
    assert found["PV1"][0][2] == "E"
    assert found["PV1"][0][19] == "V-1^^^LAKESIDE"
    assert found["PV1"][0][44] == "20260301100000-0600"
    assert found["PV2"][0][3] == "^Chest pain"
    assert found["NK1"][0][2:4] == ["Testa^Rosa", "^Mother"]


def test_report_with_result_is_oru() -> None:
    found = rendered(GLUCOSE, REPORT, event="ORU^R01")
    assert found["MSH"][0][9] == "ORU^R01^ORU_R01"
    assert found["OBR"][0][3:5] == ["F-9", "24323-8^Metabolic panel^LN"]
    assert found["OBR"][0][25] == "F"
    obx = found["OBX"][0]
    assert obx[2:9] == ["NM", "2345-7^Glucose^LN^^^^^^GLU", "", "92.5", "mg/dL^mg/dL^UCUM", "70-99", "N"]
    assert obx[11] == "C"
    assert obx[14] == "20260301091500-0600"
    assert [n[3] for n in found["NTE"]] == ["Within limits", "fasting\\.br\\second line"]


VALUES = [
    ({"valueString": "short"}, "ST", "short"),
    ({"valueString": "x" * 300}, "TX", "x" * 300),
    ({"valueString": "a\nb"}, "FT", "a\\.br\\b"),
    ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "IU"}}, "SN", "<^5"),
    ({"valueQuantity": {"value": 0}}, "NM", "0"),
    ({"valueInteger": 3}, "NM", "3"),
    ({"valueBoolean": False}, "CWE", "N^No^HL70136"),
    ({"valueDateTime": "2026-03"}, "DT", "202603"),
    ({"valueTime": "09:30:00"}, "TM", "093000"),
    ({"valueRange": {"low": {"value": 10}, "high": {"value": 20}}}, "SN", "^10^-^20"),
    ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "SN", "^1^:^128"),
    ({"valuePeriod": {"start": "2026-03-01", "end": "2026-03-02"}}, "DR", "20260301^20260302"),
    (
        {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "260373001"}]}},
        "CWE",
        "260373001^^SCT",
    ),
    ({"valueAttachment": {"contentType": "application/pdf", "data": "QUJD"}}, "ED", "^application^pdf^Base64^QUJD"),
    ({}, "", ""),
]


@pytest.mark.parametrize(("value", "kind", "shown"), VALUES)
def test_each_value_has_its_v2_type(value: dict[str, Any], kind: str, shown: str) -> None:
    obx = rendered({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, **value})[
        "OBX"
    ][0]
    assert (obx[2], obx[5]) == (kind, shown)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("final", "F"),
        ("preliminary", "P"),
        ("entered-in-error", "W"),
        ("cancelled", "X"),
        ("unknown", "R"),
        ("amended", "C"),
    ],
)
def test_a_status_is_never_made_firmer(status: str, code: str) -> None:
    obx = rendered(
        {"resourceType": "Observation", "id": "o", "status": status, "code": {"text": "x"}, "valueInteger": 1}
    )
    assert obx["OBX"][0][11] == code
    assert obx["OBR"][0][25] == code


def test_components_and_repeated_codes_have_sub_ids() -> None:
    pressure = {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "code": {"text": "BP"},
        "component": [
            {"code": {"text": "systolic"}, "valueQuantity": {"value": 120}},
            {"code": {"text": "diastolic"}, "valueQuantity": {"value": 80}},
        ],
    }
    found = rendered(pressure)["OBX"]
    assert [(o[1], o[4], o[5]) for o in found] == [("1", "1", "120"), ("2", "2", "80")]
    again = {**REPORT, "result": [{"reference": "Observation/a"}, {"reference": "Observation/b"}]}
    a, b = ({**GLUCOSE, "id": i, "note": []} for i in "ab")
    found = rendered(a, b, again)["OBX"]
    assert [(o[1], o[4]) for o in found] == [("1", "1"), ("2", "2")]


def test_panel_members_come_under_the_panel() -> None:
    panel = {
        "resourceType": "Observation",
        "id": "panel",
        "status": "final",
        "code": {"text": "panel"},
        "hasMember": [{"reference": "Observation/o1"}],
    }
    found = rendered(panel, GLUCOSE)
    assert [o[4] for o in found["OBR"]] == ["^panel"]
    assert len(found["OBX"]) == 1


def test_immunisation_is_vxu() -> None:
    shot = {
        "resourceType": "Immunization",
        "id": "i",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08", "display": "Hep B"}]},
        "occurrenceDateTime": "2026-02-01",
        "lotNumber": "A|1",
        "primarySource": False,
        "protocolApplied": [{"doseNumberPositiveInt": 2}],
        "manufacturer": {"display": "Maker"},
        "route": {"coding": [{"system": THO + "v2-0162", "code": "IM"}]},
    }
    found = rendered(shot)
    assert found["MSH"][0][9] == "VXU^V04^VXU_V04"
    rxa = found["RXA"][0]
    assert rxa[3:7] == ["20260201", "20260201", "08^Hep B^CVX", "999"]
    assert rxa[9] == "01^Historical^NIP001"
    assert rxa[15] == "A\\F\\1"
    assert rxa[17] == "^Maker"
    assert rxa[20:22] == ["CP", "A"]
    assert found["RXR"][0][1] == "IM^^HL70162"
    assert found["OBX"][0][5] == "2"
    refused = rendered({**shot, "status": "not-done", "statusReason": {"text": "Parent refused"}})["RXA"][0]
    assert refused[18:21] == ["^Parent refused", "", "RE"]


def document(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "docStatus": "preliminary",
        "masterIdentifier": {"value": "doc-1"},
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4", "display": "Consult note"}]},
        "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(b"one\ntwo").decode()}}],
        **changes,
    }


def test_document_is_mdm() -> None:
    found = rendered(document())
    assert found["MSH"][0][9] == "MDM^T02^MDM_T02"
    txa = found["TXA"][0]
    assert txa[2] == "11488-4^Consult note^LN"
    assert txa[12] == "doc-1"
    assert txa[17:20] == ["IP", "", "AV"]
    assert found["OBX"][0][2:6] == ["FT", "11488-4^Consult note^LN", "", "one\\.br\\two"]
    assert found["OBX"][0][11] == "P"


def test_what_is_not_firm_never_becomes_an_assertion() -> None:
    code = {
        "coding": [{"code": "7980", "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "display": "Penicillin G"}]
    }
    firm = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "code": code,
        "category": ["medication"],
        "criticality": "high",
    }
    loose = {
        **firm,
        "id": "a2",
        "code": {"text": "Latex"},
        "verificationStatus": {"coding": [{"code": "unconfirmed"}]},
    }
    found = rendered(firm, loose, event="ADT^A01")
    assert [a[2:5] for a in found["AL1"]] == [["DA", "7980^Penicillin G^RXNORM", "SV"]]
    assert [(o[3], o[5], o[11]) for o in found["OBX"]] == [
        ("48765-2^Allergies and adverse reactions^LN", "^Latex", "P"),
    ]


def test_an_unconfirmed_medication_is_preliminary() -> None:
    tag = {"tag": [{"system": "urn:hie:status", "code": "unconfirmed"}]}
    drug = {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "medicationCodeableConcept": {"text": "x"},
    }
    assert rendered(drug)["OBX"][0][11] == "F"
    assert rendered({**drug, "meta": tag})["OBX"][0][11] == "P"


@pytest.mark.invariant(7)
def test_a_whole_chart_loses_nothing() -> None:
    """Every kind of statement in one view reaches the message, whatever message it is."""
    resources = [
        GLUCOSE,
        REPORT,
        document(),
        {"resourceType": "Condition", "id": "c", "code": {"text": "Asthma-word"}},
        {"resourceType": "Procedure", "id": "x", "status": "completed", "code": {"text": "Appendectomy-word"}},
        {
            "resourceType": "MedicationStatement",
            "id": "ms",
            "status": "active",
            "medicationCodeableConcept": {"text": "Drug-word"},
        },
        {"resourceType": "Immunization", "id": "im", "status": "completed", "vaccineCode": {"text": "Vaccine-word"}},
        {"resourceType": "AllergyIntolerance", "id": "al", "code": {"text": "Nut-word"}},
    ]
    for event in ("34133-9", "ADT^A08", "ORU^R01"):
        out = encode(view(*resources, event=event), CONTEXT).decode()
        words = ["92.5", "Asthma-word", "Appendectomy-word", "Drug-word", "Vaccine-word", "Nut-word"]
        if not event.startswith("ADT"):
            words.append("one\\.br\\two")
        for word in words:
            assert word in out, (event, word)


def test_obligations_purpose_and_labels_travel() -> None:
    label = {"security": [{"system": THO + "v3-Confidentiality", "code": "R"}]}
    found = rendered({**GLUCOSE, "meta": label}, obligations=("No re-disclosure | 42 CFR 2.32",), consent="c-1")
    assert [n[3] for n in found["NTE"]][:3] == [
        "No re-disclosure \\F\\ 42 CFR 2.32",
        "Purpose of use: TREAT",
        "Consent: c-1",
    ]
    assert found["PD1"][0][12] == "Y"


def test_training_data_says_so() -> None:
    tagged = {**ENCOUNTER, "meta": {"tag": [{"system": THO + "v3-ActReason", "code": "HTEST"}]}}
    assert rendered(tagged)["MSH"][0][11] == "T"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"event": "ADT^A40"}, "rendered-identity"),
        ({"resources": (ENCOUNTER,), "patient": None}, "rendered-no-patient"),
    ],
)
def test_refusals(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(PermanentRefusal) as refused:
        encode(view(ENCOUNTER, **changes), CONTEXT)
    assert refused.value.code == code


@given(st.text(max_size=60))
def test_control_id_fits_and_is_stable(key: str) -> None:
    made = control_id(key)
    assert 0 < len(made) <= 20
    assert made.isascii()
    assert made == control_id(key)
    assert "|" not in made


@given(st.text())
def test_no_text_breaks_out_of_its_field(words: str) -> None:
    made = text(words)
    assert not set(made) & set("|^~&\r\n\x0b\x1c")


@pytest.mark.parametrize(
    ("fhir", "v2"),
    [
        ("2026", "2026"),
        ("2026-03", "202603"),
        ("2026-03-01", "20260301"),
        ("2026-03-01T10:15:00Z", "20260301101500+0000"),
        ("2026-03-01T10:15:00.123+05:30", "20260301101500.123+0530"),
        (None, ""),
    ],
)
def test_times_keep_precision_and_offset(fhir: str | None, v2: str) -> None:
    assert ts(fhir) == v2
