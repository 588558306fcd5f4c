"""Results and vital signs: values by type, ranges, interpretation, specimen, performer, panels."""

from __future__ import annotations

import pytest

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

TEMPLATE = '<templateId root="2.16.840.1.113883.10.20.22.4.2"/>'


def observation(value: str, inner: str = "", flag: str = "", number: str = "r1") -> str:
    return (
        f'<observation classCode="OBS" moodCode="EVN"{flag}>{TEMPLATE}<id root="1.2.6" extension="{number}"/>'
        '<code code="2951-2" codeSystem="2.16.840.1.113883.6.1" displayName="Sodium"/><statusCode code="completed"/>'
        f'<effectiveTime value="202403040830-0600"/>{value}{inner}</observation>'
    )


def pq(value: object, unit: str) -> str:
    return f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>'


def read_one(value: str, inner: str = "", flag: str = "") -> dict:  # type: ignore[type-arg]
    return one(read(document(section("30954-2", entry(observation(value, inner, flag))))), "Observation")


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        (
            '<value xsi:type="PQ" value="141.5" unit="mmol/L"/>',
            "valueQuantity",
            {"value": 141.5, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        ),
        ('<value xsi:type="PQ" value="3" unit="tablet(s)"/>', "valueQuantity", {"value": 3, "unit": "tablet(s)"}),
        (
            '<value xsi:type="IVL_PQ"><low value="250" unit="mg/dL" inclusive="false"/></value>',
            "valueQuantity",
            {"value": 250, "comparator": ">", "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        ),
        ('<value xsi:type="IVL_PQ"><high value="5"/></value>', "valueQuantity", {"value": 5, "comparator": "<="}),
        (
            '<value xsi:type="IVL_PQ"><low value="1"/><high value="3"/></value>',
            "valueRange",
            {"low": {"value": 1}, "high": {"value": 3}},
        ),
        (
            '<value xsi:type="CD" code="260385009" codeSystem="2.16.840.1.113883.6.96" displayName="Negative"/>',
            "valueCodeableConcept",
            {"coding": [{"system": "http://snomed.info/sct", "code": "260385009", "display": "Negative"}]},
        ),
        ('<value xsi:type="ST">cloudy, &lt;5 cells</value>', "valueString", "cloudy, <5 cells"),
        ('<value xsi:type="ED"><reference value="#v"/></value>', "valueString", "as in the text"),
        ('<value xsi:type="INT" value="4"/>', "valueInteger", 4),
        ('<value xsi:type="REAL" value="1.5"/>', "valueQuantity", {"value": 1.5}),
        (
            '<value xsi:type="RTO_PQ_PQ"><numerator value="1"/><denominator value="64"/></value>',
            "valueRatio",
            {"numerator": {"value": 1}, "denominator": {"value": 64}},
        ),
        ('<value xsi:type="TS" value="20240301"/>', "valueDateTime", "2024-03-01"),
        ('<value xsi:type="BL" value="true"/>', "valueBoolean", True),
        ('<value xsi:type="SC">title-like text</value>', "valueString", "title-like text"),
        ('<value xsi:type="QQQ" value="7" unit="kg"/>', "valueQuantity", None),
        ('<value value="7" unit="kg"/>', "valueQuantity", None),
        ('<value xsi:type="PQ" value="about 7" unit="kg"/>', "valueString", "about 7 kg"),
    ],
)
def test_each_type_of_value(value: str, key: str, expected: object) -> None:
    record = read(document(section("30954-2", entry(observation(value)), '<content ID="v">as in the text</content>')))
    made = one(record, "Observation")
    if expected is None:
        expected = {"value": 7, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    assert made[key] == expected
    assert [k for k in made if k.startswith("value")] == [key]


def test_a_number_that_is_none_is_flagged() -> None:
    record = read(document(section("30954-2", entry(observation('<value xsi:type="PQ" value="high" unit="kg"/>')))))
    assert "number-invalid" in codes(record)


def test_an_absent_value_keeps_its_reason() -> None:
    made = read_one('<value xsi:type="PQ" nullFlavor="MSK"/>')
    assert made["dataAbsentReason"]["coding"][0]["code"] == "masked"


def test_ranges_interpretation_specimen_performer() -> None:
    inner = (
        '<interpretationCode code="H" codeSystem="2.16.840.1.113883.5.83"/><interpretationCode code="A" codeSystem="2.16.840.1.113883.5.83"/>'
        '<methodCode code="703725008" codeSystem="2.16.840.1.113883.6.96"/><targetSiteCode code="368209003" codeSystem="2.16.840.1.113883.6.96"/>'
        '<specimen><specimenRole><id root="1.2.9" extension="SP1"/><specimenPlayingEntity><code code="119364003" codeSystem="2.16.840.1.113883.6.96"/></specimenPlayingEntity></specimenRole></specimen>'
        '<performer><assignedEntity><id root="1.2.9" extension="LAB"/><representedOrganization><name>Northgate Laboratory</name></representedOrganization></assignedEntity></performer>'
        '<referenceRange><observationRange><text>135-145 mmol/L</text><value xsi:type="IVL_PQ"><low value="135" unit="mmol/L"/><high value="145" unit="mmol/L"/></value>'
        '<interpretationCode code="N" codeSystem="2.16.840.1.113883.5.83"/></observationRange></referenceRange>'
        "<referenceRange><observationRange><text>Ask if pregnant</text></observationRange></referenceRange>"
    )
    record = read(
        document(section("30954-2", entry(observation('<value xsi:type="PQ" value="150" unit="mmol/L"/>', inner))))
    )
    made = one(record, "Observation")
    assert [c["coding"][0]["code"] for c in made["interpretation"]] == ["H", "A"]
    first, second = made["referenceRange"]
    assert (first["low"]["value"], first["high"]["value"], first["text"]) == (135, 145, "135-145 mmol/L")
    assert first["type"]["coding"][0]["code"] == "N"
    assert second == {"text": "Ask if pregnant"}
    assert one(record, "Specimen")["type"]["coding"][0]["code"] == "119364003"
    assert made["performer"][0]["display"] == "Northgate Laboratory"
    assert made["method"]["coding"][0]["code"] == "703725008"
    assert made["bodySite"]["coding"][0]["code"] == "368209003"
    assert record.unmapped == ()


def test_a_battery() -> None:
    body = (
        '<organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="1.2.6" extension="b1"/>'
        '<code code="24323-8" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        + "".join(f"<component>{observation(pq(n, 'mmol/L'), number=f'r{n}')}</component>" for n in (1, 2))
        + "</organizer>"
    )
    record = read(document(section("30954-2", entry(body))))
    report = one(record, "DiagnosticReport")
    assert report["code"]["coding"][0]["code"] == "24323-8"
    assert report["status"] == "final"
    assert {r["reference"].partition("/")[2] for r in report["result"]} == {o["id"] for o in of(record, "Observation")}


def test_vital_signs_keep_their_group() -> None:
    body = (
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.26"/><id root="1.2.6" extension="v1"/>'
        '<code code="46680005" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/><effectiveTime value="20240305"/>'
        f"<component>{observation(pq(72, '/min'))}</component></organizer>"
    )
    record = read(document(section("8716-3", entry(body))))
    panel = next(o for o in of(record, "Observation") if "hasMember" in o)
    member = next(o for o in of(record, "Observation") if "hasMember" not in o)
    assert panel["hasMember"] == [{"reference": f"Observation/{member['id']}"}]
    assert member["category"][0]["coding"][0]["code"] == "vital-signs"
    assert member["valueQuantity"]["code"] == "/min"


def test_a_negated_finding_is_a_finding_of_its_absence() -> None:
    value = '<value xsi:type="CD" code="49727002" codeSystem="2.16.840.1.113883.6.96" displayName="Cough"/>'
    body = observation(value, flag=' negationInd="true"').replace(
        '<code code="2951-2" codeSystem="2.16.840.1.113883.6.1" displayName="Sodium"/>',
        '<code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/>',
    )
    made = one(read(document(section("30954-2", entry(body)))), "Observation")
    assert made["code"]["coding"][0]["code"] == "49727002"
    assert made["valueBoolean"] is False


def test_a_negated_observation_without_a_value_was_not_done() -> None:
    made = read_one("", flag=' negationInd="true"')
    assert made["status"] == "cancelled"
    assert made["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_a_specimen_named_by_its_collection() -> None:
    collection = (
        '<procedure classCode="PROC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.415"/><code code="17636008" codeSystem="2.16.840.1.113883.6.96"/>'
        '<statusCode code="completed"/><participant typeCode="PRD"><participantRole classCode="SPEC"><id root="1.2.9" extension="SP2"/>'
        '<playingEntity><code code="119297000" codeSystem="2.16.840.1.113883.6.96"/></playingEntity></participantRole></participant></procedure>'
    )
    body = (
        '<organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/>'
        '<code code="24323-8" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        f"<component>{collection}</component><component>{observation(pq(4, 'mmol/L'))}</component></organizer>"
    )
    record = read(document(section("30954-2", entry(body))))
    specimen = one(record, "Specimen")
    assert specimen["type"]["coding"][0]["code"] == "119297000"
    assert one(record, "DiagnosticReport")["specimen"] == [{"reference": f"Specimen/{specimen['id']}"}]
