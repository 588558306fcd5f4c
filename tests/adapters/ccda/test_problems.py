"""Problems section."""

from __future__ import annotations

import pytest

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section


def problem(
    value: str = '<value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96" displayName="Hypertension">'
    '<translation code="I10" codeSystem="2.16.840.1.113883.6.90"/></value>',
    time: str = '<effectiveTime><low value="201905"/></effectiveTime>',
    inner: str = "",
    flag: str = "",
    state: str = "active",
) -> str:
    return entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><id root="1.2.4" extension="c1"/>'
        f'<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="{state}"/>'
        '<effectiveTime><low value="20190601"/></effectiveTime><entryRelationship typeCode="SUBJ">'
        f'<observation classCode="OBS" moodCode="EVN"{flag}><templateId root="2.16.840.1.113883.10.20.22.4.4"/>'
        '<id root="1.2.4" extension="p1"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/>'
        f'<statusCode code="completed"/>{time}{value}{inner}</observation></entryRelationship></act>'
    )


def sub(template: str, code: str, value: str) -> str:
    return (
        f'<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.{template}"/>'
        f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{value}</observation></entryRelationship>'
    )


def test_a_problem() -> None:
    record = read(document(section("11450-4", problem())))
    made = one(record, "Condition")
    assert [c["code"] for c in made["code"]["coding"]] == ["38341003", "I10"]
    assert made["onsetDateTime"] == "2019-05"
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"
    assert made["category"][0]["coding"][0]["code"] == "problem-list-item"
    assert made["extension"] == [
        {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", "valueDateTime": "2019-06-01"}
    ]
    assert "abatementDateTime" not in made
    assert record.unmapped == ()


def test_status_age_and_severity() -> None:
    inner = (
        sub("6", "33999-4", '<value xsi:type="CD" code="277022003" codeSystem="2.16.840.1.113883.6.96"/>')
        + sub("31", "445518008", '<value xsi:type="PQ" value="57" unit="a"/>')
        + sub(
            "8",
            "SEV",
            '<value xsi:type="CD" code="24484000" codeSystem="2.16.840.1.113883.6.96" displayName="Severe"/>',
        )
    )
    made = one(read(document(section("11450-4", problem(time="", inner=inner)))), "Condition")
    assert made["clinicalStatus"]["coding"][0]["code"] == "remission"
    assert made["onsetAge"]["value"] == 57
    assert made["severity"]["coding"][0]["code"] == "24484000"


def test_an_age_beside_a_date_becomes_evidence() -> None:
    inner = sub("31", "445518008", '<value xsi:type="PQ" value="57" unit="a"/>')
    record = read(document(section("11450-4", problem(inner=inner))))
    made = one(record, "Condition")
    assert made["onsetDateTime"] == "2019-05"
    age = one(record, "Observation")
    assert age["valueQuantity"]["value"] == 57
    assert made["evidence"][0]["detail"][0]["reference"] == f"Observation/{age['id']}"


def test_an_end_means_resolved() -> None:
    ended = '<effectiveTime><low value="2019"/><high value="20200102"/></effectiveTime>'
    made = one(read(document(section("11450-4", problem(time=ended, state="completed")))), "Condition")
    assert made["abatementDateTime"] == "2020-01-02"
    assert made["clinicalStatus"]["coding"][0]["code"] == "resolved"


def test_an_end_beside_active_is_flagged_and_both_stay() -> None:
    active = sub(
        "6",
        "33999-4",
        '<value xsi:type="CD" code="55561003" codeSystem="2.16.840.1.113883.6.96" displayName="Active"/>',
    )
    ended = '<effectiveTime><low value="2019"/><high value="2020"/></effectiveTime>'
    record = read(document(section("11450-4", problem(time=ended, inner=active))))
    made = one(record, "Condition")
    # FHIR (con-4) holds an end only of what is over; C-CDA on FHIR makes such a problem inactive
    assert made["clinicalStatus"]["coding"][0]["code"] == "inactive"
    assert made["clinicalStatus"]["text"] == "Active"
    assert made["abatementDateTime"] == "2020"
    assert "contradiction" in codes(record)


def test_an_end_in_the_future_leaves_the_problem_active() -> None:
    active = sub("6", "33999-4", '<value xsi:type="CD" code="55561003" codeSystem="2.16.840.1.113883.6.96"/>')
    expected = '<effectiveTime><low value="2019"/><high value="20301231"/></effectiveTime>'
    record = read(document(section("11450-4", problem(time=expected, inner=active))))
    made = one(record, "Condition")
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "abatementDateTime" not in made
    assert "contradiction" in codes(record)
    assert any(each.where.endswith("effectiveTime/high/@value") for each in record.unmapped)


def test_a_negated_problem_is_refuted() -> None:
    made = one(read(document(section("11450-4", problem(flag=' negationInd="true"')))), "Condition")
    assert made["verificationStatus"]["coding"][0]["code"] == "refuted"


def test_no_known_problems() -> None:
    none = '<value xsi:type="CD" code="55607006" codeSystem="2.16.840.1.113883.6.96"/>'
    made = one(read(document(section("11450-4", problem(value=none, flag=' negationInd="true"')))), "Condition")
    assert made["code"]["coding"][0]["code"] == "160245001"
    assert "verificationStatus" not in made


@pytest.mark.parametrize(
    "time", ["", '<effectiveTime nullFlavor="UNK"/>', "<effectiveTime><low nullFlavor='UNK'/></effectiveTime>"]
)
def test_a_problem_without_a_time(time: str) -> None:
    made = one(read(document(section("11450-4", problem(time=time)))), "Condition")
    assert "onsetDateTime" not in made
    assert made["code"]["coding"][0]["code"] == "38341003"


def test_an_unknown_onset_is_kept_as_unknown() -> None:
    made = one(
        read(document(section("11450-4", problem(time="<effectiveTime><low nullFlavor='UNK'/></effectiveTime>")))),
        "Condition",
    )
    assert made["_onsetDateTime"]["extension"][0]["valueCode"] == "unknown"


def test_code_only_in_a_translation() -> None:
    value = (
        '<value xsi:type="CD" nullFlavor="OTH"><translation code="I10" codeSystem="2.16.840.1.113883.6.90"/></value>'
    )
    made = one(read(document(section("11450-4", problem(value=value)))), "Condition")
    assert made["code"] == {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]}


def test_the_kind_of_a_discharge_diagnosis_is_kept() -> None:
    act = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.33"/>'
        '<code code="11535-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/><entryRelationship typeCode="SUBJ">'
        '<observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/><statusCode code="completed"/>'
        '<value xsi:type="CD" code="233604007" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship></act>'
    )
    made = one(read(document(section("11535-2", act))), "Condition")
    assert [c["coding"][0]["code"] for c in made["category"]] == ["encounter-diagnosis", "11535-2"]


def test_comments_stay_with_their_problem() -> None:
    comment = (
        '<entryRelationship typeCode="SUBJ" inversionInd="true"><act classCode="ACT" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.64"/><code code="48767-8" codeSystem="2.16.840.1.113883.6.1"/>'
        "<text>Watch the salt</text></act></entryRelationship>"
    )
    record = read(document(section("11450-4", problem(inner=comment))))
    assert one(record, "Condition")["note"] == [{"text": "Watch the salt"}]
    assert of(record, "Procedure") == []
