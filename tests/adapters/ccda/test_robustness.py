"""Odd but real documents: each gives output, and the oddity is named."""

from __future__ import annotations

import base64
import time

import pytest

from hie.model import FeedContext
from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

SCT = 'codeSystem="2.16.840.1.113883.6.96"'
GOOD = (
    '<observation classCode="OBS" moodCode="EVN"><id root="1.2.6" extension="ok"/><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/>'
    '<statusCode code="completed"/><value xsi:type="PQ" value="170" unit="cm"/></observation>'
)


def test_null_flavor_on_everything() -> None:
    body = entry(
        '<observation classCode="OBS" moodCode="EVN" nullFlavor="NI"><id nullFlavor="NI"/><code nullFlavor="UNK"/><statusCode nullFlavor="NI"/>'
        '<effectiveTime nullFlavor="UNK"/><value xsi:type="CD" nullFlavor="NASK"/><interpretationCode nullFlavor="NI"/></observation>'
    )
    patient = '<recordTarget><patientRole nullFlavor="UNK"><id nullFlavor="UNK"/><addr nullFlavor="UNK"/><telecom nullFlavor="UNK"/><patient><name nullFlavor="UNK"/><administrativeGenderCode nullFlavor="UNK"/><birthTime nullFlavor="UNK"/></patient></patientRole></recordTarget>'
    record = read(document(section("30954-2", body), patient=patient))
    made = one(record, "Observation")
    assert made["status"] == "unknown"
    assert made["code"]["extension"][0]["valueCode"] == "unknown"
    assert made["dataAbsentReason"]["coding"][0]["code"] == "not-asked"
    assert one(record, "Patient")["_gender"]["extension"][0]["valueCode"] == "unknown"


def test_an_empty_section_with_the_words_no_data() -> None:
    (made,) = one(read(document(section("11450-4", text="No data"))), "Composition")["section"]
    assert "No data" in made["text"]["div"]
    assert "entry" not in made
    assert len(read(document(section("11450-4", text="No data"))).resources) == 5


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ('<text mediaType="application/pdf" representation="B64">JVBERi0xLjQ=</text>', "application/pdf", b"%PDF-1.4"),
        ('<text mediaType="text/plain">Seen today.\nWell.</text>', "text/plain", b"Seen today.\nWell."),
    ],
)
def test_an_unstructured_body(text: str, kind: str, data: bytes) -> None:
    raw = document().decode().replace("<structuredBody></structuredBody>", f"<nonXMLBody>{text}</nonXMLBody>").encode()
    record = read(raw)
    made = one(record, "DocumentReference")
    content = made["content"][0]["attachment"]
    assert content["contentType"] == kind
    assert base64.b64decode(content["data"]) == data
    assert one(record, "Composition")["section"][0]["entry"] == [{"reference": f"DocumentReference/{made['id']}"}]
    assert record.unmapped == ()


def test_base64_that_is_none_keeps_the_bytes() -> None:
    body = '<nonXMLBody><text mediaType="application/pdf" representation="B64">not*base64</text></nonXMLBody>'
    record = read(document().decode().replace("<structuredBody></structuredBody>", body).encode())
    assert base64.b64decode(one(record, "DocumentReference")["content"][0]["attachment"]["data"]) == b"not*base64"
    assert "base64-invalid" in codes(record)


def test_one_bad_entry_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.ccda import observation

    real = observation.put_value

    def breaks(d: object, target: dict, node: object) -> bool:  # type: ignore[type-arg]
        if node.get("value") == "666":  # type: ignore[attr-defined]
            raise ZeroDivisionError("secret")
        return real(d, target, node)  # type: ignore[arg-type]

    monkeypatch.setattr(observation, "put_value", breaks)
    bad = GOOD.replace("170", "666").replace('extension="ok"', 'extension="bad"')
    record = read(document(section("8716-3", entry(GOOD) + entry(bad), "<paragraph>both heights</paragraph>")))
    assert len(of(record, "Observation")) == 1
    (warning,) = [w for w in record.warnings if w.code == "entry-failed"]
    assert warning.where.endswith("/entry[2]/observation")
    assert "secret" not in warning.text
    assert any(u.where.startswith(warning.where) for u in record.unmapped)
    assert "both heights" in one(record, "Composition")["section"][0]["text"]["div"]


