"""Security labels of a document, a section and an entry reach the resources made from them."""

from __future__ import annotations

from tests.adapters.ccda.document import document, entry, of, one, read, section
from tests.adapters.ccda.test_robustness import GOOD

RESTRICTED = '<confidentialityCode code="R" codeSystem="2.16.840.1.113883.5.25"/>'
R = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
ANNOTATION = (
    '<entryRelationship typeCode="COMP"><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.3.3251.1.4"/><statusCode code="active"/>'
    '<component><observation classCode="OBS" moodCode="EVN"><code code="SECCLASSOBS" codeSystem="2.16.840.1.113883.1.11.20471"/>'
    '<value xsi:type="CE" code="R" codeSystem="2.16.840.1.113883.5.1063"/></observation></component>'
    '<component><observation classCode="OBS" moodCode="EVN"><code code="SECCATOBS" codeSystem="2.16.840.1.113883.1.11.20471"/>'
    '<value xsi:type="CE" code="ETH" codeSystem="2.16.840.1.113883.5.4"/></observation></component></organizer></entryRelationship>'
)


def test_a_restricted_section_labels_its_entries_only() -> None:
    other = GOOD.replace('extension="ok"', 'extension="plain"')
    record = read(document(section("8716-3", entry(GOOD), more=RESTRICTED), section("29762-2", entry(other))))
    labels = {o["identifier"][0]["value"]: o.get("meta", {}).get("security") for o in of(record, "Observation")}
    assert labels == {"ok": [R], "plain": None}


def test_a_restricted_document_labels_all_clinical_resources_and_no_clinician() -> None:
    raw = document(section("8716-3", entry(GOOD))).replace(
        b'<confidentialityCode code="N"', b'<confidentialityCode code="R"'
    )
    record = read(raw)
    assert one(record, "Observation")["meta"]["security"] == [R]
    assert one(record, "Composition")["confidentiality"] == "R"
    assert "meta" not in one(record, "Practitioner")


def test_a_normal_section_in_a_restricted_document_speaks_for_itself() -> None:
    normal = RESTRICTED.replace('"R"', '"N"')
    raw = document(section("8716-3", entry(GOOD), more=normal)).replace(
        b'</title><effectiveTime value="20240305101500-0600"/><confidentialityCode code="N"',
        b'</title><effectiveTime value="20240305101500-0600"/><confidentialityCode code="R"',
    )
    record = read(raw)
    assert "meta" not in one(record, "Observation")
    assert one(record, "Composition")["meta"]["security"] == [R]


def test_a_privacy_annotation_labels_its_entry() -> None:
    record = read(document(section("8716-3", entry(GOOD.replace("</observation>", ANNOTATION + "</observation>")))))
    made = next(o for o in of(record, "Observation") if "valueQuantity" in o)
    assert made["meta"]["security"] == [
        R,
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"},
    ]
