"""Invariant 8: values of patients, through every path that works and every one that fails, found nowhere they must not be."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest

from hie.audit import events
from hie.audit.events import Kind, event
from hie.compression import decompress
from hie.model import Envelope, FeedContext, Keys
from hie.simulation import documents, messages
from hie.simulation.people import someone
from hie.task import Task
from hie.understand import understand
from tests.node import Site

FAMILY, GIVEN, MRN, STREET, VALUE, NOTE = "Qzyxwolf", "Jkvanessa", "MRN7Q7Z7", "Xylophon", "Vbnmresult", "Wqnarrative"
CANARIES = (FAMILY, GIVEN, MRN, STREET, VALUE, NOTE, "19660606", "1966-06-06", "987654321")
SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")
PERSON = someone(random.Random(8)).named(family=FAMILY, given=GIVEN, street=f"1 {STREET} St", ssn="987654321")
PERSON = replace(PERSON, born=date(1966, 6, 6))


def leaked(places: Mapping[str, str], canaries: Sequence[str] = CANARIES) -> list[str]:
    return [
        f"{canary} in {place}"
        for place, text in places.items()
        for canary in canaries
        if canary.lower() in text.lower()
    ]


def places(site: Site) -> dict[str, str]:
    """Everything that people, programs and backups other than the record's own see."""
    with site.web("admin") as client:
        metrics = client.get("/metrics")
        assert metrics.status_code == 200
        assert "hie_messages_processed_total" in metrics.text
    columns = {
        "audit": "SELECT kind || actor || body FROM audit",
        "message texts": "SELECT event || text || flags || stages || reason FROM message",
        "delivery texts": "SELECT reason || text || answer || key FROM delivery",
        "disclosures": "SELECT consents || policy FROM disclosure",
        "work items": "SELECT kind || key || feed || example FROM work_item",
        "unmapped": "SELECT feed || sender || system || code || example FROM unmapped",
    }
    found = {place: "\n".join(str(row[0]) for row in site.rows(sql)) for place, sql in columns.items()}
    found["decisions"] = "\n".join(
        decompress(bytes(row[0])).decode() for row in site.rows("SELECT decision FROM disclosure")
    )
    names = [os.path.join(folder, name) for folder, _, files in os.walk(site.var) for name in files]
    urls = [url for _, _, url in site.fhir.seen]
    return {
        **found,
        "log": site.log.read_text(),
        "metrics": metrics.text,
        "file names": "\n".join(names),
        "URLs": "\n".join(urls),
    }


def laboratory(control_id: str, mrn: str = MRN) -> bytes:
    chance = random.Random(1)
    raw = messages.laboratory(PERSON, mrn, *SENDING, control_id, "1", chance).decode()
    return (raw + f"OBX|9|ST|L1^local^LOCAL||{VALUE}||||||F\rNTE|2|L|{NOTE} of the patient\r").encode()


