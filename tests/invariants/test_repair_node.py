"""Repairs from outside: the commands an operator types, a running node, real subscribers, and a kill in the middle."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hie.cli import main
from hie.simulation import messages
from hie.simulation.people import someone
from tests.invariants.bench import opt_out
from tests.node import Site

SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")
Hie = Callable[..., tuple[int, dict[str, Any]]]


def visit(mrn: str, control_id: str, event: str = "A04", street: str = "") -> bytes:
    person = someone(random.Random(int(mrn)))
    return messages.admission(
        person.named(street=street) if street else person, mrn, *SENDING, event, control_id, f"V{mrn}"
    )


@pytest.fixture
def hie(site: Site, capsys: pytest.CaptureFixture[str]) -> Hie:
    """A command line, with --json: exit code and what it printed."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main([*words, "--config", str(site.config), "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else {}

    return run


@pytest.fixture(autouse=True)
def willing(site: Site) -> Iterator[None]:
    yield
    site.mllp.answer = lambda message: b"AA"
    site.fhir.status = lambda body: 200


def table(site: Site) -> list[Any]:
    return [
        site.rows(f"SELECT * FROM {name} ORDER BY 1") for name in ("delivery", "message", "record", "repair", "audit")
    ]


@pytest.mark.invariant(9)
def test_redelivered_from_the_command_line(site: Site, hie: Hie) -> None:
    site.send(visit("9501", "RED-1"))
    site.settled()
    id = site.message_id("RED-1")
    before = table(site)
    code, counted = hie("redeliver", id, "--dry-run")
    assert (code, counted["total"], counted["counts"]) == (0, 2, {"emergency/delivered": 1, "practice/delivered": 1})
    assert hie("redeliver", id)[0] == 2, "nobody can be asked, and --yes is not said"
    assert table(site) == before
    code, done = hie("redeliver", id, "--subscriber", "practice", "--yes")
    assert (code, done["done"], done["state"]) == (0, 1, "done")
    site.settled()
    keys = [key for key, body, _ in site.fhir.seen if b"V9501" in body]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert len(site.mllp.of("RED-1")) == 1
    listed = hie("redeliver", "list")[1]["repairs"][0]
    assert (listed["id"], listed["outcomes"]) == (done["id"], {"delivered": 1})
    ordered = site.rows("SELECT actor FROM audit WHERE kind = 'administration' AND body LIKE '%repair.redeliver%'")
    assert ordered[0][0].startswith("cli:")


@pytest.mark.invariant(9)
def test_redelivered_after_a_revocation_nothing_leaves(site: Site, hie: Hie) -> None:
    site.send(visit("9502", "RED-2"))
    site.settled()
    site.consent(opt_out("9502"))
    assert hie("redeliver", site.message_id("RED-2"), "--yes")[0] == 0
    site.settled()
    assert [row["state"] for row in site.deliveries("RED-2")] == ["delivered", "delivered", "denied", "denied"]
    assert len(site.mllp.of("RED-2")) == 1
    assert len([key for key, body, _ in site.fhir.seen if b"V9502" in body]) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("redeliver", "--dry-run"), 2),
        (("redeliver", "--feed", "nowhere", "--dry-run"), 2),
        (("redeliver", "rubbish", "--dry-run"), 2),
        (("redeliver", "--resume", "99999"), 1),
        (("reprocess", "--all", "--until", "2020-01-01", "--yes"), 0),
        (("quarantine", "show", "20200101-00000001"), 1),
        (("deadletters", "show", "99999"), 1),
        (("deadletters", "release", "--dry-run"), 2),
    ],
)
def test_mistakes_are_told(hie: Hie, words: tuple[str, ...], code: int) -> None:
    assert hie(*words)[0] == code


@pytest.mark.invariant(9)
def test_dead_letters_from_the_command_line(site: Site, hie: Hie) -> None:
    site.fhir.status = lambda body: 422 if b"V951" in body else 200
    for n in range(3):
        site.send(visit(f"951{n}", f"DL-{n}"))
    site.settled()
    groups = hie("deadletters", "list", "--subscriber", "practice")[1]
    assert groups["groups"] == {"practice/refused": 3}
    first = groups["oldest"][0]
    assert hie("deadletters", "show", str(first["id"]))[1]["content"] is None
    assert hie("deadletters", "show", str(first["id"]), "--content")[0] == 2
    shown = hie("deadletters", "show", str(first["id"]), "--content", "--because", "delivery-problem")[1]
    assert any("V951" in line for line in shown["content"])
    assert site.rows("SELECT 1 FROM audit WHERE kind = 'query' AND body LIKE '%delivery-problem%'")
    assert hie("deadletters", "release", "--subscriber", "practice", "--dry-run")[1]["total"] == 3
    site.fhir.status = lambda body: 200
    newest = str(groups["oldest"][2]["id"])
    assert hie("deadletters", "purge", "--delivery", newest, "--because", "a test", "--yes")[1]["purged"] == 1
    assert hie("deadletters", "release", "--subscriber", "practice", "--yes")[1]["done"] == 2
    site.settled()
    states = [row["state"] for n in range(3) for row in site.deliveries(f"DL-{n}", "practice")]
    assert sorted(states) == ["delivered", "delivered", "purged"]
    assert hie("deadletters", "list", "--subscriber", "practice")[1]["groups"] == {}


