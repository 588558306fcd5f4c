"""Each way in which a message says whose a code is finds its row of the site's table; the code as sent stays wherever FHIR has
room for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.ccda.decode import decode as ccda
from adapters.hl7v2.decode import decode as hl7v2
from hie.codes import tables
from hie.model import FeedContext, Record

GIVEN = ("http://loinc.org", "2345-7", "Glucose")


def context(directory: Path, source: str, code: str, names: dict[str, str] | None = None, **more: Any) -> FeedContext:
    file = directory / "codes.tsv"
    file.write_text("\t".join((source, code, *more.pop("target", GIVEN))) + "\n")
    found, errors = tables.compiled([tables.read(file).rows], names or {})
    assert not errors
    return FeedContext(code_maps=found.maps, authorities=names or {}, **more)


def message(obx3: str = "2951-2^Sodium^LN", sex: str = "F", pv1: str = "PV1|1|I|||||||||||||||||V9") -> bytes:
    return "\r".join(
        [
            r"MSH|^~\&|LAB|NORTH|HIE|R|20260105101500-0500||ORU^R01^ORU_R01|C1|P|2.5.1",
            f"PID|1||551^^^NORTH^MR||Fields^Ada||19800101|{sex}",
            pv1,
            "OBR|1||F1|24323-8^Panel^LN|||20260105081500-0500|||||||||||||||20260105091500-0500|||F",
            f"OBX|1|NM|{obx3}||5|mg/dL|||||F",
            "",
        ]
    ).encode()


def one(record: Record, kind: str) -> dict[str, Any]:
    return next(r for r in record.resources if r["resourceType"] == kind)


@pytest.mark.parametrize(
    ("source", "obx3", "sent"),
    [
        ("99LAB", "GLU^Glucose^99LAB", {"system": "urn:hie:system:99LAB", "code": "GLU", "display": "Glucose"}),
        ("urn:hie:system:99LAB", "GLU^Glucose^99LAB", {"system": "urn:hie:system:99LAB", "code": "GLU", "display": "Glucose"}),
        ("LAB", "GLU^Glucose^LAB", {"system": "https://lab.example/codes", "code": "GLU", "display": "Glucose"}),
        ("https://lab.example/codes", "GLU^Glucose^LAB", {"system": "https://lab.example/codes", "code": "GLU", "display": "Glucose"}),
        ("OBX-3", "GLU^Glucose", {"code": "GLU", "display": "Glucose"}),
        ("-", "GLU^Glucose", {"code": "GLU", "display": "Glucose"}),
        ("-", "GLU", {"code": "GLU"}),
        ("http://www.ama-assn.org/go/cpt", "82947^Glucose^C4", {"system": "http://www.ama-assn.org/go/cpt", "code": "82947", "display": "Glucose"}),
    ],
)  # fmt: skip
def test_a_code_of_hl7v2(tmp_path: Path, source: str, obx3: str, sent: dict[str, str]) -> None:
    known = context(tmp_path, source, sent["code"], {"LAB": "https://lab.example/codes"})
    (record,) = hl7v2(message(obx3), known)
    given = dict(zip(("system", "code", "display"), GIVEN, strict=True))
    assert one(record, "Observation")["code"]["coding"] == [given, sent]


def test_a_code_of_another_system_is_not_meant(tmp_path: Path) -> None:
    for obx3 in ("GLU^Glucose^98LAB", "GLU^Glucose", "glu^Glucose^99LAB"):
        (record,) = hl7v2(message(obx3), context(tmp_path, "99LAB", "GLU"))
        assert len(one(record, "Observation")["code"]["coding"]) == 1


def test_a_value_of_a_required_binding(tmp_path: Path) -> None:
    gender = ("http://hl7.org/fhir/administrative-gender", "female", "")
    (record,) = hl7v2(message(sex="W"), context(tmp_path, "HL70001", "W", target=gender))
    assert one(record, "Patient")["gender"] == "female"
    assert not record.warnings
    assert not record.unmapped
    (record,) = hl7v2(message(sex="W"), FeedContext())
    assert "gender" not in one(record, "Patient")
    assert [each.where for each in record.warnings] == ["PID-8"]


def test_a_class_of_a_visit_has_room_for_one_code_and_takes_the_standard_one(tmp_path: Path) -> None:
    act = ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "")
    known = context(tmp_path, "HL70004", "STAT", target=act)
    (record,) = hl7v2(message(pv1="PV1|1|STAT|||||||||||||||||V9"), known)
    assert one(record, "Encounter")["class"]["code"] == "IMP"


DOCUMENT = """\
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id root="1.2.3"/><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><effectiveTime value="20260105101500-0500"/>
<recordTarget><patientRole><id root="1.2.4" extension="551"/><patient><name><family>Fields</family></name></patient></patientRole>
</recordTarget><component><structuredBody><component><section>
<templateId root="2.16.840.1.113883.10.20.22.2.3.1"/><code code="30954-2" codeSystem="2.16.840.1.113883.6.1"/><text/>
<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/><id root="1.2.5"/>
<code code="24323-8" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>
<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="1.2.6"/>
<code code="GLU" {system} displayName="Glucose"/><statusCode code="completed"/><effectiveTime value="20260105"/>
<value xsi:type="PQ" value="5" unit="mg/dL"/></observation></component></organizer></entry>
</section></component></structuredBody></component></ClinicalDocument>"""


@pytest.mark.parametrize("source", ["2.16.840.1.113883.3.9999.7", "urn:oid:2.16.840.1.113883.3.9999.7"])
def test_a_code_of_a_document(tmp_path: Path, source: str) -> None:
    raw = DOCUMENT.format(system='codeSystem="2.16.840.1.113883.3.9999.7"').encode()
    (record,) = ccda(raw, context(tmp_path, source, "GLU"))
    codes = [c["code"] for r in record.resources if r["resourceType"] == "Observation" for c in r["code"]["coding"]]
    assert sorted(codes) == ["2345-7", "GLU"]


def test_a_code_of_a_document_without_a_system(tmp_path: Path) -> None:
    (record,) = ccda(DOCUMENT.format(system="").encode(), context(tmp_path, "-", "GLU"))
    codes = [c["code"] for r in record.resources if r["resourceType"] == "Observation" for c in r["code"]["coding"]]
    assert sorted(codes) == ["2345-7", "GLU"]
