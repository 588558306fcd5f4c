"""Invariants 3 and 9 from outside: what waits, was held or is replayed meets the consent of today."""

from __future__ import annotations

import os
import random
import signal

import orjson
import pytest

from hie.simulation import documents, messages
from hie.simulation.people import someone
from tests.invariants.bench import opt_out
from tests.node import Site

SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")
CHANCE = random.Random(90)


def visit(mrn: str, control_id: str, event: str = "A04") -> bytes:
    return messages.admission(someone(random.Random(int(mrn))), mrn, *SENDING, event, control_id, f"V{mrn}")


def sent_after(site: Site, mark: tuple[int, int], mrn: str) -> list[str]:
    """What either subscriber saw about a patient since `mark` was taken."""
    pattern = f"V{mrn}".encode()
    mllp = [control_id for control_id, message in site.mllp.seen[mark[0] :] if pattern in message]
    return mllp + [key for key, body, _ in site.fhir.seen[mark[1] :] if pattern in body]


def mark(site: Site) -> tuple[int, int]:
    return len(site.mllp.seen), len(site.fhir.seen)


@pytest.fixture(autouse=True)
def willing(site: Site):  # type: ignore[no-untyped-def]
    yield
    site.mllp.answer = lambda message: b"AA"
    site.fhir.status = lambda body: 200
    site.fhir.gate.set()


@pytest.mark.invariant(3)
def test_revoked_while_the_delivery_waits_nothing_leaves(site: Site) -> None:
    """The engine is stopped (SIGSTOP) the moment the message is stored; the revocation is the first thing it sees."""
    site.send(visit("9001", "REP-1-0"))
    site.settled()
    for name in ("emergency", "practice"):
        assert site.asked("subscriber.pause", name=name, reason="a test")["paused"]
    site.send(visit("9001", "REP-1-1", "A08"))
    site.until(lambda: len(site.deliveries("REP-1-1")) == 2, "queued")
    before = mark(site)
    assert site.consent(opt_out("9001"))["begun"] == 0
    for name in ("emergency", "practice"):
        site.asked("subscriber.resume", name=name)
    site.settled()
    assert {row["state"] for row in site.deliveries("REP-1-1")} == {"denied"}
    assert sent_after(site, before, "9001") == []


@pytest.mark.invariant(3)
def test_a_revocation_names_what_was_begun_and_the_retry_does_not_happen(site: Site) -> None:
    site.send(visit("9002", "REP-2-0"))
    site.settled()
    # both subscribers take the bytes and never answer: begun, then unknown
    site.fhir.gate.clear()
    site.mllp.answer = lambda message: None if b"V9002" in message else b"AA"
    site.send(visit("9002", "REP-2-1", "A08"))
    site.until(lambda: {r["state"] for r in site.deliveries("REP-2-1")} == {"begun"}, "both begun")
    site.until(lambda: len(sent_after(site, (0, 0), "9002")) == 4, "both arrived")
    assert site.consent(opt_out("9002"))["begun"] == 2
    before = mark(site)
    for name in site.engines:
        site.kill(name)
    site.fhir.gate.set()
    site.mllp.answer = lambda message: b"AA"
    site.settled()
    assert {row["state"] for row in site.deliveries("REP-2-1")} == {"denied"}
    assert sent_after(site, before, "9002") == []
    told = site.rows("SELECT state FROM disclosure WHERE message_id = ?", site.message_id("REP-2-1"))
    assert [row[0] for row in told] == ["unknown", "unknown"], "what may have been received is told as that"


