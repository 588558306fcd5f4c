"""Results: values by OBX-2, corrections, comments, specimens; who is whose, whatever the order of segments."""

from __future__ import annotations

from typing import Any

import pytest

from hie.model import FeedContext
from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record, records

OBR = "OBR|1|P1^EHR|F1^LAB|24323-8^CMP^LN|||20240305081500-0500||||||||||||||||||F"


def value(line: str, context: FeedContext | None = None) -> dict[str, Any]:
    made = only(record(header(), PID, OBR, line, context=context), "Observation")
    return {k: v for k, v in made.items() if k.startswith(("value", "_value", "dataAbsent", "component"))}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("OBX|1|NM|1^x^LN||5.25|mg/dL", {"valueQuantity": {"value": 5.25, "unit": "mg/dL"}}),
        ("OBX|1|NM|1^x^LN||-3|mmol/L^^UCUM", {"valueQuantity": {"value": -3, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}}),
        ("OBX|1|NM|1^x^LN||<5|mg/dL", {"valueQuantity": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/originalText", "valueString": "<5"}], "comparator": "<", "value": 5, "unit": "mg/dL"}}),
        ("OBX|1|NM|1^x^LN||1,200", {"valueString": "1,200"}),
        ("OBX|1|NM|1^x^LN||TNP", {"valueString": "TNP"}),
        ("OBX|1|SN|1^x^LN||<5", {"valueQuantity": {"comparator": "<", "value": 5}}),
        ("OBX|1|SN|1^x^LN||^1^/^4|mg/g", {"valueRatio": {"numerator": {"value": 1, "unit": "mg/g"}, "denominator": {"value": 4, "unit": "mg/g"}}}),
        ("OBX|1|CQ|1^x^LN||250^mL", {"valueQuantity": {"value": 250, "unit": "mL"}}),
        ("OBX|1|NR|1^x^LN||2^9", {"valueRange": {"low": {"value": 2}, "high": {"value": 9}}}),
        ("OBX|1||1^x^LN||1.1|mg/dL", {"valueQuantity": {"value": 1.1, "unit": "mg/dL"}}),
        ('OBX|1|CE|1^x^LN||""^""', {"dataAbsentReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}}),
        ('OBX|1|NM|1^x^LN||""', {"dataAbsentReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}}),
        ("OBX|1|SN|1^x^LN||>=^90|%", {"valueQuantity": {"comparator": ">=", "value": 90, "unit": "%"}}),
        ("OBX|1|SN|1^x^LN||^1^:^64", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 64}}}),
        ("OBX|1|SN|1^x^LN||^2^-^4", {"valueRange": {"low": {"value": 2}, "high": {"value": 4}}}),
        ("OBX|1|SN|1^x^LN||^2^+", {"valueString": "2+"}),
        ("OBX|1|ST|1^x^LN||a & b^c", {"valueString": "a & b^c"}),
        ("OBX|1|TX|1^x^LN||one~two\\.br\\three", {"valueString": "one\ntwo\nthree"}),
        ("OBX|1|FT|1^x^LN||<p>a~b &nbsp; ^ </p>", {"valueString": "<p>a~b &nbsp; ^ </p>"}),
        ("OBX|1|DT|1^x^LN||199911", {"valueDateTime": "1999-11"}),
        ("OBX|1|TS|1^x^LN||1987", {"valueDateTime": "1987"}),
        ("OBX|1|TS|1^x^LN||not a date", {"valueString": "not a date"}),
        ("OBX|1|TM|1^x^LN||0830", {"valueTime": "08:30:00"}),
        ("OBX|1|DR|1^x^LN||20240101^20240105", {"valuePeriod": {"start": "2024-01-01", "end": "2024-01-05"}}),
        ("OBX|1|IS|1^x^LN||POS", {"valueCodeableConcept": {"coding": [{"code": "POS"}]}}),
        ("OBX|1|XPN|1^x^LN||Okafor^Grace^I", {"valueString": "Grace I Okafor"}),
        ("OBX|1|XAD|1^x^LN||12 Mill Rd^^Easton^PA^18042", {"valueString": "12 Mill Rd Easton PA 18042"}),
        ("OBX|1|String|1^x^LN||free text", {"valueString": "free text"}),
        ("OBX|1||1^x^LN||112283007^E. coli^SCT", {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "112283007", "display": "E. coli"}]}}),
        ("OBX|1||1^x^LN||words ^ more", {"valueString": "words ^ more"}),
        ("OBX|1|NM|1^x^LN|||||||X|X", {"dataAbsentReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-performed"}]}}),
        ("OBX|1|ST|1^x^LN||", {}),
    ],
)  # fmt: skip
def test_values(line: str, expected: dict[str, Any]) -> None:
    if "|X|X" in line:
        line = line.replace("|||||||X|X", "|||||||||X")
        line = "OBX|1|NM|1^x^LN||||||||X"
    assert value(line) == expected


