"""POST /intake/{feed}: accepted only when it is on the disk, refused with the bytes kept, bounded while it is read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.region import CANARIES, Region, sample

HL7 = {"content-type": "application/hl7-v2"}


def stored(region: Region) -> list[bytes]:
    return [entry.envelope.raw for entry in region.arrived()]


@pytest.mark.invariant(1)
def test_accepted_means_on_the_disk(region: Region) -> None:
    with region.client("north") as client:
        answer = client.post("/intake/north", content=sample(), headers=HL7)
    assert answer.status_code == 202
    [entry] = region.arrived()
    assert (entry.envelope.message_id, entry.envelope.raw) == (answer.json()["message_id"], sample())
    assert (entry.envelope.feed, entry.envelope.keys.control_id, entry.envelope.keys.event) == (
        "north",
        b"A1",
        "ADT^A01",
    )
    assert entry.envelope.keys.ordering


@pytest.mark.invariant(6)
def test_a_repeat_is_answered_with_the_first_id(region: Region) -> None:
    with region.client("north") as client:
        first = client.post("/intake/north", content=sample(), headers=HL7).json()
        again = client.post("/intake/north", content=sample(), headers=HL7)
        other = client.post("/intake/north", content=sample(family="Other"), headers=HL7).json()
    assert (again.status_code, again.json()) == (202, {"message_id": first["message_id"], "duplicate": True})
    assert "duplicate" not in other
    assert other["message_id"] != first["message_id"]


@pytest.mark.invariant(2)
def test_what_cannot_be_read_is_kept_and_refused(region: Region) -> None:
    garbage = b"this is no message \xff\x00 of Zyxwolfe"
    with region.client("north") as client:
        answer = client.post("/intake/north", content=garbage)
    body = answer.json()
    assert answer.status_code == 422
    assert body["code"]
    assert not any(canary in answer.text for canary in CANARIES)
    [entry] = region.arrived()
    assert (entry.envelope.message_id, entry.envelope.raw) == (body["message_id"], garbage)
    assert entry.refusal is not None


@pytest.mark.invariant(1)
def test_nothing_is_accepted_when_intake_is_away(region: Region) -> None:
    assert region.journal is not None
    (region.var / "run" / "intake.sock").unlink()
    with region.client("north") as client:
        answer = client.post("/intake/north", content=sample(), headers=HL7)
    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert stored(region) == []


@pytest.mark.invariant(10)
def test_a_credential_opens_its_own_feed_only(region: Region) -> None:
    with region.client("harbor") as client:
        for feed in ("north", "no-such-feed", "documents"):
            assert client.post(f"/intake/{feed}", content=sample(), headers=HL7).status_code == 403
        assert client.post("/intake/harbor", content=sample(), headers=HL7).status_code == 202
    with region.client(user="admin") as client:
        assert client.post("/intake/north", content=sample(), headers=HL7).status_code == 403
    with region.client("wire") as client:
        assert client.post("/intake/wire", content=sample(), headers=HL7).status_code == 404


def test_basic_with_the_token_works_for_senders_that_know_nothing_else(region: Region) -> None:
    with region.client() as client:
        answer = client.post("/intake/north", content=sample(), auth=("north", region.tokens["north"]))
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-type": "application/fhir+json"}, 415),
        ({"content-type": "application/pdf"}, 415),
        ({"content-type": "APPLICATION/HL7-V2; charset=utf-8"}, 202),
        ({"content-type": "x-application/hl7-v2+er7"}, 202),
        ({"content-type": "application/x-www-form-urlencoded"}, 202),
        ({"content-type": "text/plain"}, 202),
        ({}, 202),
        ({**HL7, "content-encoding": "gzip"}, 415),
        ({**HL7, "accept": "text/html"}, 406),
        ({**HL7, "accept": "text/html, */*;q=0.1"}, 202),
    ],
)
def test_media_types(region: Region, headers: dict[str, str], status: int) -> None:
    with region.client("north") as client:
        assert client.post("/intake/north", content=sample(), headers=headers).status_code == status


def test_an_empty_body_is_a_mistake(region: Region) -> None:
    with region.client("north") as client:
        for content in (b"", b" \r\n"):
            answer = client.post("/intake/north", content=content, headers=HL7)
            assert (answer.status_code, answer.json()["code"]) == (400, "empty-body")
    assert stored(region) == []


def test_a_large_body_is_refused_before_it_is_read(region: Region) -> None:
    limit = region.settings.http.max_body
    with region.client("north") as client:
        declared = client.post("/intake/north", content=b"x" * (limit + 1), headers=HL7)
        assert (declared.status_code, declared.json()["code"]) == (413, "too-large")

        def forever() -> Iterator[bytes]:
            for _ in range(1000):
                yield b"x" * 65536

        try:
            undeclared = client.post("/intake/north", content=forever(), headers=HL7)
            assert undeclared.status_code == 413
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            pass  # cut off while it was still sending
    assert region.services.budget.used == 0
    assert stored(region) == []


def test_the_byte_budget_of_the_process_holds(region: Region) -> None:
    region.services.budget.used = region.services.budget.limit
    with region.client("north") as client:
        answer = client.post("/intake/north", content=sample(), headers=HL7)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def test_a_sender_that_breaks_off_leaves_nothing(region: Region) -> None:
    host, _, port = region.url.removeprefix("http://").partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as wire:
            head = f"POST /intake/north HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {region.tokens['north']}\r\n"
            wire.sendall(head.encode() + b"content-length: 5000\r\n\r\n" + sample())
    with region.client("north") as client:
        assert client.post("/intake/north", content=sample("B1"), headers=HL7).status_code == 202
    assert stored(region) == [sample("B1")]
    assert region.services.budget.used == 0


def test_many_at_once_are_all_kept_once(region: Region) -> None:
    with region.client("north") as client, ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda n: client.post("/intake/north", content=sample(f"M{n}"), headers=HL7), range(200))
        )
    ids = {answer.json()["message_id"] for answer in answers}
    assert {answer.status_code for answer in answers} == {202}
    assert len(ids) == len(stored(region)) == 200


def test_documents_and_faxes(region: Region) -> None:
    fax = b"FAX\nTo: Harbor\nPatient: Zyxwolfe, Quintessa  DOB 07/07/1977\n\fpage two\n"
    document = (
        b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="d1"/>'
        b'<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/></ClinicalDocument>'
    )
    with region.client("fax") as client:
        answer = client.post("/intake/fax", content=fax, headers={"content-type": "text/plain"})
        assert answer.status_code == 202
    with region.client("documents") as client:
        assert (
            client.post("/intake/documents", content=document, headers={"content-type": "text/xml"}).status_code == 202
        )
        assert client.post("/intake/documents", content=b"<no", headers={"content-type": "text/xml"}).status_code == 422
    assert fax in stored(region)


def test_the_acknowledgement_of_hl7_on_request(region: Region) -> None:
    wants = {**HL7, "accept": "application/hl7-v2"}
    with region.client("north") as client:
        answer = client.post("/intake/north", content=sample("ID 7"), headers=wants)
        refused = client.post("/intake/north", content=b"MSH|^~\\&|A|B\r", headers=wants)
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/hl7-v2")
    segments = answer.content.split(b"\r")
    assert segments[1].startswith(b"MSA|AA|ID 7")
    first = region.arrived()[0].envelope
    assert (first.message_id, first.raw) == (answer.headers["x-message-id"], sample("ID 7"))
    assert refused.status_code == 422
    assert b"\rMSA|A" in refused.content
    assert b"\rMSA|AA" not in refused.content


@pytest.mark.invariant(8)
def test_no_value_of_a_message_reaches_the_log(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    with region.client("north") as client:
        client.post("/intake/north", content=sample(), headers=HL7)
        client.post("/intake/north", content=b"PID|1||MRN-77001||Zyxwolfe", headers=HL7)
        client.get("/nothing/Zyxwolfe?MRN-77001")
    written = "".join(str(r.__dict__) for r in caplog.records if not r.name.startswith("http"))
    assert not any(canary in written for canary in CANARIES)
