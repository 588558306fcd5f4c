"""Invariant 4: below the upper threshold nothing is merged; every candidate's denies apply and no candidate's permit does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from hie.identify import candidates_of
from hie.model import DeliveryState
from hie.simulation.people import Someone, someone, twin
from tests.invariants.bench import Bench, opt_out

KNOWN = someone(random.Random(11)).named(ssn="")


def doubtful(bench: Bench) -> tuple[Someone, int, str, str]:
    """Somebody a steward must look at: (as the other clinic writes them, delivery, enterprise id, the candidate's)."""
    _, known = bench.admit(KNOWN, "1")
    for change in (
        {"phone": "", "street": "77 Other Rd", "town": "Elsewhere", "zip": "99999", "middle": ""},
        {"phone": "", "middle": "", "street": "9 New St"},
        {"middle": "", "given": KNOWN.given[:3], "phone": "", "street": "9 New St"},
    ):
        written = KNOWN.named(**change)
        id, eid = bench.admit(written, f"R{bench.serial}", feed="river")
        if eid != known and known in candidates(bench, eid):
            return written, id, eid, known
    raise AssertionError("no possible match among the variants")


def candidates(bench: Bench, eid: str) -> set[str]:
    with bench.reader.connect() as connection:
        return candidates_of(connection, [eid])[eid]


def disclosed(bench: Bench, ids: Sequence[int]) -> list[int]:
    return [id for id in ids if bench.row(id).state in (DeliveryState.DELIVERED, DeliveryState.DELIVERED_REDACTED)]


@pytest.mark.invariant(4)
def test_a_possible_match_is_a_person_of_its_own_under_every_deny(bench: Bench) -> None:
    _, id, eid, known = doubtful(bench)
    assert eid != known
    bench.consent(opt_out("1"))
    bench.deliver(id)
    assert disclosed(bench, [id]) == []
    assert bench.row(id).state == DeliveryState.DENIED


@pytest.mark.broken(4)
def test_a_gate_that_forgets_the_candidates_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import hie.gate

    _, id, _, _ = doubtful(bench)
    bench.consent(opt_out("1"))
    monkeypatch.setattr(hie.gate, "candidates_of", lambda connection, eids: {})
    bench.deliver(id)
    assert disclosed(bench, [id]) == [id]


@pytest.mark.invariant(4)
def test_a_candidates_permit_is_nobody_elses(bench: Bench) -> None:
    written, _, eid, _ = doubtful(bench)
    with bench.reader.connect() as connection:
        number = connection.exec_driver_sql("SELECT max(mpi_record) FROM delivery").scalar_one()
    assert number
    # the doubtful person said no, the candidate says yes to everything
    mine = opt_out(f"R{bench.serial - 1}", "urn:oid:2.16.840.1.113883.3.9999.2")
    assert bench.consent(mine)["eid"] == eid
    bench.consent(opt_out("1", kind="permit"))
    again, _ = bench.admit(written, f"R{bench.serial - 1}", feed="river", event="A08")
    bench.deliver(again)
    assert disclosed(bench, [again]) == []


@pytest.mark.invariant(3, 4)
def test_a_candidates_deny_between_the_decision_and_t1_stops_the_delivery(bench: Bench) -> None:
    _, id, _, _ = doubtful(bench)
    begun = bench.deliver(id, between=lambda: bench.consent(opt_out("1")))
    assert (begun.sendable, begun.ended) == ([], [])
    bench.deliver(id)
    assert disclosed(bench, [id]) == []


@pytest.mark.invariant(4)
def test_a_question_opened_between_the_decision_and_t1_stops_the_delivery(bench: Bench) -> None:
    """The record of the known person was decided without the denies of somebody who may be the same."""
    first, known = bench.admit(KNOWN, "1")
    asked: list[Any] = []

    def meanwhile() -> None:
        asked.append(doubtful(bench))

    begun = bench.deliver(first, between=meanwhile)
    assert known == asked[0][3]
    assert begun.sendable == []


@pytest.mark.invariant(4)
def test_twins_stay_two_whatever_they_share(bench: Bench) -> None:
    chance = random.Random(5)
    for _ in range(25):
        one = someone(chance)
        _, a = bench.admit(one)
        _, b = bench.admit(twin(one, chance), feed="river")
        assert a != b


@pytest.mark.invariant(4)
def test_a_hard_stop_overrides_any_likeness(bench: Bench) -> None:
    """Everything the same, and two different social security numbers."""
    one = someone(random.Random(3)).named(ssn="912-34-5678")
    _, a = bench.admit(one)
    _, b = bench.admit(one.named(ssn="945-61-2387"), feed="river")
    assert a != b


@pytest.mark.invariant(4)
def test_a_wrong_link_undone_restores_both_persons_and_stops_what_was_decided_under_it(bench: Bench) -> None:
    import mpi.history
    from hie.store import epochs

    first, a = bench.admit(someone(random.Random(1)), "1")
    second, b = bench.admit(someone(random.Random(2)), "2")
    numbers = [bench.row(id).mpi_record for id in (first, second)]
    assert a != b

    def link(connection: Any) -> int:
        moved = mpi.history.link_records(connection, *numbers, actor="user:steward", reason="a mistake")
        epochs.bump(connection, {m.from_eid for m in moved} | {m.to_eid for m in moved})
        return moved[0].operation

    operation = bench.write(link)
    assert bench.eid(first) == bench.eid(second)

    def undo() -> None:
        def work(connection: Any) -> None:
            moved = mpi.history.undo(connection, operation, actor="user:steward", reason="they are two")
            epochs.bump(connection, {m.from_eid for m in moved} | {m.to_eid for m in moved})

        bench.write(work)

    begun = bench.deliver(first, second, between=undo)
    assert (bench.eid(first), bench.eid(second)) == (a, b)
    assert {item.mpi_record for item in begun.sendable} <= {numbers[0]} or begun.sendable == []
    bench.consent(opt_out("2"))
    bench.deliver(first)
    bench.deliver(second)
    assert disclosed(bench, [first, second]) == [first]