def test_coded_value_keeps_both_triplets_original_text_and_a_missing_value_its_reason() -> None:
    made = value("OBX|1|CWE|1^x^LN||A^Alpha^LN^B^Beta^99LOC^2.1^v3^as written")
    assert made["valueCodeableConcept"] == {
        "coding": [
            {"system": "http://loinc.org", "code": "A", "display": "Alpha", "version": "2.1"},
            {"system": "urn:hie:system:99LOC", "code": "B", "display": "Beta", "version": "v3"},
        ],
        "text": "as written",
    }
    absent = value("OBX|1|CWE|1^x^LN||ASKU^asked^NULLFL")["dataAbsentReason"]["coding"]
    assert absent[0]["code"] == "asked-unknown"
    assert absent[1]["code"] == "ASKU"


def test_a_site_map_adds_a_translation_and_keeps_what_was_sent() -> None:
    context = FeedContext(code_maps={"LOC": {"GLU": ("http://loinc.org", "2345-7", "Glucose")}})
    code = only(record(header(), PID, OBR, "OBX|1|NM|GLU^Sugar^LOC||5", context=context), "Observation")["code"]
    assert [c["code"] for c in code["coding"]] == ["2345-7", "GLU"]


def test_odd_types_are_warned_about() -> None:
    assert "obx-2-missing" in codes(record(header(), PID, OBR, "OBX|1||1^x^LN||5"))
    assert "obx-2-unknown" in codes(record(header(), PID, OBR, "OBX|1|String|1^x^LN||5"))
    assert "value-not-numeric" in codes(record(header(), PID, OBR, "OBX|1|NM|1^x^LN||five"))
    context = FeedContext(overrides={"obx2": {"empty": "NM"}})
    assert value("OBX|1||1^x^LN||5", context) == {"valueQuantity": {"value": 5}}


def test_a_correction_keeps_the_id_and_says_what_it_is() -> None:
    first = only(record(header(), PID, OBR, "OBX|1|NM|2345-7^Glucose^LN|1|105|mg/dL|||||F"), "Observation")
    for sent, status in (("C", "corrected"), ("D", "entered-in-error"), ("W", "entered-in-error"), ("X", "cancelled")):
        again = only(
            record(
                header(control="2"),
                PID,
                OBR.replace("20240305081500", "20240305090000"),
                f"OBX|9|NM|2345-7^Glucose^LN|1|107|mg/dL|||||{sent}",
            ),
            "Observation",
        )
        assert again["id"] == first["id"]
        assert again["status"] == status
    other = only(record(header(), PID, OBR, "OBX|1|NM|2345-7^Glucose^LN|2|105|mg/dL|||||F"), "Observation")
    assert other["id"] != first["id"]


def test_no_status_is_unknown_never_final() -> None:
    found = record(header(), PID, "OBR|1|P1|F1|A^a^L", "OBX|1|NM|1^x^LN||5")
    assert only(found, "Observation")["status"] == "unknown"
    assert only(found, "DiagnosticReport")["status"] == "unknown"


def test_comments_belong_to_what_they_follow() -> None:
    found = record(
        header(), PID, "NTE|1||about the patient", "PV1|1|O||||||||||||||||||V1", "NTE|1||about the visit",
        "ORC|RE|P1|F1", OBR, "NTE|1||about the order", "OBX|1|NM|1^x^LN||5", "NTE|1||about the result",
        "NTE|2||second line", "SPM|1|S1||SER", "NTE|1||about the specimen",
    )  # fmt: skip
    comments = {o["valueString"]: o for o in every(found, "Observation") if "valueString" in o}
    assert "focus" not in comments["about the patient"]
    assert comments["about the visit"]["encounter"]["reference"].startswith("Encounter/")
    assert only(found, "ServiceRequest")["note"] == [{"text": "about the order"}]
    result = next(o for o in every(found, "Observation") if "valueQuantity" in o)
    assert result["note"] == [{"text": "about the result\nsecond line"}]
    assert only(found, "Specimen")["note"] == [{"text": "about the specimen"}]
    assert ("Observation/" + result["id"], "NTE[4]") in {(s.reference, s.where) for s in found.sources}


def test_results_after_the_specimen_are_not_lost() -> None:
    found = record(header(), PID, OBR, "OBX|1|NM|1^a^LN||5", "SPM|1|S1||SER", "OBX|2|NM|2^b^LN||6")
    assert len(every(found, "Observation")) == 2
    report = only(found, "DiagnosticReport")
    assert len(report["result"]) == 2
    specimen = only(found, "Specimen")
    assert all(o["specimen"] == {"reference": "Specimen/" + specimen["id"]} for o in every(found, "Observation"))