def test_a_missing_id_gives_the_same_id_each_time() -> None:
    raw = document(section("8716-3", entry(GOOD.replace('<id root="1.2.6" extension="ok"/>', ""))))
    assert one(read(raw), "Observation")["id"] == one(read(raw), "Observation")["id"]


@pytest.mark.parametrize("number", ['<templateId root="2.16.840.1.113883.10.20.22.4.4"/>', ""])
def test_r11_templates_without_extension_and_none_at_all(number: str) -> None:
    body = entry(
        f'<observation classCode="OBS" moodCode="EVN">{number}<code code="55607006" {SCT}/><statusCode code="completed"/>'
        f'<value xsi:type="CD" code="38341003" {SCT}/></observation>'
    )
    assert one(read(document(section("11450-4", body))), "Condition")["code"]["coding"][0]["code"] == "38341003"


def test_a_c32_problem_in_a_plain_act() -> None:
    body = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.27"/><code nullFlavor="NA"/>'
        '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.28"/>'
        f'<statusCode code="completed"/><value xsi:type="CD" code="195967001" {SCT}/>'
        '<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.1.50"/>'
        f'<code code="33999-4" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><value xsi:type="CE" code="55561003" {SCT}/></observation></entryRelationship>'
        "</observation></entryRelationship></act>"
    )
    made = one(read(document(section("11450-4", body))), "Condition")
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"


@pytest.mark.parametrize(
    ("sent", "expected", "warning"),
    [
        ("20240305", "2024-03-05", ""),
        ("1987", "1987", ""),
        ("199911", "1999-11", ""),
        ("202403050815-0500", "2024-03-05T08:15:00-05:00", ""),
        ("20240305233000-0500", "2024-03-05T23:30:00-05:00", ""),
        ("202403050815", "2024-03-05T08:15:00-06:00", ""),
        ("2024030508", "2024-03-05", "time-hour-only"),
        ("00000000", None, "time-invalid"),
        ("20240231", None, "time-invalid"),
        ("yesterday", None, "time-invalid"),
    ],
)
def test_odd_dates(sent: str, expected: str | None, warning: str) -> None:
    body = entry(GOOD.replace("<value", f'<effectiveTime value="{sent}"/><value'))
    record = read(document(section("8716-3", body)))
    assert one(record, "Observation").get("effectiveDateTime") == expected
    assert [c for c in codes(record) if c.startswith("time")] == ([warning] if warning else [])
    if expected is None:
        assert any(u.where.endswith("effectiveTime/@value") for u in record.unmapped)


def test_a_time_without_zone_says_where_its_offset_comes_from() -> None:
    body = entry(GOOD.replace("<value", '<effectiveTime value="202403050815"/><value'))
    raw = document(section("8716-3", body))
    derived = one(read(raw), "Observation")["_effectiveDateTime"]["extension"]
    assert derived == [{"url": "urn:hie:derived-offset", "valueBoolean": True}]
    bare = one(read(raw, FeedContext()), "Observation")
    assert bare["effectiveDateTime"] == "2024-03-05"
    assert bare["_effectiveDateTime"]["extension"][0]["valueString"] == "202403050815"


def test_codes_of_the_site_are_kept_and_translated_beside() -> None:
    context = FeedContext(
        timezone="America/Chicago",
        authorities={"1.2.840.99": "https://clinic.example/codes"},
        code_maps={"https://clinic.example/codes": {"HGT": ("http://loinc.org", "8302-2", "Body height")}},
    )
    body = entry(GOOD.replace('code="8302-2" codeSystem="2.16.840.1.113883.6.1"', 'code="HGT" codeSystem="1.2.840.99"'))
    made = one(read(document(section("8716-3", body)), context), "Observation")
    assert made["code"]["coding"] == [
        {"system": "https://clinic.example/codes", "code": "HGT"},
        {"system": "http://loinc.org", "code": "8302-2", "display": "Body height"},
    ]


