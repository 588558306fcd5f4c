"""What FHIR has no element for, or two statements say differently, is spoken of."""

from __future__ import annotations

import re

from tests.adapters.ccda.document import document, one, read, section
from tests.adapters.ccda.test_allergies import PENICILLIN, REACTION, TEXT, allergy

SEVERITY = (
    '<entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.8"/><code code="SEV" codeSystem="2.16.840.1.113883.5.4"/>'
    '<statusCode code="completed"/><value xsi:type="CD" code="255604002" codeSystem="2.16.840.1.113883.6.96"/>'
    "</observation></entryRelationship>"
)


def test_two_severities_of_one_allergy_are_flagged_and_both_kept() -> None:
    inner = PENICILLIN + SEVERITY + REACTION.format(severity="24484000")
    record = read(document(section("48765-2", allergy(inner), TEXT)))
    happened, overall = one(record, "AllergyIntolerance")["reaction"]
    assert happened["severity"] == "severe"
    assert overall["severity"] == "mild"
    assert overall["manifestation"][0].keys() == {"extension"}
    assert "severity-twice" in {w.code for w in record.warnings}


def test_a_document_without_a_title_and_a_kind_is_given_none() -> None:
    bare = re.sub(rb"<title>Summary of care</title>|<code code=.34133-9.[^>]*>", b"", document())
    made = one(read(bare), "Composition")
    assert "title" not in made
    assert made["_title"]["extension"][0]["valueCode"] == "unknown"


def test_the_set_of_a_document_stands_beside_its_id() -> None:
    record = read(document(header='<setId root="2.16.840.1.113883.19.9" extension="set-1"/>'))
    made = one(record, "DocumentReference")
    assert made["masterIdentifier"]["value"] == "doc-1"
    assert made["identifier"] == [{"system": "urn:oid:2.16.840.1.113883.19.9", "value": "set-1"}]
    assert record.unmapped == ()