@pytest.mark.invariant(8)
def test_no_canary_gets_out_of_its_record(site: Site) -> None:
    # what works
    site.send(messages.admission(PERSON, MRN, *SENDING, "A04", "CAN-0-1", "V1"))
    site.send(laboratory("CAN-0-2"))
    site.post("harbor", documents.care_document(PERSON, MRN, 1), "application/xml")
    site.post("harbor-fax", documents.fax(PERSON, MRN), "text/plain")
    # what nobody can read, what is about nobody, what breaks off
    site.send(f"MSH|^~\\&|E|NORTH|H|R|20260101||ADT^A08|CAN-0-3|P|2.5.1\rPID|1||||{FAMILY}^{GIVEN}\r".encode())
    site.send(f"MSH|^~\\&|E|NORTH|H|R|{MRN}||ZZZ^Z99|CAN-0-4|P|9.9\rPID|1||{MRN}\r".encode())
    document = documents.care_document(PERSON, MRN, 2)
    assert site.post("harbor", document[: len(document) // 2], "application/xml").status_code in (202, 422)
    assert site.post("harbor", f"<a>{FAMILY}".encode(), "application/xml").status_code in (202, 422)
    assert site.post("reports", f"PID|1||{MRN}||{FAMILY}".encode()).status_code == 422
    assert site.post("reports", f"{NOTE}".encode(), "application/x-unknown").status_code == 415
    # requests that are wrong
    with site.web("officer") as client:
        for body in (f'{{"resourceType":"Consent","patient":"{FAMILY}"}}', f"{{{FAMILY}", f'["{MRN}"]'):
            answer = client.post("/fhir/Consent", content=body, headers={"content-type": "application/fhir+json"})
            assert answer.status_code >= 400
            assert leaked({"answer": answer.text}) == []
        answer = client.get("/fhir/Consent", params={"patient.identifier": f"urn:x|{MRN}"})
        assert answer.status_code >= 400
        assert leaked({"answer": answer.text}) == []
    with site.web() as client:
        assert client.get("/console", headers={"authorization": f"Bearer {FAMILY}"}).status_code in (303, 401)
    # what a subscriber refuses, with words of its own
    site.settled()
    site.mllp.answer = lambda message: b"AR"
    site.fhir.status = lambda body: 422
    site.send(messages.admission(PERSON, MRN, *SENDING, "A08", "CAN-0-5", "V1"))
    site.settled()
    site.mllp.answer = lambda message: b"AA"
    site.fhir.status = lambda body: 200
    states = {row["state"] for row in site.deliveries("CAN-0-5")}
    assert states == {"dead-lettered"}
    assert any(FAMILY.encode() in body for _, body, _ in site.fhir.seen), "the canary never travelled"
    assert leaked(places(site)) == []


@pytest.mark.invariant(8)
def test_no_process_that_dies_and_comes_back_says_more(site: Site) -> None:
    for name in ("pool-0", "engine", "web", "intake"):
        site.kill(name)
        site.send(laboratory(f"CAN-1-{name}"))
    site.until(lambda: site.asked("ping") is not None, "the engine answers")
    site.settled()
    site.until(lambda: _up(site), "the web process answers")
    assert leaked(places(site)) == []


def _up(site: Site) -> bool:
    with site.web() as client:
        return client.get("/health/live").status_code == 200


def crash_text(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the pool says of a decoder that fails with the patient in its exception."""
    from hie import registry

    def decode(raw: bytes, context: FeedContext) -> None:
        raise ValueError(f"bad value {FAMILY}")

    monkeypatch.setattr(registry, "decoder", lambda *_: decode)
    return understand(Task("hl7v2", b"", FeedContext(), frozenset())).text


@pytest.mark.invariant(8)
def test_an_exceptions_text_stays_where_it_was_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leaked({"text": crash_text(monkeypatch)}) == []


@pytest.mark.broken(8)
def test_an_exceptions_text_that_is_passed_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    import hie.understand

    monkeypatch.setattr(hie.understand, "type", lambda error: SimpleNamespace(__name__=str(error)), raising=False)
    assert leaked({"text": crash_text(monkeypatch)}) == [f"{FAMILY} in text"]


@pytest.mark.broken(8)
def test_an_audit_body_that_is_not_cleaned_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"reason": f"the patient {FAMILY} asked"}
    assert leaked({"audit": event(Kind.QUERY, "user:x", body).body.decode()}) == []
    monkeypatch.setattr(events, "_clean", lambda text: text)
    assert leaked({"audit": event(Kind.QUERY, "user:x", body).body.decode()}) == [f"{FAMILY} in audit"]


@pytest.mark.invariant(8)
def test_no_noun_shows_content_in_its_name() -> None:
    """File and message names are made of the day and a number, never of what came."""
    envelope = Envelope("20260101-00000001", "north", "hl7v2", b"", b"", 0.0, Keys("hl7v2", MRN.encode(), "", ()))
    assert leaked({"id": envelope.message_id}) == []