def test_a_reference_into_nowhere_is_named() -> None:
    body = entry(GOOD.replace("<statusCode", '<text><reference value="#nowhere"/></text><statusCode'))
    assert "reference-unresolved" in codes(read(document(section("8716-3", body))))


def test_code_system_name_against_its_oid() -> None:
    body = entry(
        GOOD.replace('codeSystem="2.16.840.1.113883.6.1"', 'codeSystem="2.16.840.1.113883.6.96" codeSystemName="LOINC"')
    )
    record = read(document(section("8716-3", body)))
    assert "code-system-mismatch" in codes(record)
    assert one(record, "Observation")["code"]["coding"][0]["system"] == "http://snomed.info/sct"


def test_what_nobody_maps_is_listed_without_its_value() -> None:
    body = entry(GOOD.replace("<value", '<repeatNumber value="31337"/><value'))
    record = read(document(section("8716-3", body)))
    assert [u.where.rpartition("/observation/")[2] for u in record.unmapped] == ["repeatNumber/@value"]
    assert "31337" not in str(record.unmapped) + str(record.warnings)


def test_every_resource_names_its_place() -> None:
    record = read(document(section("8716-3", entry(GOOD))))
    have = {f"{r['resourceType']}/{r['id']}" for r in record.resources}
    assert {s.reference for s in record.sources} == have
    place = next(s.where for s in record.sources if s.reference.startswith("Observation/"))
    assert place == "/ClinicalDocument/component/structuredBody/component/section/entry/observation"


@pytest.mark.parametrize("prefix", ["cda", "n1"])
def test_a_prefixed_document(prefix: str) -> None:
    import re

    text = (
        document(section("8716-3", entry(GOOD)))
        .decode()
        .replace('xmlns="urn:hl7-org:v3"', f'xmlns:{prefix}="urn:hl7-org:v3"')
    )
    text = re.sub(r"<(/?)(?!\?|sdtc:)(\w)", rf"<\1{prefix}:\2", text)
    assert one(read(text.encode()), "Observation")["valueQuantity"]["value"] == 170


def test_an_undeclared_xsi_prefix_is_tolerated() -> None:
    raw = document(section("8716-3", entry(GOOD))).replace(
        b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', b""
    )
    assert one(read(raw), "Observation")["valueQuantity"]["value"] == 170


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1"])
def test_encodings(encoding: str) -> None:
    text = document(section("8716-3", text="Größe 170")).decode()
    name = {"utf-8-sig": "UTF-8", "utf-16-le": "UTF-16"}.get(encoding, encoding)
    record = read(text.replace('encoding="UTF-8"', f'encoding="{name}"').encode(encoding))
    assert "Größe" in one(record, "Composition")["section"][0]["text"]["div"]


def test_cp1252_called_utf8_is_read_and_flagged() -> None:
    raw = document(section("8716-3", text="Größe 170")).decode().encode("cp1252")
    record = read(raw)
    assert "Größe" in one(record, "Composition")["section"][0]["text"]["div"]
    assert "charset-guessed" in codes(record)


@pytest.mark.slow
def test_a_document_of_several_megabytes_is_linear() -> None:
    def cost(count: int) -> float:
        body = "".join(entry(GOOD.replace('extension="ok"', f'extension="{n}"')) for n in range(count))
        raw = document(section("8716-3", body, f"<table>{'<tr><td>x</td></tr>' * count}</table>"))
        start = time.process_time()
        assert len(of(read(raw), "Observation")) == count
        return time.process_time() - start

    cost(500)
    small, large = cost(1000), cost(10000)
    assert large < 40 * small


def test_deep_nesting_ends() -> None:
    deep = "<observation><entryRelationship>" * 3000 + "</entryRelationship></observation>" * 3000
    record = read(document(section("8716-3", entry(GOOD) + entry(deep))))
    assert "depth-limit" in codes(record)
    assert any(o.get("valueQuantity", {}).get("value") == 170 for o in of(record, "Observation"))


