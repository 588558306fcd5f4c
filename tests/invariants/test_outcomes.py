"""Invariants 2 and 6: one final outcome that never changes, with a code of the list; a retry is the same, other content is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text, update

from hie.chosen import extent
from hie.delivery import outbox
from hie.model import DeliveryState, MessageOutcome
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from hie.pipeline import Step, _reason
from hie.simulation.people import someone
from hie.store.selection import Selection
from hie.store.tables import delivery
from hie.understand import Understood
from tests.invariants.bench import Bench, disclosed_against_a_deny, opt_out

ACTS = ("deliver", "temporary", "unknown", "refused", "crash", "purge", "purge-meanwhile", "deny", "allow", "defect")


def changed_after_the_end(states: Sequence[str]) -> list[str]:
    """Final states that became something else. Only an operator takes a dead letter further: released or purged."""
    moved = [(a, b) for a, b in pairwise(states) if DeliveryState(a).final and a != b]
    return [f"{a} -> {b}" for a, b in moved if (a, b) != (DeliveryState.DEAD_LETTERED, DeliveryState.PURGED)]


def unexplained(row: Any) -> list[str]:
    """A final state without a code of the list that leads to it."""
    if not DeliveryState(row.state).final:
        return []
    known = DELIVERY_REASONS.get(row.reason)
    return [] if known is not None and known[0] == row.state else [f"{row.state} because of {row.reason!r}"]


def act(bench: Bench, id: int, mrn: str, name: str) -> None:
    """One thing that can happen to a delivery, with the real code."""
    match name:
        case "deliver":
            bench.deliver(id)
        case "temporary" | "unknown" | "refused":
            state, reason = {
                "temporary": (DeliveryState.QUEUED, "connection-refused"),
                "unknown": (DeliveryState.UNKNOWN, "no-answer"),
                "refused": (DeliveryState.DEAD_LETTERED, "refused"),
            }[name]
            for item in bench.begin(bench.prepare(id)).sendable:
                bench.sent.append((item.key, item.payload))
                bench.end(item, state, reason, time.time())
        case "crash":
            for item in bench.begin(bench.prepare(id)).sendable:
                bench.sent.append((item.key, item.payload))
            bench.write(outbox.mark_unknown)
        case "purge":
            bench.command("delivery.purge", ids=[id], reason="a test")
        case "purge-meanwhile":
            bench.deliver(id, between=lambda: bench.command("delivery.purge", ids=[id], reason="a test"))
        case "deny" | "allow":
            status = "active" if name == "deny" else "inactive"
            consents = bench.__dict__.setdefault("given", {})
            consents[mrn] = bench.consent(opt_out(mrn, status=status), consents.get(mrn))["id"]
        case "defect":
            pass


@pytest.mark.invariant(2, 6)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=8))
def test_whatever_happens_a_final_outcome_stays_and_is_explained(bench: Bench, acts: list[str]) -> None:
    mrn = f"M{bench.serial}"
    id, _ = bench.admit(mrn=mrn)
    bench.sent.clear()
    states = []
    for name in acts:
        act(bench, id, mrn, name)
        row = bench.row(id)
        states.append(row.state)
        assert unexplained(row) == []
    assert changed_after_the_end(states) == []
    assert other_content_under_one_key(bench.sent) == []


@pytest.mark.broken(2)
def test_a_t1_that_revives_a_purged_delivery_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "waiting", lambda connection, ids: set(ids))
    id, _ = bench.admit(mrn="1")
    states = []
    for name in ("purge", "deliver"):
        act(bench, id, "1", name)
        states.append(bench.row(id).state)
    assert changed_after_the_end(states) == ["purged -> delivered"]


@pytest.mark.broken(2)
def test_an_end_without_a_reason_of_the_list_is_caught(bench: Bench) -> None:
    id, _ = bench.admit()
    bench.write(
        lambda c: c.execute(update(delivery).where(delivery.c.id == id).values(state="denied", reason="just so"))
    )
    assert unexplained(bench.row(id)) == ["denied because of 'just so'"]


@pytest.mark.invariant(2)
def test_the_lists_lead_to_every_final_state_and_to_nothing_else() -> None:
    assert {state for state, _ in DELIVERY_REASONS.values()} == {s for s in DeliveryState if s.final}
    assert {outcome for outcome, _ in MESSAGE_REASONS.values()} == set(MessageOutcome)
    assert all(sentence for _, sentence in (*DELIVERY_REASONS.values(), *MESSAGE_REASONS.values()))


@pytest.mark.invariant(2)
@given(
    duplicate=st.sampled_from(["", "20260101-00000001"]),
    failure=st.sampled_from([None, "", "undecodable", "internal-error", "decoder-crashed"]),
    offered=st.booleans(),
)
def test_every_message_has_a_reason_of_the_list(duplicate: str, failure: str | None, offered: bool) -> None:
    understood = None if failure is None else Understood(failure=failure)
    reason, _ = _reason(Step(None, None, duplicate, (), understood), [], offered)  # type: ignore[arg-type]
    assert reason in MESSAGE_REASONS


def other_content_under_one_key(sent: Sequence[tuple[str, bytes]]) -> list[str]:
    first: dict[str, bytes] = {}
    return [f"other content under {key}" for key, payload in sent if first.setdefault(key, payload) != payload]


def shrink(bench: Bench) -> Callable[[], None]:
    """Makes the next rendering smaller without denying it: a consent that holds part of the record back."""
    body = opt_out("1", kind="permit")
    body["provision"]["provision"] = [
        {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "AllergyIntolerance"}]}
    ]
    return lambda: bench.consent(body)


@pytest.mark.invariant(6)
@pytest.mark.parametrize("later", ["crash", "unknown"])
def test_content_that_changed_since_an_unknown_attempt_gets_a_key_that_names_the_old(bench: Bench, later: str) -> None:
    id, _ = bench.admit(mrn="1")
    act(bench, id, "1", later)
    shrink(bench)()
    bench.deliver(id)
    (old, whole), (new, part) = bench.sent
    assert old != new
    assert b'"AllergyIntolerance"' in whole
    assert b'"AllergyIntolerance"' not in part
    row = bench.row(id)
    assert (row.key, row.replaces, row.state) == (new, old, DeliveryState.DELIVERED_REDACTED)


@pytest.mark.invariant(6)
def test_a_failure_for_certain_does_not_forget_an_unknown_attempt_before_it(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    act(bench, id, "1", "unknown")
    act(bench, id, "1", "temporary")
    shrink(bench)()
    bench.deliver(id)
    assert other_content_under_one_key(bench.sent) == []
    assert bench.row(id).replaces == bench.sent[0][0]


@pytest.mark.invariant(6)
def test_what_was_given_up_and_released_keeps_its_key_or_names_it(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    for item in bench.begin(bench.prepare(id)).sendable:
        bench.sent.append((item.key, item.payload))
        bench.end(item, DeliveryState.DEAD_LETTERED, "gave-up")
    assert bench.command("deadletters.release", ids=[id])["count"] == 1
    bench.deliver(id)
    assert bench.sent[0] == bench.sent[1]
    assert bench.row(id).state == DeliveryState.DELIVERED


@pytest.mark.broken(6)
def test_a_gate_that_keeps_the_key_for_other_content_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "successor_key", lambda key, payload: key)
    id, _ = bench.admit(mrn="1")
    act(bench, id, "1", "unknown")
    shrink(bench)()
    bench.deliver(id)
    assert len(other_content_under_one_key(bench.sent)) == 1


@pytest.mark.invariant(2, 9)
def test_a_message_about_nobody_can_be_released_from_quarantine_again_and_again(bench: Bench, tmp_path: Path) -> None:
    """What was made of it the first time is replaced, not in the way."""
    from hie.store import messages as stored

    bench.arrive(b"MSH|^~\\&|E|NORTH|HIE|R|20260101||ADT^A08|X1|P|2.5.1\rEVN|A08\rPV1|1|O\r")
    with bench.reader.connect() as connection:
        [(id, outcome)] = connection.execute(text("SELECT id, outcome FROM message")).all()
    assert outcome == "quarantined"

    def again(connection: Connection) -> None:
        assert stored.take_out_of_quarantine(connection, id)

    bench.write(again)
    assert bench.records(id) == 0
    bench.serial -= 1  # the same arrival
    bench.arrive(b"MSH|^~\\&|E|NORTH|HIE|R|20260101||ADT^A08|X1|P|2.5.1\rEVN|A08\rPV1|1|O\r")


@pytest.mark.invariant(3, 9)
def test_a_released_dead_letter_passes_todays_consent(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    act(bench, id, "1", "refused")
    assert bench.row(id).state == DeliveryState.DEAD_LETTERED
    bench.consent(opt_out("1"))
    bench.sent.clear()
    assert bench.command("deadletters.release", ids=[id])["by_subscriber"] == {"practice": 1}
    bench.deliver(id)
    assert (bench.row(id).state, bench.sent) == (DeliveryState.DENIED, [])
    with bench.reader.connect() as connection:
        assert extent(connection, "deadletters", Selection(everything=True))[0] == 0


def overwritten(bench: Bench, id: int) -> list[str]:
    """Where the node's own picture of a patient shows the older of two streets."""
    import mpi.persons

    with bench.reader.connect() as connection:
        member = mpi.persons.record(connection, bench.row(id).mpi_record)
        newest = connection.execute(
            text("SELECT message_id FROM resource WHERE reference LIKE 'Patient/%'")
        ).scalar_one()
    assert member is not None
    found = [] if member.person.addresses[0].street == "2 New St" else ["registration"]
    return found if newest == "20260101-00000011" else [*found, "resource"]


