"""Invariant 5 from outside: order per patient under slow and failing deliveries; what is poisoned delays no other patient."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hie.simulation import messages
from hie.simulation.ledger import CountingSink
from hie.simulation.people import someone
from hie.simulation.wire import Framed, field
from tests.node import Site

SENDING = ("NORTH", "NORTHEHR", "NORTHCLINIC")


@pytest.fixture(autouse=True)
def willing(site: Site) -> Iterator[None]:
    """Whatever a test made of the subscribers, the next one finds them well."""
    yield
    site.mllp.answer = lambda message: b"AA"
    site.fhir.status = lambda body: 200


def visit(person: object, mrn: str, control_id: str, event: str = "A08") -> bytes:
    return messages.admission(person, mrn, *SENDING, event, control_id, f"V{mrn}")  # type: ignore[arg-type]


def order_of(site: Site, prefix: str) -> list[str]:
    """Control ids that the subscriber took, in the order of the first arrival."""
    return [control_id for control_id in site.mllp.first if control_id.startswith(prefix)]


def out_of_order(received: list[str]) -> list[str]:
    """Of ids `...-PATIENT-NUMBER`: those that came after a later one of the same patient."""
    high: dict[str, int] = {}
    found = []
    for control_id in received:
        patient, _, number = control_id.rpartition("-")
        if int(number) < high.get(patient, -1):
            found.append(control_id)
        high[patient] = max(high.get(patient, -1), int(number))
    return found


@pytest.mark.invariant(5, 6)
def test_order_per_patient_while_a_subscriber_fails_and_falls_silent(site: Site) -> None:
    chance = random.Random(1)
    people = [someone(chance) for _ in range(5)]
    failures: dict[str, int] = {}

    def answer(message: bytes) -> bytes | None:
        control_id = field(message, b"MSH", 10).decode()
        failures[control_id] = failures.get(control_id, 0) + 1
        # each message is refused for now once or twice before it is taken
        return b"AA" if failures[control_id] > hash(control_id) % 3 else b"AE"

    site.mllp.answer = answer
    try:
        for number in range(6):
            for index, person in enumerate(people):
                assert site.send(visit(person, f"O{index}", f"ORD-{index}-{number}")) == "CA"
        site.settled()
    finally:
        site.mllp.answer = lambda message: b"AA"
    received = order_of(site, "ORD-")
    assert len(received) == 30
    assert out_of_order(received) == []


@pytest.mark.broken(5)
def test_a_delivery_out_of_turn_is_caught() -> None:
    received = ["X-1-0", "X-1-2", "X-2-0", "X-1-1"]
    assert out_of_order(received) == ["X-1-1"]
    sink = CountingSink()
    line = Framed(lambda *_: None)
    for control_id in received:
        sink._received(line, visit(someone(random.Random(1)), "1", control_id))
    assert sink.out_of_order == 1


@pytest.mark.invariant(2, 5)
def test_a_refusal_for_good_and_a_message_nobody_can_read_delay_no_other(site: Site) -> None:
    chance = random.Random(2)
    site.mllp.answer = lambda message: b"AR" if field(message, b"MSH", 10) == b"PSN-0-0" else b"AA"
    sick, well = someone(chance), someone(chance)
    site.send(visit(sick, "P0", "PSN-0-0"))
    site.send(b"MSH|^~\\&|E|NORTH|H|R|20260101||ADT^A08|PSN-9-0|P|2.5.1\rPID|1||\rPV1|1|O\r")
    for number in range(1, 4):
        site.send(visit(sick, "P0", f"PSN-0-{number}"))
        site.send(visit(well, "P1", f"PSN-1-{number}"))
    site.settled()
    site.mllp.answer = lambda message: b"AA"
    states = {row["control_id"]: row["state"] for row in site.deliveries(subscriber="emergency")}
    assert states["PSN-0-0"] == "dead-lettered"
    assert all(states[f"PSN-{p}-{n}"] == "delivered" for p in (0, 1) for n in (1, 2, 3))
    assert out_of_order(order_of(site, "PSN-")) == []


@pytest.mark.invariant(5)
def test_a_subscriber_that_is_down_stops_no_other(site: Site) -> None:
    person = someone(random.Random(3))
    site.fhir.status = lambda body: 503
    try:
        for number in range(5):
            site.send(visit(person, "D0", f"DWN-0-{number}"))
        site.until(lambda: len(order_of(site, "DWN-")) == 5, "the other subscriber got all of it")
        assert {row["state"] for row in site.deliveries("DWN-0-0", "practice")} <= {"queued", "begun", "unknown"}
    finally:
        site.fhir.status = lambda body: 200
    site.settled()
    assert {row["state"] for row in site.deliveries("DWN-0-4")} == {"delivered"}


@pytest.mark.invariant(5)
def test_a_slow_patient_holds_up_nobody_and_a_merge_waits_for_both(site: Site) -> None:
    chance = random.Random(4)
    slow, other, third = someone(chance), someone(chance), someone(chance)
    for index, person in enumerate((slow, other, third)):
        site.send(visit(person, f"B{index}", f"BAR-{index}-0", "A04"))
    site.settled()
    held = threading.Event()

    def answer(message: bytes) -> bytes | None:
        return b"AE" if field(message, b"MSH", 10) == b"BAR-0-1" and not held.is_set() else b"AA"

    site.mllp.answer = answer
    site.send(visit(slow, "B0", "BAR-0-1"))
    site.send(visit(other, "B1", "BAR-1-1"))
    merge = messages.merge(other, "B1", "B0", *SENDING, "BAR-1-2")
    site.send(merge)
    site.send(visit(other, "B1", "BAR-1-3"))
    site.send(visit(third, "B2", "BAR-2-1"))
    site.until(lambda: "BAR-2-1" in site.mllp.first and "BAR-1-1" in site.mllp.first, "the others go")
    # the merge names both patients: it waits for the slow one, and what came after it waits for the merge
    assert "BAR-1-2" not in site.mllp.first
    assert "BAR-1-3" not in site.mllp.first
    held.set()
    site.settled()
    site.mllp.answer = lambda message: b"AA"
    order = order_of(site, "BAR-")
    assert order.index("BAR-0-1") < order.index("BAR-1-2") < order.index("BAR-1-3")


@pytest.mark.invariant(5)
def test_many_connections_at_once_keep_each_patients_order(site: Site) -> None:
    chance = random.Random(6)
    people = [someone(chance) for _ in range(6)]

    def clinic(index: int) -> None:
        from hie.simulation.wire import Sender

        sender = Sender("127.0.0.1", site.north)
        for number in range(15):
            message = visit(people[index], f"C{index}", f"PAR-{index}-{number}")
            assert site.do(sender.send(message)) in (b"AA", b"CA")
        site.do(sender.close())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(clinic, range(6)))
    site.settled()
    assert len(order_of(site, "PAR-")) == 90
    assert out_of_order(order_of(site, "PAR-")) == []
