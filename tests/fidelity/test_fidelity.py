"""The checker finds what is there and misses what is not; and the decoders keep every fact of these samples."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.fidelity import document, message, soundness
from tests.fidelity.check import check_document, check_message
from tests.fidelity.fact import Verdict
from tests.fidelity.report import report
from tests.fidelity.run import decode, lines

MESSAGES = {
    "results": [
        r"MSH|^~\&|LAB|NORTH|HIE|REGION|20240305101530-0500||ORU^R01^ORU_R01|F1|T|2.5.1",
        "PID|1||448812^^^NORTH^MR||Okafor^Grace^A||19790412|F|||14 Elm Row^^Dunmore^WI^53001||555-010-7788|||M",
        "PV1|1|O|W3^12^B^NORTH||||1999999984^Tarrant^Ivo^^^DR",
        "ORC|RE|P77|F77",
        "OBR|1|P77|F77|58410-2^CBC^LN|||20240305093000-0500|||||||||17^Reyes^Ana||||||20240305101000-0500||LAB|F",
        "OBX|1|NM|718-7^Hemoglobin^LN||13.2|g/dL^gram per deciliter^UCUM|12.0-16.0|N|||F|||20240305093000-0500",
        "OBX|2|CWE|600-7^Bacteria^LN||112283007^Escherichia coli^SCT||||||P",
        "OBX|3|SN|5767-9^Titre^LN||>^80||||||F",
        "NTE|1|L|Slightly haemolysed",
        "SPM|1|S9^S9||119297000^Blood^SCT|||||||||||||20240305091500-0500|20240305095000-0500",
    ],
    "visit": [
        r"MSH|^~\&|ADT|NORTH|HIE|REGION|20240305101530-0500||ADT^A01^ADT_A01|F2|P|2.5.1",
        "EVN|A01|20240305101500-0500",
        "PID|1||448812^^^NORTH^MR~987654320^^^SSA^SS||Okafor^Grace||19790412|F|||||555-010-7788",
        "NK1|1|Okafor^Ben|SPO^Spouse|14 Elm Row^^Dunmore^WI^53001|555-010-7789",
        "PV1|1|I|W3^12^B||||17^Reyes^Ana||||SUR||||7||||V33^^^NORTH^VN|||||||||||||||||||||||||20240305100000-0500",
        "AL1|1|DA|7980^penicillin G^RXNORM|SV|Hives|20010203",
        "DG1|1||J18.9^Pneumonia^I10||20240305|A",
    ],
    "vaccine": [
        r"MSH|^~\&|IIS|NORTH|HIE|REGION|20240305101530-0500||VXU^V04^VXU_V04|F3|P|2.5.1",
        "PID|1||448812^^^NORTH^MR||Okafor^Grace||20230412|F",
        "ORC|RE||I55",
        "RXA|0|1|20240102||03^MMR^CVX|0.5|mL^milliliter^UCUM||00^New^NIP001|17^Reyes^Ana|||||L123|20250101|MSD^Merck^MVX|||CP",
        "RXR|SC^Subcutaneous^HL70162|LA^Left arm^HL70163",
    ],
}
SECTIONS = """
<component><section><code code="48765-2" codeSystem="2.16.840.1.113883.6.1"/><title>Allergies</title><text>Hives from penicillin</text>
<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.30"/><id root="2.25.81"/><code code="CONC" codeSystem="2.16.840.1.113883.5.6"/>
<statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.7"/>
<id root="2.25.82"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/><effectiveTime><low value="2004"/></effectiveTime>
<value xsi:type="CD" code="416098002" codeSystem="2.16.840.1.113883.6.96"/><participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">
<code code="7980" codeSystem="2.16.840.1.113883.6.88" displayName="penicillin G"/></playingEntity></participantRole></participant>
</observation></entryRelationship></act></entry></section></component>
<component><section><code code="10160-0" codeSystem="2.16.840.1.113883.6.1"/><title>Medications</title><text>Metformin twice a day</text>
<entry><substanceAdministration classCode="SBADM" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="2.25.83"/><statusCode code="active"/>
<effectiveTime xsi:type="IVL_TS"><low value="20230401"/></effectiveTime><effectiveTime xsi:type="PIVL_TS" operator="A"><period value="12" unit="h"/></effectiveTime>
<routeCode code="C38288" codeSystem="2.16.840.1.113883.3.26.1.1"/><doseQuantity value="500" unit="mg"/><consumable><manufacturedProduct classCode="MANU">
<manufacturedMaterial><code code="860975" codeSystem="2.16.840.1.113883.6.88" displayName="metformin 500 MG"/></manufacturedMaterial></manufacturedProduct></consumable>
</substanceAdministration></entry></section></component>
<component><section><code code="30954-2" codeSystem="2.16.840.1.113883.6.1"/><title>Results</title><text>Hemoglobin 13.2</text>
<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="2.25.84"/><code code="58410-2" codeSystem="2.16.840.1.113883.6.1"/>
<statusCode code="completed"/><component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="2.25.85"/>
<code code="718-7" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/><effectiveTime value="20240105"/><value xsi:type="PQ" value="13.2" unit="g/dL"/>
</observation></component></organizer></entry></section></component>"""


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[message.Message, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("hl7v2")
    for name, segments in MESSAGES.items():
        (folder / f"{name}.hl7").write_text("\r".join(segments) + "\r", "utf-8")
    found = {Path(line["file"]): line for line in lines(decode("hl7v2", folder))}
    return {file.stem: (message.read(file)[0], line) for file, line in found.items()}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    file = tmp_path_factory.mktemp("ccda") / "summary.xml"
    file.write_text(document.HEAD.format(name="summary", body=SECTIONS), "utf-8")
    (line,) = lines(decode("ccda", file))
    return document.load(file), line


def sound(verdict: Verdict) -> None:
    assert [fact.where for fact in verdict.lost] == []
    assert verdict.invented == []
    assert verdict.invalid == []
    assert verdict.dangling == []
    assert verdict.empty == 0


@pytest.mark.parametrize("name", MESSAGES)
def test_every_fact_of_a_message_arrives(messages: dict[str, Any], name: str) -> None:
    verdict = check_message(*messages[name])
    assert len(verdict.kept) > 20
    sound(verdict)


def test_every_fact_of_a_document_arrives(summary: Any) -> None:
    verdict = check_document(*summary)
    assert len(verdict.kept) > 25
    sound(verdict)


def without(line: dict[str, Any], kind: str, element: str) -> dict[str, Any]:
    changed = copy.deepcopy(line)
    for each in changed["resources"]:
        if each["resourceType"] == kind:
            each.pop(element, None)
    return changed


@pytest.mark.parametrize(
    ("name", "kind", "element", "where"),
    [
        ("results", "Observation", "valueQuantity", "OBX[1]-5"),
        ("results", "Observation", "referenceRange", "OBX[1]-7.1"),
        ("results", "Specimen", "receivedTime", "SPM[1]-18"),
        ("results", "Observation", "note", "NTE[1]-3"),
        ("visit", "AllergyIntolerance", "reaction", "AL1[1]-5.1"),
        ("visit", "Patient", "birthDate", "PID[1]-7"),
        ("vaccine", "Immunization", "lotNumber", "RXA[1]-15"),
        ("vaccine", "Immunization", "status", "RXA[1]-20"),
    ],
)
def test_a_dropped_element_is_a_lost_fact(
    messages: dict[str, Any], name: str, kind: str, element: str, where: str
) -> None:
    one, line = messages[name]
    changed = without(line, kind, element)
    verdict = check_message(one, changed, validate=False)
    assert any(fact.where.startswith(where.split(".")[0]) for fact in verdict.unsaid)
    changed["unmapped"].append({"where": where.replace("[1]", ""), "count": 1})
    again = check_message(one, changed, validate=False)
    assert len(again.lost) == len(verdict.lost)
    assert len(again.unsaid) < len(verdict.unsaid)


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("AllergyIntolerance", "code"),
        ("AllergyIntolerance", "onsetDateTime"),
        ("Observation", "valueQuantity"),
        ("Composition", "section"),
    ],
)
def test_a_dropped_element_of_a_document_is_a_lost_fact(summary: Any, kind: str, element: str) -> None:
    root, line = summary
    assert check_document(root, without(line, kind, element), validate=False).unsaid


def test_a_note_or_another_resource_is_no_place_for_a_result(messages: dict[str, Any]) -> None:
    one, line = messages["results"]
    changed = copy.deepcopy(line)
    for each in changed["resources"]:
        if each["resourceType"] == "Observation" and "valueQuantity" in each:
            value = each.pop("valueQuantity")
            each.setdefault("note", []).append({"text": str(value["value"])})
        if each["resourceType"] == "Patient":
            each["extension"] = [{"url": "urn:ours", "valueString": "13.2"}]
    assert "OBX[1]-5" in {fact.where for fact in check_message(one, changed, validate=False).lost}


def test_a_value_of_the_neighbour_is_not_the_own(messages: dict[str, Any]) -> None:
    one, line = messages["results"]
    changed = copy.deepcopy(line)
    first, second = (
        r for r in changed["resources"] if r["resourceType"] == "Observation" and r["status"] != "preliminary"
    )
    first["status"], second["valueQuantity"] = "preliminary", first.pop("valueQuantity")
    lost = {fact.where for fact in check_message(one, changed, validate=False).lost}
    assert {"OBX[1]-5", "OBX[1]-11"} <= lost


def test_what_nobody_sent_is_found(messages: dict[str, Any]) -> None:
    one, line = messages["visit"]
    changed = copy.deepcopy(line)
    patient = next(r for r in changed["resources"] if r["resourceType"] == "Patient")
    patient["birthDate"] = "1979-04-12T00:00:00Z"
    patient["name"][0]["given"] = ["Grace", "Rosalind"]
    patient["managingOrganization"] = {"reference": "Organization/none"}
    patient["active"] = "perhaps"
    changed["resources"].append(
        {"resourceType": "Condition", "id": "e", "subject": {"reference": f"Patient/{patient['id']}"}}
    )
    verdict = check_message(one, changed)
    assert {path for path, _ in verdict.invented} == {"Patient.birthDate", "Patient.name.given", "Patient.active"}
    assert verdict.dangling == ["Patient.managingOrganization"]
    assert any(why.startswith("Patient.active") for why in verdict.invalid)
    assert verdict.empty == 1


def test_an_instant_moved_to_another_day_is_lost(messages: dict[str, Any]) -> None:
    one, line = messages["results"]
    changed = copy.deepcopy(line)
    for each in changed["resources"]:
        if each["resourceType"] == "DiagnosticReport":
            each["issued"] = "2024-03-05T15:10:00Z"
    assert "OBR[1]-22" in {fact.where for fact in check_message(one, changed, validate=False).lost}


def test_the_report_names_the_worst(messages: dict[str, Any]) -> None:
    from collections import Counter

    one, line = messages["results"]
    text = report("hl7v2", [check_message(one, without(line, "Specimen", "type"), validate=False)], Counter(), True, 5)
    assert "SPM-4.1" in text
    assert "second run, same bytes    yes" in text


def test_r4_has_not_what_only_r4b_has() -> None:
    assert soundness.invalid({"resourceType": "NutritionProduct", "id": "x", "status": "active"})


def test_what_is_met_nowhere_is_told_and_what_is_listed_is_not(messages: dict[str, Any]) -> None:
    one, line = messages["visit"]
    changed = without(line, "AllergyIntolerance", "reaction")
    assert "AL1[1]-5[1].1" in check_message(one, changed, validate=False).silent
    changed["unmapped"].append({"where": "AL1-5", "count": 1})
    assert "AL1[1]-5[1].1" not in check_message(one, changed, validate=False).silent


def test_what_stands_twice_and_what_nothing_refers_to_is_found(messages: dict[str, Any]) -> None:
    one, line = messages["visit"]
    changed = copy.deepcopy(line)
    allergy = next(r for r in changed["resources"] if r["resourceType"] == "AllergyIntolerance")
    patient = next(r for r in changed["resources"] if r["resourceType"] == "Patient")
    patient["telecom"] *= 2
    changed["resources"] += [{**allergy, "id": "again"}, {"resourceType": "Practitioner", "id": "loose"}]
    verdict = check_message(one, changed, validate=False)
    assert set(verdict.twice) == {"Patient.telecom", "AllergyIntolerance"}
    assert "Practitioner" in verdict.orphans