def replayed_late(bench: Bench) -> int:
    """A newer message is there; then an older one comes out of quarantine."""
    person = someone(bench.chance)
    bench.serial = 10
    newer, _ = bench.admit(person.named(street="2 New St"), "1")
    bench.serial = 5
    older, _ = bench.admit(person.named(street="1 Old St"), "1", event="A08", run=1)
    assert bench.row(older).mpi_record == bench.row(newer).mpi_record
    return newer


@pytest.mark.invariant(9)
def test_an_old_message_released_today_overwrites_nothing_newer(bench: Bench) -> None:
    assert overwritten(bench, replayed_late(bench)) == []


@pytest.mark.broken(9)
def test_a_replay_that_knows_no_order_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import hie.identify

    monkeypatch.setattr(hie.identify, "_standing", lambda *_: None)
    assert overwritten(bench, replayed_late(bench)) == ["registration"]


@pytest.mark.broken(9)
def test_a_replay_under_the_consent_of_then_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a gate whose memory of consents outlives the epoch, so a released dead letter meets the consent of then."""
    id, _ = bench.admit(mrn="1")
    act(bench, id, "1", "refused")
    then = dict(bench.gate.judge._compiled)
    bench.consent(opt_out("1"))
    bench.sent.clear()
    monkeypatch.setattr(bench.gate.judge, "consents", lambda connection, epoch: {eid: then[eid][1] for eid in epoch})
    bench.command("deadletters.release", ids=[id])
    bench.deliver(id)
    assert len(disclosed_against_a_deny(bench.chain())) == 1


def test_ids_that_are_no_numbers_are_the_callers_mistake(bench: Bench) -> None:
    """ValueError is what the control server answers `bad-request` to; the database is not asked."""
    with pytest.raises(ValueError, match="invalid literal"):
        bench.command("delivery.purge", ids=["x"], reason="a test")
