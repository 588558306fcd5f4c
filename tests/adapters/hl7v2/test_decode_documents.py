"""Documents: their states, their parents, their content (HL7 v2 chapter 9, MDM T01 to T11)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.adapters.hl7v2.sample import PID, every, header, lost, only, record


def txa(**fields: str) -> str:
    made = [""] * 26
    made[0], made[1], made[2] = "TXA", "1", "PN^Progress note^HL70270"
    for name, value in fields.items():
        made[int(name[1:])] = value
    return "|".join(made).rstrip("|")


def document(trigger: str, segment: str, *more: str) -> Any:
    return only(record(header(f"MDM^{trigger}"), PID, segment, *more), "DocumentReference")


def text(attachment: dict[str, Any]) -> str:
    return base64.b64decode(attachment["data"]).decode()


@pytest.mark.parametrize(
    ("trigger", "availability", "status"),
    [("T02", "AV", "current"), ("T02", "OB", "superseded"), ("T11", "", "entered-in-error"), ("T03", "CA", "entered-in-error"), ("T01", "", "current")],
)  # fmt: skip
def test_status(trigger: str, availability: str, status: str) -> None:
    assert document(trigger, txa(f12="D1", f19=availability))["status"] == status


@pytest.mark.parametrize(
    ("completion", "status"),
    [("AU", "final"), ("LA", "final"), ("DI", "preliminary"), ("IN", "preliminary"), ("PA", "preliminary")],
)
def test_completion(completion: str, status: str) -> None:
    assert document("T02", txa(f12="D1", f17=completion))["docStatus"] == status


@pytest.mark.parametrize(
    ("trigger", "code"), [("T10", "replaces"), ("T09", "replaces"), ("T06", "appends"), ("T05", "appends")]
)
def test_the_parent(trigger: str, code: str) -> None:
    (link,) = document(trigger, txa(f12="D2^EHR", f13="D1^EHR"))["relatesTo"]
    assert (link["code"], link["target"]["identifier"]["value"]) == (code, "D1")


def test_a_notification_has_no_content_of_its_own() -> None:
    made = document("T01", txa(f3="TX", f12="D1", f18="V"))
    assert made["content"] == [{"attachment": {"contentType": "text/plain"}}]
    assert made["meta"]["security"][0]["code"] == "V"


def test_lines_are_one_text_with_its_blank_lines() -> None:
    lines = ("OBX|1|TX|PN^Note||One||||||F", "OBX|2|TX|PN^Note||||||||F", "OBX|3|TX|||Three||||||F")
    found = record(header("MDM^T08"), PID, txa(f3="TX", f12="D1"), *lines)
    (content,) = only(found, "DocumentReference")["content"]
    assert text(content["attachment"]) == "One\n\nThree"
    assert content["attachment"]["title"] == "Note"
    assert every(found, "Observation") == []


def test_the_file_name_is_kept_where_the_part_has_a_name() -> None:
    made = document("T02", txa(f12="D1", f16="note.txt"), "OBX|1|TX|PN^Note||One||||||F")
    assert made["identifier"] == [{"value": "note.txt"}]
    made = document("T02", txa(f12="D1", f16="note.txt"), "OBX|1|TX|||One||||||F")
    assert made["content"][0]["attachment"]["title"] == "note.txt"


def test_its_orders_are_those_of_the_message() -> None:
    found = record(header("MDM^T02"), PID, "ORC|RE|O1^EHR", txa(f12="D1", f14="O1^EHR~O2^EHR"), "OBX|1|TX|||x||||||F")
    order = only(found, "ServiceRequest")
    related = only(found, "DocumentReference")["context"]["related"]
    assert related == [
        {"reference": f"ServiceRequest/{order['id']}"},
        {"type": "ServiceRequest", "identifier": {"system": "urn:hie:authority:EHR", "value": "O2"}},
    ]


def test_authors_authenticator_and_times() -> None:
    segment = txa(
        f4="20240304",
        f5="1^A^B",
        f6="20240305113000-0500",
        f7="20240305114000-0500",
        f9="1^A^B~2^C^D",
        f10="3^E^F",
        f12="D1",
    )
    found = record(header("MDM^T02"), PID, segment, "OBX|1|TX|||x||||||F")
    made = only(found, "DocumentReference")
    assert len(made["author"]) == 2
    assert made["authenticator"]["reference"].startswith("Practitioner/")
    assert made["date"] == "2024-03-05T11:30:00-05:00"
    assert made["context"]["period"]["start"] == "2024-03-04"
    assert made["content"][0]["attachment"]["creation"] == "2024-03-05T11:40:00-05:00"
    assert lost(found) == set()


@pytest.mark.parametrize(
    ("kind", "value", "listed"),
    [
        ("RP", "http://x.test/a.jpg^PACS^IM^JPEG^A", {"OBX[1]-5.5"}),
        ("ED", "APP&1.2.3&ISO^TEXT^ODD^A^hello", {"OBX[1]-5.1", "OBX[1]-5.3"}),
        ("ED", "APP^TEXT^^UU^hello", {"OBX[1]-5.4"}),
        ("ED", "APP^Application^PDF^Base64^SGVsbG8=", set()),
    ],
)
def test_what_an_attachment_cannot_say_of_its_content_is_listed(kind: str, value: str, listed: set[str]) -> None:
    found = record(header("ORU^R01"), PID, "OBR|1||F1|1^A^L", f"OBX|1|{kind}|18748-4^Imaging^LN||{value}||||||F")
    assert lost(found) == listed