def test_entries_that_all_quote_one_table_do_not_multiply_it() -> None:
    quoting = GOOD.replace(
        '<code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/>',
        '<code code="8302-2" codeSystem="2.16.840.1.113883.6.1"><originalText><reference value="#all"/></originalText></code>',
    )
    body = "".join(entry(quoting.replace('extension="ok"', f'extension="{n}"')) for n in range(400))
    raw = document(section("8716-3", body, f'<table ID="all">{"<tr><td>some words of a row</td></tr>" * 2000}</table>'))
    record = read(raw)
    assert len(of(record, "Observation")) == 400
    assert len(str(record.resources)) < 8 * len(raw)
    assert "quote-limit" in codes(record)


def test_a_failed_entry_takes_its_people_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.ccda import observation
    from tests.adapters.ccda.document import references

    def fails(d: object, made: dict, node: object) -> None:  # type: ignore[type-arg]
        if made["identifier"][0]["value"] == "bad":
            raise KeyError

    monkeypatch.setattr(observation, "_places", fails)
    who = (
        '<author><time value="20240101"/><assignedAuthor><id root="1.9" extension="NEW"/>'
        "<assignedPerson><name><family>Vik</family></name></assignedPerson></assignedAuthor></author>"
    )
    again = '<author><time value="20240101"/><assignedAuthor><id root="1.9" extension="NEW"/></assignedAuthor></author>'
    bad = GOOD.replace('extension="ok"', 'extension="bad"').replace("<value", who + "<value")
    # authors are read after the places: let the failing entry have written its author before
    monkeypatch.setattr(
        observation, "put_when", lambda d, made, key, node: observation.author(d, node.parent) if node else None
    )
    bad = bad.replace(who, '<effectiveTime value="2024"/>' + who)
    record = read(document(section("8716-3", entry(bad) + entry(GOOD.replace("<value", again + "<value")))))
    have = {f"{r['resourceType']}/{r['id']}" for r in record.resources}
    assert {r for each in record.resources for r in references(each)} <= have
    assert "entry-failed" in codes(record)


@pytest.mark.parametrize(
    ("sent", "system"),
    [
        ("LOINC", "http://loinc.org"),
        ("Our Codes", "urn:hie:system:Our-Codes"),
        ("2.16.840.1.113883.6.1", "http://loinc.org"),
    ],
)
def test_a_name_where_an_oid_belongs(sent: str, system: str) -> None:
    body = entry(GOOD.replace('codeSystem="2.16.840.1.113883.6.1"', f'codeSystem="{sent}"'))
    assert one(read(document(section("8716-3", body))), "Observation")["code"]["coding"][0]["system"] == system


def test_what_r4_does_not_allow_is_taken_out_and_named() -> None:
    raw = document(section("8716-3", entry(GOOD)), header='<languageCode code="en US bad  "/>')
    record = read(raw)
    assert "language" not in one(record, "Composition") or "  " not in one(record, "Composition")["language"]
    context = FeedContext(authorities={"2.16.840.1.113883.6.1": "not a uri"})
    record = read(raw, context)
    assert "element-removed" in codes(record)
    assert "system" not in one(record, "Observation")["code"]["coding"][0]
    assert one(record, "Observation")["code"]["coding"][0]["code"] == "8302-2"


def coded(code: str, value: str = '<value xsi:type="PQ" value="13.2" unit="g/dL"/>', more: str = "") -> str:
    return entry(
        f'<observation classCode="OBS" moodCode="EVN">{more}{code}<statusCode code="completed"/>{value}</observation>'
    )