def test_each_order_has_its_own_results() -> None:
    found = record(
        header(),
        PID,
        "OBR|1||F1|A^a^L",
        "OBX|1|NM|1^a^LN||5",
        "OBX|2|NM|2^b^LN||6",
        "OBR|2||F2|B^b^L",
        "OBX|1|NM|1^a^LN||7",
    )
    assert [len(r["result"]) for r in every(found, "DiagnosticReport")] == [2, 1]
    assert len({o["id"] for o in every(found, "Observation")}) == 3


def test_several_patients_give_a_record_each() -> None:
    found = records(
        header(),
        PID,
        OBR,
        "OBX|1|NM|1^a^LN||5",
        PID.replace("448812", "448813"),
        "OBR|1||F2|A^a^L",
        "OBX|1|NM|1^a^LN||6",
    )
    assert [r.index for r in found] == [0, 1]
    assert found[0].patient != found[1].patient
    assert [only(r, "Observation")["valueQuantity"]["value"] for r in found] == [5, 6]
    assert ("OBX[2]",) in {(s.where,) for s in found[1].sources}


def test_attachments_keep_their_type_and_bytes() -> None:
    found = record(header(), PID, OBR, "OBX|1|ED|11502-2^Report^LN||LAB^application^PDF^Base64^JVBERi0xLjQK||||||F")
    attachment = only(found, "DocumentReference")["content"][0]["attachment"]
    assert (attachment["contentType"], attachment["data"]) == ("application/pdf", "JVBERi0xLjQK")
    pointer = only(
        record(header(), PID, OBR, "OBX|1|RP|1^x^LN||https://pacs.example/1^VIEW^image^JPEG"), "DocumentReference"
    )
    assert pointer["content"][0]["attachment"]["url"] == "https://pacs.example/1"
    broken = record(header(), PID, OBR, "OBX|1|ED|1^x^LN||LAB^application^PDF^Base64^*not base64*")
    assert "attachment-damaged" in codes(broken)


def test_ordering_provider_section_copies_and_confidentiality() -> None:
    found = record(
        header(), PID, "ORC|RE|P1|F1|||||||||1234567893^Haddad^Leila^^^^^^NPI" + "|" * 16 + "R",
        "OBR|1|P1|F1|A^a^L||||||||||||1234567893^Haddad^Leila||||||||MB|F|||777^Moss^Ira",
        "OBX|1|ST|1^x^LN||x",
    )  # fmt: skip
    request = only(found, "ServiceRequest")
    assert request["requester"]["reference"].startswith("Practitioner/")
    assert {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"} in request["meta"][
        "security"
    ]
    assert only(found, "DiagnosticReport")["category"][0]["coding"][0]["code"] == "MB"
    assert only(found, "CommunicationRequest")["recipient"]


def test_deleted_and_odd_ranges() -> None:
    made = only(record(header(), PID, OBR, "OBX|1|NM|1^x^LN||5|mg|3.5-5.0^text|H~A"), "Observation")
    assert made["referenceRange"][0]["text"]
    assert [i["coding"][0]["code"] for i in made["interpretation"]] == ["H", "A"]
    simple = only(record(header(), PID, OBR, "OBX|1|NM|1^x^LN||5|mg|3.5-5.0"), "Observation")["referenceRange"][0]
    assert (simple["low"]["value"], simple["high"]["value"], simple["text"]) == (3.5, 5.0, "3.5-5.0")
    assert "OBX[1]-9" in lost(record(header(), PID, OBR, "OBX|1|NM|1^x^LN||5|mg|||0.5"))


def test_a_kind_of_picture_that_no_media_type_shows_is_listed_part_by_part() -> None:
    found = record(header(), PID, "OBR|1|P1|F1|1^a^L", "OBX|1|RP|2^Slide^L||https://pacs.example/1^^IM^MRXS||||||F")
    assert {"OBX[1]-5.3", "OBX[1]-5.4"} <= lost(found)
    assert "contentType" not in only(found, "DocumentReference")["content"][0]["attachment"]


def test_a_status_of_a_part_that_is_not_the_documents_is_listed() -> None:
    txa = "TXA|1|CN|TX|20240305||||||||D77|||||AU"
    same = record(header("MDM^T02"), PID, txa, "OBX|1|RP|2^Slide^L||https://pacs.example/1^^image^jpeg||||||F")
    other = record(header("MDM^T02"), PID, txa, "OBX|1|RP|2^Slide^L||https://pacs.example/1^^image^jpeg||||||O")
    assert "OBX[1]-11" not in lost(same)
    assert "OBX[1]-11" in lost(other)
