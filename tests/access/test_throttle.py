"""Waits double, end, and are bounded; nobody is locked out by a stranger's handful of requests."""

from __future__ import annotations

import pytest

from hie.access import throttle
from hie.access.throttle import Throttle
from hie.errors import AccessDenied
from tests.access.conftest import Clock

pytestmark = pytest.mark.invariant(10)


def test_waits_double_up_to_the_longest() -> None:
    clock = Clock()
    waits = []
    guard = Throttle(clock)
    for _ in range(throttle.FREE_PAIR + 14):
        guard.failed("alice", "a")
        waits.append(guard.wait("alice", "a"))
        clock.now += waits[-1]
    assert waits[: throttle.FREE_PAIR] == [0, 0, 0, 0, 1]
    assert waits[throttle.FREE_PAIR : throttle.FREE_PAIR + 3] == [2, 4, 8]
    assert waits[-1] == throttle.LONGEST_WAIT


def test_a_wait_ends_and_failures_are_forgotten() -> None:
    clock = Clock()
    guard = Throttle(clock)
    for _ in range(throttle.FREE_PAIR):
        guard.failed("alice", "a")
    with pytest.raises(AccessDenied, match="try again in 2 s"):
        guard.check("alice", "a")
    clock.now += 1
    guard.check("alice", "a")
    clock.now += throttle.FORGOTTEN_AFTER + 1
    guard.failed("alice", "a")
    assert guard.wait("alice", "a") == 0


def test_an_address_that_tries_many_names_waits_even_after_one_success() -> None:
    guard = Throttle(Clock())
    for i in range(throttle.FREE_ADDRESS):
        guard.failed(f"user{i}", "a")
    guard.succeeded("user1", "a")
    assert guard.wait("somebody", "a") > 0
    assert guard.wait("somebody", "b") == 0


def test_a_name_tried_from_many_addresses_waits_late() -> None:
    guard = Throttle(Clock())
    for i in range(throttle.FREE_NAME - 1):
        guard.failed("admin", f"10.0.0.{i}")
    assert guard.wait("admin", "b") == 0
    guard.failed("admin", "c")
    assert guard.wait("admin", "b") > 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_REMEMBERED", 100)
    guard = Throttle(Clock())
    for i in range(1000):
        guard.failed(f"user{i}", f"{i}")
    assert len(guard._failures) == 100