@pytest.mark.invariant(8, 9)
def test_quarantine_from_the_command_line(site: Site, hie: Hie) -> None:
    nasty = b"MSH|^~\\&|E|NORTH|H|R|20260101||ADT^A08|QUA-1|P|2.5.1\rEVN|A08\rPV1|1|O|\x1b[2J\r"
    site.send(nasty)
    site.settled()
    id = site.message_id("QUA-1")
    assert hie("quarantine", "list", "--feed", "north")[1]["groups"] == {"north/no-subject": 1}
    shown = hie("quarantine", "show", id, "--content", "--because", "decoding-problem")[1]["content"]
    assert not any("\x1b" in line for line in shown)
    assert any("\u241b[2J" in line for line in shown)
    assert hie("quarantine", "release", "--message", id, "--dry-run")[1]["counts"] == {"quarantined": 1}
    assert hie("quarantine", "release", "--message", id, "--yes")[0] == 1, "still not understood"
    assert hie("quarantine", "purge", "--message", id, "--because", "a test message", "--yes")[1]["purged"] == 1
    assert hie("quarantine", "list", "--feed", "north")[1]["groups"] == {}
    assert site.rows("SELECT outcome, text LIKE '%a test message%' FROM message WHERE id = ?", id) == [
        ("quarantined", 1)
    ]


@pytest.mark.invariant(5, 9)
def test_killed_in_the_middle_each_goes_once(site: Site, hie: Hie) -> None:
    """SIGKILL for the engine twice while a redelivery is under way; it goes on by itself, and the command follows it."""
    for n in range(40):
        site.send(visit(f"97{n:02d}", f"KILL-{n}"))
    site.settled()
    first, last = site.message_id("KILL-0"), site.message_id("KILL-39")
    ids = [row[0] for row in site.rows("SELECT id FROM message WHERE id BETWEEN ? AND ?", first, last)]
    answers: list[tuple[int, dict[str, Any]]] = []
    following = threading.Thread(target=lambda: answers.append(hie("redeliver", *ids, "--rate", "20", "--yes")))
    following.start()
    for goal in (10, 40):
        site.until(lambda goal=goal: _done(site) >= goal, f"{goal} queued")
        site.kill("engine")
    following.join(60)
    site.settled()
    [(code, done)] = answers
    assert (code, done["state"], done["done"], done["total"]) == (0, "done", 80, 80)
    rows = site.rows("SELECT message_id, subscriber, count(*) FROM delivery WHERE run = ? GROUP BY 1, 2", done["id"])
    assert sorted(rows) == sorted((id, name, 1) for id in ids for name in ("emergency", "practice"))
    assert site.rows("SELECT DISTINCT state FROM delivery WHERE run = ?", done["id"]) == [("delivered",)]


def _done(site: Site) -> int:
    return int(site.rows("SELECT coalesce(max(done), 0) FROM repair WHERE total = 80")[0][0])


@pytest.mark.invariant(9)
def test_a_stopped_repair_goes_on_where_it_was(site: Site, hie: Hie) -> None:
    site.send(visit("9601", "STOP-1"))
    site.send(visit("9602", "STOP-2"))
    site.settled()
    ids = [site.message_id("STOP-1"), site.message_id("STOP-2")]
    selection = {"messages": ids, "subscriber": "practice"}
    made = site.asked("repair.start", kind="redeliver", selection=selection, rate=0.5)
    site.until(lambda: site.rows("SELECT done FROM repair WHERE id = ?", made["id"]) == [(1,)], "one done")
    assert site.asked("repair.stop", id=made["id"])
    time.sleep(0.1)
    assert site.rows("SELECT state FROM repair WHERE id = ?", made["id"]) == [("stopped",)]
    code, done = hie("redeliver", "--resume", str(made["id"]))
    assert (code, done["done"]) == (0, 2)
    site.settled()
    assert [len(site.deliveries(f"STOP-{n}", "practice")) for n in (1, 2)] == [2, 2]


@pytest.mark.invariant(9)
def test_reprocessed_under_another_configuration(site: Site, hie: Hie) -> None:
    """The feed's time zone was wrong: times change, the newest address stays, and the newest message goes once more."""
    site.send(visit("9801", "RP-1", "A08", "1 Old St").replace(b"+0000", b""))
    site.send(visit("9801", "RP-2", "A08", "2 New St").replace(b"+0000", b""))
    site.settled()
    assert hie("reprocess", "--feed", "north", "--dry-run")[1]["counts"].get("changed", 0) == 0
    site.stop()
    written = site.config.read_text()
    site.config.write_text(written.replace("timezone: America/Chicago", "timezone: America/New_York"))
    try:
        site.start()
        ids = [site.message_id("RP-1"), site.message_id("RP-2")]
        assert hie("reprocess", *ids, "--dry-run")[1]["counts"] == {
            "changed": 2,
            "again: emergency": 2,
            "again: practice": 2,
        }
        code, done = hie("reprocess", *ids, "--yes")
        assert (code, done["counts"]["changed"]) == (0, 2)
        site.settled()
        bodies = [body for _, body, _ in site.fhir.seen if b"V9801" in body]
        assert len(bodies) == 3, "the older of the two was told anew by the newer one"
        assert b"2 New St" in bodies[-1]
        assert b"1 Old St" not in bodies[-1]
        reasons = [(row["control_id"], row["reason"]) for row in site.deliveries(subscriber="practice")][-2:]
        assert reasons == [("RP-1", "newer-version"), ("RP-2", "accepted")]
        # the stored bytes are what they were
        last = [row["reason"] for row in site.deliveries("RP-2", "emergency")]
        assert last == ["accepted", "unchanged"]
    finally:
        site.stop()
        site.config.write_text(written)
        site.start()
