"""Invariant 6 from outside: a repeat has no second effect; other bytes under the same id are taken and marked."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from hie import registry
from hie.intake.dedupe import Window
from hie.intake.journal import Journal
from hie.model import Arrival
from hie.simulation import messages
from hie.simulation.people import someone
from tests.node import Site

SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")
PERSON = someone(random.Random(61))


def effects(site: Site, control_id: str) -> list[str]:
    """What a message caused: outcomes and deliveries, more than one of each being one too many."""
    outcomes = [row[0] for row in site.rows("SELECT outcome FROM message WHERE control_id = ?", control_id)]
    found = [] if outcomes.count("routed") == 1 else [f"{outcomes.count('routed')} times routed"]
    return found + [f"{name} {n} times" for name, n in received(site, control_id).items() if n != 1]


def received(site: Site, control_id: str) -> dict[str, int]:
    keys = {row["key"] for row in site.deliveries(control_id, "practice")}
    return {
        "emergency": len(site.mllp.of(control_id)),
        "practice": sum(key in keys for key, _, _ in site.fhir.seen),
    }


@pytest.mark.invariant(6)
def test_a_repeat_is_acknowledged_again_and_has_no_second_effect(site: Site) -> None:
    message = messages.admission(PERSON, "RP1", *SENDING, "A04", "RPT-1-1", "V1")
    assert [site.send(message) for _ in range(4)] == ["CA"] * 4
    site.settled()
    assert effects(site, "RPT-1-1") == []
    outcomes = [row[0] for row in site.rows("SELECT outcome FROM message WHERE control_id = 'RPT-1-1'")]
    assert outcomes.count("duplicate") == 3


@pytest.mark.invariant(6)
def test_the_same_id_with_other_bytes_is_another_message(site: Site) -> None:
    site.send(messages.admission(PERSON, "RP2", *SENDING, "A04", "RPT-2-1", "V1"))
    site.send(messages.admission(PERSON, "RP2", *SENDING, "A08", "RPT-2-1", "V2"))
    site.settled()
    rows = site.rows("SELECT outcome, flags FROM message WHERE control_id = 'RPT-2-1' ORDER BY id")
    assert [row[0] for row in rows] == ["routed", "routed"]
    assert "same-id-other-bytes" in rows[1][1]


@pytest.mark.invariant(6)
def test_a_repeat_over_http_names_the_first(site: Site) -> None:
    message = messages.admission(PERSON, "RP3", *SENDING, "A04", "RPT-3-1", "V1")
    first, second = site.post("reports", message), site.post("reports", message)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["message_id"] == second.json()["message_id"]
    site.settled()
    assert effects(site, "RPT-3-1") == []


@pytest.mark.invariant(3, 6)
def test_a_retry_after_silence_carries_the_same_key_and_bytes(site: Site) -> None:
    failures = [500, 500]
    site.fhir.status = lambda body: failures.pop() if failures and b"RP4" in body else 200
    site.send(messages.admission(PERSON, "RP4", *SENDING, "A04", "RPT-4-1", "V1"))
    site.settled()
    key = site.deliveries("RPT-4-1", "practice")[0]["key"]
    bodies = [body for seen, body, _ in site.fhir.seen if seen == key]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


def taken_as_new(directory: Path, window: Window) -> int:
    """How many of three arrivals of the same bytes the journal takes as a message of its own."""
    raw = messages.admission(PERSON, "RP5", *SENDING, "A04", "RPT-5-1", "V1")
    arrival = Arrival("north", "hl7v2", raw, "test", registry.decoder("hl7v2", "peek")(raw))

    async def thrice() -> int:
        journal = Journal(directory, {"north": window}, reserve_bytes=0)
        journal.start()
        receipts = [await journal.submit(arrival) for _ in range(3)]
        await journal.close()
        return sum(not receipt.duplicate_of for receipt in receipts)

    return asyncio.run(thrice())


@pytest.mark.invariant(6)
def test_the_journal_takes_the_same_bytes_once(tmp_path: Path) -> None:
    assert taken_as_new(tmp_path, Window()) == 1


@pytest.mark.broken(6)
def test_a_journal_that_recognises_nothing_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "_find_repeats", lambda self, db, rows: None)
    assert taken_as_new(tmp_path, Window()) == 3