LOINC = 'codeSystem="2.16.840.1.113883.6.1"'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            f'<code nullFlavor="UNK"><translation code="718-7" {LOINC}/></code>',
            {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        ),
        (
            '<code nullFlavor="UNK"><originalText><reference value="#hgb"/></originalText></code>',
            {"text": "Hemoglobin, whole blood"},
        ),
        (
            '<code nullFlavor="OTH"><originalText>Hgb<reference value="#hgb"/></originalText></code>',
            {"text": "Hgb\nHemoglobin, whole blood"},
        ),
    ],
)
def test_a_code_only_in_a_translation_or_in_the_narrative(code: str, expected: dict[str, object]) -> None:
    record = read(document(section("30954-2", coded(code), '<paragraph ID="hgb">Hemoglobin, whole blood</paragraph>')))
    assert one(record, "Observation")["code"] == expected
    assert record.unmapped == ()


def test_two_templates_on_one_observation_give_one() -> None:
    two = '<templateId root="2.16.840.1.113883.10.20.22.4.27"/><templateId root="2.16.840.1.113883.10.20.22.4.2"/>'
    one(read(document(section("8716-3", coded(f'<code code="8302-2" {LOINC}/>', more=two)))), "Observation")


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ('<value xsi:type="FOO" value="12" unit="mg"/>', "valueQuantity", 12),
        ('<value value="12" unit="mg"/>', "valueQuantity", 12),
        ('<value xsi:type="PQ" value="TNTC"/>', "valueString", "TNTC"),
        ('<value xsi:type="PN"><given>Ann</given><family>Berg</family></value>', "valueString", "Ann Berg"),
        ('<value xsi:type="AD"><city>Oslo</city><country>NO</country></value>', "valueString", "Oslo, NO"),
        ('<value xsi:type="ED">Two\n  lines.</value>', "valueString", "Two\nlines."),
    ],
)
def test_values_of_odd_types_are_kept_as_what_they_look_like(value: str, key: str, expected: object) -> None:
    made = one(read(document(section("30954-2", coded(f'<code code="718-7" {LOINC}/>', value)))), "Observation")
    found = made[key]["value"] if key == "valueQuantity" else made[key]
    assert found == expected


def test_a_denied_value_does_not_stand_there_as_if_it_held() -> None:
    raw = document(section("30954-2", coded(f'<code code="718-7" {LOINC}/>')))
    record = read(raw.replace(b'moodCode="EVN"><code code="718', b'moodCode="EVN" negationInd="true"><code code="718'))
    made = one(record, "Observation")
    assert "valueQuantity" not in made
    assert made["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "value-negated" in codes(record)
    assert record.unmapped


def test_a_finding_of_somebody_else_says_of_whom() -> None:
    about = (
        '<subject><relatedSubject classCode="PRS"><code code="NCHILD" codeSystem="2.16.840.1.113883.5.111"/>'
        "<subject><name>Baby A</name></subject></relatedSubject></subject>"
    )
    record = read(document(section("30954-2", coded(f'<code code="718-7" {LOINC}/>', more=about))))
    who = one(record, "RelatedPerson")
    assert who["name"] == [{"text": "Baby A"}]
    assert one(record, "Observation")["focus"] == [{"reference": f"RelatedPerson/{who['id']}"}]


def test_one_visit_with_two_times_keeps_both() -> None:
    header = (
        '<componentOf><encompassingEncounter><id root="1.2.5" extension="v"/>'
        '<effectiveTime><low value="20240301"/><high value="20240304"/></effectiveTime></encompassingEncounter></componentOf>'
    )
    body = entry(
        '<encounter classCode="ENC" moodCode="EVN"><id root="1.2.5" extension="v"/><code code="99213" codeSystem="2.16.840.1.113883.6.12"/>'
        '<effectiveTime><low value="20240301"/><high value="20240305"/></effectiveTime></encounter>'
    )
    record = read(document(section("46240-8", body), header=header))
    made = one(record, "Encounter")
    assert made["period"] == {"start": "2024-03-01", "end": "2024-03-04"}
    (event,) = one(record, "Composition")["event"]
    assert event["period"] == {"start": "2024-03-01", "end": "2024-03-05"}
    assert event["detail"] == [{"reference": f"Encounter/{made['id']}"}]
    assert "contradiction" in codes(record)
