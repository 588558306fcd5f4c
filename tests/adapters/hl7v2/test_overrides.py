"""What a feed or a sender says it does otherwise: each thing wrong has its line and what was meant; what is right is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2.conversions import CONVERSIONS
from adapters.hl7v2.decode import decode
from adapters.hl7v2.overrides import MAKES, check
from adapters.hl7v2.rules import rows
from hie import settings
from hie.model import FeedContext, Record

CONFIG = """\
name: here
participants:
  - name: clinic
feeds:
  - name: adt
    participant: clinic
    source: {{kind: http}}
    overrides:
      fields:
        {said}
    senders:
      - application: LAB
        overrides:
          fields:
            {theirs}
"""


def read(*lines: str, **more: Any) -> Record:
    head = r"MSH|^~\&|LAB|NORTH|HIE|R|20260105101500-0500||ADT^A08^ADT_A01|C1|P|2.5.1"
    (record,) = decode("\r".join([head, *lines, ""]).encode(), FeedContext(**more))
    return record


def patient(record: Record) -> dict[str, Any]:
    return next(r for r in record.resources if r["resourceType"] == "Patient")


def places(record: Record) -> list[str]:
    return [each.where for each in record.unmapped]


@pytest.mark.parametrize(
    ("key", "name", "said", "code", "hint"),
    [
        ("fields", "OXB-3", "Patient.identifier[] cx", "unknown-segment", "'OBX'"),
        ("fields", "PID3", "Patient.identifier[] cx", "unknown-place", "ZPI-3"),
        ("fields", "ZPI-3.1", "Patient.identifier[] cx", "unknown-place", ""),
        ("fields", "ZPI-3", "Pateint.identifier[] cx", "unknown-element", "'Patient'"),
        ("fields", "ZPI-3", "Patient.identifer[] cx", "unknown-element", "'identifier'"),
        ("fields", "ZPI-3", "Patient.identifier cx", "unknown-element", "identifier[]"),
        ("fields", "ZPI-3", "Patient.birthDate[] date", "unknown-element", "write birthDate"),
        ("fields", "ZPI-3", "Patient.identifier[] cxx", "unknown-conversion", "'cx'"),
        ("fields", "ZPI-3", "Patient.identifier[] xpn", "bad-rule", "cx"),
        ("fields", "ZPI-3", "Patient.gender code", "unknown-table", "code 0001"),
        ("fields", "ZPI-3", "Patient.gender code 9999", "unknown-table", "code 0001"),
        ("fields", "ZPI-3", "Patient", "bad-rule", "structure"),
        ("fields", "ZPI-3", "structur", "bad-rule", "structure"),
        ("fields", "MSH-2", "structure", "unknown-place", ""),
        ("moves", "PID-2", "PV1-3", "bad-move", "fields"),
        ("moves", "PID-2", "PID-2", "bad-move", ""),
        ("moves", "PID", "PID-3", "unknown-place", ""),
        ("obx2", "XX", "NUM", "unknown-data-type", "'NM'"),
        ("obx2", "NM", "ST", "unknown-data-type", "empty"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_valid_name(
    key: str, name: str, said: str, code: str, hint: str
) -> None:
    ((path, _, found, shown),) = check({key: {name: said}})
    assert (path, found) == ((key, name), code)
    assert hint in shown


def test_the_error_stands_at_its_line_for_the_feed_and_for_a_sender(tmp_path: Path) -> None:
    file = tmp_path / "hie.yaml"
    file.write_text(CONFIG.format(said="PDI-3: structure", theirs="ZPI-3: Patient.nam[] xpn"))
    _, found = settings.problems(file)
    lines = [n for n, line in enumerate(file.read_text().splitlines(), 1) if "PDI-3" in line or "ZPI-3" in line]
    assert [(e.line, e.code) for e in found] == list(zip(lines, ["unknown-segment", "unknown-element"], strict=True))


def test_the_shipped_tables_pass_the_same_check() -> None:
    shipped = [row for row in rows() if row.how.split(" ")[0] in CONVERSIONS]
    wrong = [
        (row.segment, row.field, found)
        for row in shipped
        for found in check({"fields": {f"{row.segment}-{row.field}": f"{row.kind}.{row.path} {row.how}"}})
    ]
    assert wrong == []
    assert {row.how.split(" ")[0] for row in shipped} <= MAKES.keys()


def test_the_page_names_every_conversion_and_what_it_makes() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operate" / "codes.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)[^|]*\| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert {name: kinds.replace(",", "") for name, kinds in rows} == MAKES


PID = "PID|1||551^^^NORTH^MR||Fields^Ada||19800101|F"


def test_a_z_field_goes_to_the_element_that_the_site_names() -> None:
    record = read(PID, "ZPI|1|x|E-77^^^EMP", overrides={"fields": {"ZPI-3": "Patient.identifier[] cx EI"}})
    made = patient(record)["identifier"][-1]
    assert (made["value"], made["type"]["coding"][0]["code"]) == ("E-77", "EI")
    assert places(record) == ["ZPI[1]-1", "ZPI[1]-2"]


def test_a_field_that_stands_in_another_ones_place() -> None:
    moves = {"PID-2": "PID-3", "PID-40": "PID-13"}
    sent = (
        "PID|1|551^^^NORTH^MR|||Fields^Ada||19800101|F|||||^PRN^PH^^^555^5550100" + "|" * 27 + "^PRN^CP^^^555^5550101"
    )
    made = patient(read(sent, overrides={"moves": moves}))
    assert [i["value"] for i in made["identifier"]] == ["551"]
    assert len(made["telecom"]) == 2
    assert made["telecom"][1]["use"] == "mobile"


@pytest.mark.parametrize("place", ["ZPI", "ZPI-2"])
def test_what_is_passed_over_on_purpose_is_not_listed(place: str) -> None:
    assert "ZPI[1]-2" in places(read(PID, "ZPI||x"))
    assert places(read(PID, "ZPI||x", overrides={"fields": {place: "structure"}})) == []


def test_a_component_is_passed_over_without_its_field() -> None:
    sent = PID.replace("^MR", "^MR").replace("551^^^", "551^7^ISO^")
    assert places(read(sent)) == ["PID-3.3"]
    record = read(sent, overrides={"fields": {"PID-3.3": "structure"}})
    assert places(record) == []
    assert patient(record)["identifier"][0]["value"] == "551"


def test_the_first_sender_that_fits_counts_and_the_feed_else() -> None:
    def context(uri: str) -> FeedContext:
        return FeedContext(authorities={"NORTH": uri})

    def system(*senders: tuple[str, str, FeedContext]) -> str:
        made = read(PID, authorities={"NORTH": "urn:oid:1.1"}, senders=senders)
        return str(patient(made)["identifier"][0]["system"])

    assert system(("LAB*", "*", context("urn:oid:1.2")), ("LAB", "*", context("urn:oid:1.3"))) == "urn:oid:1.2"
    assert system(("*", "SOUTH", context("urn:oid:1.2")), ("L?B", "NORTH", context("urn:oid:1.3"))) == "urn:oid:1.3"
    assert system(("lab", "*", context("urn:oid:1.2"))) == "urn:oid:1.1"