@pytest.mark.invariant(3)
def test_a_frozen_engine_sends_nothing_it_decided_before_a_revocation(site: Site) -> None:
    """SIGSTOP at a random moment after the message was stored; the revocation waits in the socket and is taken when it wakes."""
    import threading

    for number in range(6):
        mrn = f"91{number:02d}"
        site.send(visit(mrn, f"REP-3{number}-0"))
        site.settled()
        pid = site.pid("engine")
        site.send(visit(mrn, f"REP-3{number}-1", "A08"))
        os.kill(pid, signal.SIGSTOP)
        answers: list[dict[str, object]] = []
        asking = threading.Thread(target=lambda mrn=mrn, into=answers: into.append(site.consent(opt_out(mrn))))
        asking.start()
        os.kill(pid, signal.SIGCONT)
        asking.join(20)
        assert answers
        begun = "SELECT count(*) FROM disclosure JOIN message ON message.id = message_id WHERE control_id = ?"
        before = site.rows(begun, f"REP-3{number}-1")
        site.settled()
        assert site.rows(begun, f"REP-3{number}-1") == before
        # each engine has a chain: within one, the order is known to the record
        [revoked] = site.rows("SELECT chain, seq FROM audit WHERE kind = 'consent-change' ORDER BY at DESC LIMIT 1")
        message_id = site.message_id(f"REP-3{number}-1")
        told = site.rows("SELECT chain, seq, body FROM audit WHERE kind = 'disclosure-begun'")
        places = [(chain, seq) for chain, seq, body in told if orjson.loads(body)["message"] == message_id]
        assert all(seq < revoked[1] for chain, seq in places if chain == revoked[0])


@pytest.mark.invariant(9)
def test_a_dead_letter_released_after_a_revocation_is_denied(site: Site) -> None:
    site.mllp.answer = lambda message: b"AR" if b"V9004" in message else b"AA"
    site.fhir.status = lambda body: 422 if b"V9004" in body else 200
    site.send(visit("9004", "REP-4-1"))
    site.settled()
    assert {row["state"] for row in site.deliveries("REP-4-1")} == {"dead-lettered"}
    site.consent(opt_out("9004"))
    site.mllp.answer = lambda message: b"AA"
    site.fhir.status = lambda body: 200
    before = mark(site)
    released = site.asked("deadletters.release", ids=[row["id"] for row in site.deliveries("REP-4-1")])
    assert released["count"] == 2
    site.settled()
    assert {row["state"] for row in site.deliveries("REP-4-1")} == {"denied"}
    assert sent_after(site, before, "9004") == []


@pytest.mark.invariant(9)
def test_a_dead_letter_released_without_a_revocation_goes_under_its_old_key(site: Site) -> None:
    site.fhir.status = lambda body: 422 if b"V9005" in body else 200
    site.send(visit("9005", "REP-5-1"))
    site.settled()
    [dead] = site.deliveries("REP-5-1", "practice")
    assert dead["state"] == "dead-lettered"
    site.fhir.status = lambda body: 200
    site.asked("deadletters.release", ids=[dead["id"]])
    site.settled()
    [after] = site.deliveries("REP-5-1", "practice")
    assert (after["state"], after["key"]) == ("delivered", dead["key"])


@pytest.mark.invariant(2, 9)
def test_a_quarantined_message_released_is_decided_by_todays_consent(site: Site) -> None:
    """A message about nobody we can read stays in quarantine; one that can be read now goes through the gate of today."""
    site.send(visit("9006", "REP-6-0"))
    site.settled()
    site.send(b"MSH|^~\\&|E|NORTH|H|R|20260101||ADT^A08|REP-6-1|P|2.5.1\rEVN|A08\rPV1|1|O\r")
    site.settled()
    id = site.message_id("REP-6-1")
    assert site.rows("SELECT outcome FROM message WHERE id = ?", id) == [("quarantined",)]
    for _ in range(2):
        assert site.asked("quarantine.release", ids=[id]) == {"count": 1}
    assert site.rows("SELECT outcome FROM message WHERE id = ?", id) == [("quarantined",)]
    assert site.deliveries("REP-6-1") == []


@pytest.mark.invariant(3)
def test_a_consent_given_lets_the_programme_through_and_revoked_stops_the_next(site: Site) -> None:
    person = someone(CHANCE)
    site.send(messages.admission(person, "9008", *SENDING, "A04", "REP-8-0", "V9008"))
    site.settled()
    given = site.consent(documents.consent("urn:oid:2.16.840.1.113883.3.9999.1", "9008", "Organization/practice"))
    first = site.post("harbor", documents.care_document(person, "H9008", 1), "application/xml").json()["message_id"]
    site.settled()
    site.consent({k: v for k, v in given.items() if k != "begun"} | {"status": "inactive"})
    second = site.post("harbor", documents.care_document(person, "H9008", 2), "application/xml").json()["message_id"]
    site.settled()
    states = dict(site.rows("SELECT message_id, state FROM delivery WHERE subscriber = 'practice'"))
    assert states[first].startswith("delivered")
    assert not states[second].startswith("delivered")
