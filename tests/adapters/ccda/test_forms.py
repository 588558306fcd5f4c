"""Forms of XML that senders produce: encodings, wrappers, comments and instructions. All of them are read alike."""

from __future__ import annotations

import re

import pytest

from adapters.ccda.decode import decode
from hie.errors import DecodeError
from hie.fhir.digits import dumps
from tests.adapters.ccda.document import CONTEXT, codes, document, entry, of, one, read, section

HEIGHT = (
    '<observation classCode="OBS" moodCode="EVN"><id root="1.2.6" extension="ok"/><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/>'
    '<statusCode code="completed"/><value xsi:type="PQ" value="170" unit="cm"/></observation>'
)
PLAIN = document(section("8716-3", entry(HEIGHT), text="Größe 170"))


def resources(raw: bytes) -> bytes:
    (record,) = decode(raw, CONTEXT)
    return dumps(record.resources)


@pytest.mark.parametrize(
    ("declared", "written", "flagged"),
    [
        ("ISO-8859-1", "utf-8", True),
        ("windows-1252", "utf-8", True),
        ("us-ascii", "utf-8", True),
        ("utf-16", "utf-8", True),
        ("unicode", "utf-8", True),
        ("UTF-8", "cp1252", True),
        ("UTF8", "utf-8", False),
        ("utf-8", "utf-16", False),
        ("UTF-16", "utf-16-be", False),
        ("UTF-8", "utf-32", False),
        ("ISO-8859-15", "iso-8859-15", False),
    ],
)
def test_what_is_written_counts_not_what_is_declared(declared: str, written: str, flagged: bool) -> None:
    raw = PLAIN.decode().replace('encoding="UTF-8"', f'encoding="{declared}"').encode(written)
    assert resources(raw) == resources(PLAIN)
    assert ("charset-guessed" in codes(read(raw))) is flagged


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "\r\n \t" + t,
        lambda t: t + "\r\n\x1a\x00\x00",
        lambda t: t.replace('version="1.0"', 'version="1.1"'),
        lambda t: t.replace("?><Clin", '?>\n<?xml-stylesheet type="text/xsl" href="CDA.xsl"?>\n<!-- made by us -->\n<Clin'),
        lambda t: t.replace(' xmlns="urn:hl7-org:v3"', ""),
        lambda t: t.replace(' xmlns="urn:hl7-org:v3"', ' xmlns="urn:hl7-org:v3" xmlns:xsl="x" xsi:schemaLocation="urn:hl7-org:v3 CDA.xsd"'),
        lambda t: t[: t.index("<Clin")] + '<Envelope xmlns="urn:x"><Body>' + t[t.index("<Clin") :] + "</Body></Envelope>",
        lambda t: re.sub(r"(<(?:value|code|section|entry|name|title)\b)", r"<!-- here --><?odd thing?>\1", t),
        lambda t: t.replace("Größe 170", "<![CDATA[Größe 170]]>").replace("<title>Summary of care", "<title><![CDATA[Summary]]> of care"),
        lambda t: t.replace("><", ">\n  <"),
    ],
    ids=["blanks before", "end marks after", "XML 1.1", "stylesheet", "no namespace", "schema", "envelope", "comments", "CDATA", "indented"],
)  # fmt: skip
def test_the_same_document_in_another_form(change) -> None:  # type: ignore[no-untyped-def]
    text = PLAIN.decode()
    assert change(text) != text
    assert resources(change(text).encode()) == resources(PLAIN)


@pytest.mark.parametrize("kind", ["ST", "SC", "ED"])
def test_a_title_that_says_its_type(kind: str) -> None:
    raw = PLAIN.replace(b"<title>Summary of care", f'<title xsi:type="{kind}">Summary of care'.encode())
    assert one(read(raw), "Composition")["title"] == "Summary of care"


@pytest.mark.parametrize(
    "raw",
    [
        b'<section xmlns="urn:hl7-org:v3"><code code="8716-3"/></section>',
        b'<recordTarget xmlns="urn:hl7-org:v3"/>',
        b"<ClinicalDocuments/>",
    ],
)
def test_a_part_of_a_document_is_none(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        list(decode(raw, CONTEXT))
    assert caught.value.code == "ccda-no-document"


def test_an_empty_document_is_one() -> None:
    record = read(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    assert [each["resourceType"] for each in record.resources] == ["Patient", "Composition"]
    assert codes(record) == ["patient-missing"]


def test_a_second_patient_is_named_and_not_mixed_in() -> None:
    from tests.adapters.ccda.document import PATIENT

    other = PATIENT.replace("MRN-77", "MRN-78").replace("Brandvold", "Aas").replace("987-65-4320", "987-65-4321")
    record = read(document(patient=PATIENT + other))
    assert [each["name"][0]["family"] for each in of(record, "Patient")] == ["Brandvold"]
    assert "patient-second" in codes(record)
    assert any(each.where.startswith("/ClinicalDocument/recordTarget[2]/") for each in record.unmapped)


@pytest.mark.parametrize(("templates", "kind"), [("47", "Condition"), ("74", "AllergyIntolerance")])
def test_of_two_templates_the_first_one_written_decides(templates: str, kind: str) -> None:
    """A problem observation (4) and an allergy observation (7) in one: the same on every run."""
    marks = "".join(f'<templateId root="2.16.840.1.113883.10.20.22.4.{each}"/>' for each in templates)
    body = (
        f'<observation classCode="OBS" moodCode="EVN">{marks}<id root="1.2.6" extension="two"/>'
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/>'
        '<value xsi:type="CD" code="91935009" codeSystem="2.16.840.1.113883.6.96" displayName="Allergy to peanut"/>'
        "</observation>"
    )
    record = read(document(section("10160-0", entry(body))))
    made = {each["resourceType"] for each in record.resources}
    assert made & {"Condition", "AllergyIntolerance"} == {kind}
