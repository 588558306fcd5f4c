"""Problems: two statuses, dates nobody knows, when it was diagnosed, concerns without an observation, denials in words."""

from __future__ import annotations

from tests.adapters.ccda.document import codes, document, entry, of, one, read, section

VALUE = '<value xsi:type="CD" code="233604007" codeSystem="2.16.840.1.113883.6.96" displayName="Pneumonia"/>'


def status(code: str) -> str:
    return (
        '<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.6"/><code code="33999-4" codeSystem="2.16.840.1.113883.6.1"/>'
        f'<statusCode code="completed"/><value xsi:type="CD" code="{code}" codeSystem="2.16.840.1.113883.6.96"/>'
        "</observation></entryRelationship>"
    )


def concern(inner: str = "", *, value: str = VALUE, times: str = "", flag: str = "", state: str = "active") -> str:
    return entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/>'
        f'<id root="1.2.4" extension="c1"/><code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="{state}"/>'
        '<effectiveTime><low value="20230105"/></effectiveTime>'
        f'<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"{flag}>'
        '<templateId root="2.16.840.1.113883.10.20.22.4.4"/><id root="1.2.3" extension="p1"/>'
        '<code code="64572001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>'
        f"{times}{value}{inner}</observation></entryRelationship></act>"
    )


def test_the_status_of_the_problem_stands_and_that_of_its_concern_is_listed() -> None:
    record = read(document(section("11450-4", concern(status("413322009")))))
    assert one(record, "Condition")["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert "concern-status" in codes(record)
    assert any(each.where.endswith("/act/statusCode/@code") for each in record.unmapped)


def test_two_statuses_that_agree_need_no_word() -> None:
    record = read(document(section("11450-4", concern(status("55561003")))))
    assert codes(record) == []
    assert record.unmapped == ()


def test_an_end_that_nobody_knows() -> None:
    times = '<effectiveTime><low value="2020"/><high nullFlavor="UNK"/></effectiveTime>'
    made = one(read(document(section("11450-4", concern(status("413322009"), times=times)))), "Condition")
    assert made["_abatementDateTime"]["extension"][0]["valueCode"] == "unknown"


def test_an_open_end_ends_nothing() -> None:
    times = '<effectiveTime><low value="2020"/><high nullFlavor="UNK"/></effectiveTime>'
    made = one(read(document(section("11450-4", concern(status("55561003"), times=times)))), "Condition")
    assert made["clinicalStatus"]["coding"][0]["code"] == "active"
    assert not any(key.lstrip("_").startswith("abatement") for key in made)


def test_an_onset_that_was_not_asked() -> None:
    made = one(read(document(section("11450-4", concern(times='<effectiveTime nullFlavor="NASK"/>')))), "Condition")
    assert made["_onsetDateTime"]["extension"][0]["valueCode"] == "not-asked"


def test_the_date_of_diagnosis_is_the_date_of_assertion() -> None:
    diagnosed = (
        '<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.502"/>'
        '<code code="77975-1" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20220930"/></act></entryRelationship>'
    )
    record = read(document(section("11450-4", concern(diagnosed))))
    (asserted,) = one(record, "Condition")["extension"]
    assert asserted["url"].endswith("/condition-assertedDate")
    assert asserted["valueDateTime"] == "2022-09-30"
    # the concern's own date has no second place
    assert [each.where.rpartition("/act/")[2] for each in record.unmapped] == ["effectiveTime/low/@value"]


def test_a_denial_of_all_problems_keeps_its_words_and_its_other_codes() -> None:
    value = (
        '<value xsi:type="CD" code="64572001" codeSystem="2.16.840.1.113883.6.96" displayName="Disease">'
        '<originalText>No known discharge diagnosis</originalText><translation code="NONE" codeSystem="1.9.8"/></value>'
    )
    made = one(read(document(section("11450-4", concern(value=value, flag=' negationInd="true"')))), "Condition")
    assert [each["code"] for each in made["code"]["coding"]] == ["160245001", "NONE"]
    assert made["code"]["text"] == "No known discharge diagnosis"
    assert "verificationStatus" not in made


def test_a_risk_concern_without_an_observation_is_a_concern() -> None:
    risk = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.136"/><id root="1.2.4" extension="r1"/>'
        '<code code="281694009" codeSystem="2.16.840.1.113883.6.96" displayName="At risk for"/><text>At risk for falls</text>'
        '<statusCode code="active"/><effectiveTime><low value="20240110"/></effectiveTime></act>'
    )
    made = one(read(document(section("75310-3", risk))), "Condition")
    assert made["code"]["coding"][0]["code"] == "281694009"
    assert made["code"]["text"] == "At risk for falls"
    assert made["category"][0]["coding"][0]["code"] == "health-concern"
    assert made["onsetDateTime"] == "2024-01-10"


def test_a_concern_that_only_points_makes_no_second_problem() -> None:
    pointing = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.132"/><id root="1.2.4" extension="h1"/>'
        '<code code="75310-3" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="active"/>'
        '<entryRelationship typeCode="REFR"><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.122"/>'
        '<id root="1.2.3" extension="p1"/><code nullFlavor="NP"/><statusCode code="completed"/></act></entryRelationship></act>'
    )
    record = read(document(section("11450-4", concern()), section("75310-3", pointing)))
    problem = one(record, "Condition")
    sections = one(record, "Composition")["section"]
    assert sections[1]["entry"] == [{"reference": f"Condition/{problem['id']}"}]


def test_one_problem_in_three_sections_under_one_id_is_one_condition() -> None:
    bare = concern().replace('extension="c1"', 'extension="c2"')
    diagnosis = bare.replace("22.4.3", "22.4.33").replace("CONC", "11535-2")
    record = read(
        document(section("11450-4", concern()), section("11535-2", diagnosis), section("75310-3", bare), header="")
    )
    made = one(record, "Condition")
    kinds = [c["code"] for each in made["category"] for c in each["coding"]]
    assert {"problem-list-item", "encounter-diagnosis", "health-concern"} <= set(kinds)


def test_one_problem_under_two_ids_stays_two_statements() -> None:
    # a problem and a diagnosis may share a code and be two facts: only the sender's id joins them
    other = concern().replace('extension="c1"', 'extension="c2"').replace('extension="p1"', 'extension="p2"')
    assert len(of(read(document(section("11450-4", concern()), section("11535-2", other))), "Condition")) == 2


def test_who_performed_the_concern_asserts_it() -> None:
    who = (
        '<performer><assignedEntity><id root="1.2.7" extension="d1"/><assignedPerson><name><given>Mo</given><family>Lund</family></name>'
        "</assignedPerson></assignedEntity></performer><entryRelationship"
    )
    raw = document(section("11450-4", concern().replace("<entryRelationship", who, 1)))
    assert one(read(raw), "Condition")["asserter"]["display"] == "Mo Lund"
