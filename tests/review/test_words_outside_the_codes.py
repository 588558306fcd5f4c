"""A patient keeps HIV information back; a sender says it somewhere else than in a coded result. Nothing that names it
reaches a subscriber, in the stored bytes or as FHIR, and what has nothing to do with it still goes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

from hie.labels.attachment import texts
from hie.labels.segments import sensitive_segments
from tests.node import Site, site

NAMED = re.compile(rb"\bHIV\b|\bB20\b|biktarvy|immunodeficiency|\bAIDS\b", re.IGNORECASE)
BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
HEADER = (
    "MSH|^~\\&|LAB|NORTH|HIE|HIE|20260310120000||{event}|{id}|P|2.5.1\r"
    "PID|1||{mrn}^^^NORTH^MR||{person}|||9 Elm St^^Springfield^IL^62701\r"
)
GLUCOSE = (
    "OBR|1|P1|F1|2345-7^Glucose^LN|||20260310||||||{told}\rOBX|1|NM|2345-7^Glucose^LN||95|mg/dL|70-105|N|||F\r{more}"
)
NOTE = base64.b64encode(b"HIV-1 RNA 54,000 copies/mL. Patient on Biktarvy.").decode()
ADT, ORU = "ADT^A08^ADT_A01", "ORU^R01^ORU_R01"
PEOPLE = {"Q1": "QUILLON^MARA||19770707|F", "Q2": "OSTERBERG^TADEUSZ||19510222|M"}
SAID = {
    "z-segment": (ADT, "PV1|1|O\rZHV|1|HIV STATUS|POSITIVE\r"),
    "code-in-a-z-segment": (ADT, "PV1|1|O\rZDX|1|B20^^I10\r"),
    "ward": (ADT, "PV1|1|O|HIV CLINIC^1^1\r"),
    "payer": (ADT, "PV1|1|O\rIN1|1|RW|RWHAP|RYAN WHITE HIV/AIDS PROGRAM|1 X St\r"),
    "relationship": (ADT, "NK1|1|SMITH^JO|^HIV case manager\rPV1|1|O\r"),
    "attached-text": (ORU, GLUCOSE.format(told="", more=f"OBX|2|ED|PDF^Report^L||^TEXT^PLAIN^Base64^{NOTE}||||||F\r")),
    "document-text": (
        "MDM^T02^MDM_T02",
        "EVN|T02|20260310\rPV1|1|O\rTXA|1|CN|TX|20260310||||||||DOC1|||||AU\r"
        "OBX|1|TX|11488-4^Consult^LN||HIV viral load undetectable||||||F\r",
    ),
    "clinical-information": (ORU, GLUCOSE.format(told="HIV positive patient", more="")),
    "note": (ORU, GLUCOSE.format(told="", more="NTE|1|L|on Biktarvy since spring\r")),
    "highlighted-note": (ORU, GLUCOSE.format(told="", more="NTE|1|L|\\H\\HIV\\N\\ infection known\r")),
}


def refusal(eid: str) -> dict[str, object]:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{eid}"},
        "dateTime": "2026-03-01",
        "provision": {
            "type": "permit",
            "provision": [{"type": "deny", "securityLabel": [{"system": act, "code": "HIV"}]}],
        },
    }


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("words")) as running:
        assert (
            running.send((HEADER.format(event=ADT, id="known", mrn="Q1", person=PEOPLE["Q1"]) + "PV1|1|O\r").encode())
            == "AA"
        )
        running.settled()
        [(eid,)] = running.rows("SELECT DISTINCT eid FROM disclosure")
        running.consent(refusal(eid))
        yield running


def sent(region: Site, id: str, event: str, body: str, mrn: str = "Q1") -> tuple[list[bytes], list[bytes]]:
    region.fhir.seen.clear()
    assert region.send((HEADER.format(event=event, id=id, mrn=mrn, person=PEOPLE[mrn]) + body).encode()) == "AA"
    region.settled()
    return region.mllp.of(id), [body for _, body, _ in region.fhir.seen]


def named(payload: bytes) -> list[bytes]:
    inside = b" ".join(base64.b64decode(run[: len(run) - len(run) % 4]) for run in BASE64.findall(payload))
    return NAMED.findall(payload) + NAMED.findall(inside)


@pytest.mark.invariant(3)
@pytest.mark.parametrize("case", SAID)
def test_it_is_not_said_to_anybody(region: Site, case: str) -> None:
    original, bundles = sent(region, f"case-{case}", *SAID[case])
    assert [found for payload in original + bundles for found in named(payload)] == []
    assert {d["reason"] for d in region.deliveries(f"case-{case}")} <= {"accepted", "accepted-redacted", "denied"}


@pytest.mark.parametrize("case", SAID)
def test_for_somebody_without_a_consent_it_goes(region: Site, case: str) -> None:
    """The messages above do name it: the test before would otherwise hold for an empty region."""
    original, bundles = sent(region, f"free-{case}", *SAID[case], mrn="Q2")
    assert original
    assert bundles
    assert any(named(payload) for payload in original)


def test_what_has_nothing_to_do_with_it_still_goes(region: Site) -> None:
    original, bundles = sent(region, "plain", ORU, GLUCOSE.format(told="", more="NTE|1|L|fasting\r"))
    assert b"2345-7" in original[0]
    assert b"fasting" in original[0]
    assert b"2345-7" in bundles[0]
    relation, _ = sent(region, "kin", *SAID["relationship"])
    assert b"NK1" not in relation[0], "the registration goes, without the relation that tells"


def test_segments_are_read_without_the_decoder() -> None:
    head = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A08|1|P|2.5\rPID|1||1^^^X^MR||AIDS^JO\r"
    assert sensitive_segments(head) == {}, "a name is a name"
    found = sensitive_segments(head + b"ZAA|1|nothing\rZAA|2|hiv screening\rZDX|F11.20^^I10\r")
    assert {place: {one.code for one in given} - {"N"} for place, given in found.items()}.keys() == {"ZAA[2]", "ZDX[1]"}
    assert "HIV" in {one.code for one in found["ZAA[2]"]}
    assert "ETH" in {one.code for one in found["ZDX[1]"]}
    assert sensitive_segments(b"not hl7") == {}
    other = b"MSH$%~\\&$A$B$C$D$20260310$$ADT%A08$1$P$2.5\rZDX$B20%%I10\r"
    assert sensitive_segments(other).keys() == {"ZDX[1]"}


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("text/plain", "HIV positive", "HIV positive"),
        ("", "HIV positive", "HIV positive"),
        ("application/rtf", "{\\rtf1\\ansi HIV positive}", "HIV positive"),
        ("text/html", "<p>HIV <b>positive</b></p>", "HIV positive"),
        ("application/pdf", "%PDF HIV", None),
    ],
)
def test_attachments_that_are_text_are_read(kind: str, written: str, read: str | None) -> None:
    attachment = {"contentType": kind, "data": base64.b64encode(written.encode()).decode()}
    found = [" ".join(text.split()) for text in texts({"content": [{"attachment": attachment}]})]
    assert found == ([] if read is None else [read])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"dateTime": "yesterday"}, "bad-date"),
        ({"provision": {"type": "perhaps"}}, "bad-provision"),
        ({"patient": {"reference": 5}}, "bad-shape"),
        ({"patient": {"identifier": "5"}}, "bad-shape"),
    ],
)
def test_a_consent_that_cannot_be_read_is_refused_while_its_author_is_there(
    region: Site, change: dict[str, object], code: str
) -> None:
    with region.web("officer") as client:
        answer = client.post(
            "/fhir/Consent", json=refusal("X") | change, headers={"content-type": "application/fhir+json"}
        )
    assert answer.status_code == 400
    assert code in answer.text
