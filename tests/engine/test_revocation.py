"""Invariant 3 over two engines: one delivers while the other takes a revocation, and the database puts them in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hie.audit.chain import Chain, Trail
from hie.consent import jurisdiction
from hie.gate import Gate
from hie.store import epochs
from hie.store.database import open_writer
from tests import databases
from tests.invariants.bench import Bench, opt_out


class Second:
    """Another engine's writer and gate on the same database."""

    def __init__(self, bench: Bench) -> None:
        self.database = open_writer(bench.settings.database_url)
        policy = jurisdiction.load(bench.settings.policy)
        trail = Trail(self.database, Chain("proving.1"))
        self.gate = Gate(bench.settings, policy, trail, bench.settings.var / "journal")
        self.subscriber = bench.subscriber
        self.reader = bench.reader

    def prepare(self, id: int) -> Any:
        with self.reader.connect() as connection:
            return self.gate.prepare(connection, self.subscriber, [id])

    def first_transaction(self, prepared: Any, between: Any = lambda: None) -> Any:
        """T1; `between` runs when it has compared the epochs, before it commits."""
        with self.database.begin() as connection:
            begun = self.gate.begin(connection, self.subscriber, prepared)
            between()
        return begun


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with databases.database(databases.POSTGRESQL) as made:
        running = Bench(tmp_path, database=made)
        yield running
        running.close()


@pytest.fixture
def second(bench: Bench) -> Iterator[Second]:
    other = Second(bench)
    yield other
    other.database.dispose()


def passed_by(bench: Bench, second: Second, patience: float) -> list[str]:
    """What one engine began to disclose by a commit after that of the other engine's revocation."""
    id, _ = bench.admit(mrn="1")
    prepared = second.prepare(id)
    order: list[str] = []
    revoked = threading.Event()

    def revoke() -> None:
        bench.consent(opt_out("1"))
        order.append("revocation")
        revoked.set()

    revoking = threading.Thread(target=revoke)

    def between() -> None:
        revoking.start()
        revoked.wait(patience)

    begun = second.first_transaction(prepared, between)
    order.append("disclosure")
    revoking.join(30)
    return [f"{p.delivery_id} under epoch {p.epoch}" for p in begun.sendable if order[0] == "revocation"]


@pytest.mark.invariant(3)
def test_a_revocation_waits_for_what_has_compared_the_epoch_before_it(bench: Bench, second: Second) -> None:
    assert passed_by(bench, second, patience=1) == []


@pytest.mark.broken(3)
def test_a_t1_that_only_reads_the_epoch_is_caught(
    bench: Bench, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "settled", epochs.read)
    assert len(passed_by(bench, second, patience=30)) == 1


@pytest.mark.invariant(3)
def test_what_comes_after_a_revocation_that_is_being_written_waits_for_it(bench: Bench, second: Second) -> None:
    id, eid = bench.admit(mrn="1")
    prepared = second.prepare(id)
    found: list[Any] = []
    delivering = threading.Thread(target=lambda: found.append(second.first_transaction(prepared)))
    with bench.database.begin() as connection:
        epochs.bump(connection, {eid})
        delivering.start()
        delivering.join(0.5)
        assert delivering.is_alive(), "it may not decide under an epoch that is about to go"
    delivering.join(30)
    assert [(b.sendable, b.ended, b.gone) for b in found] == [([], [], [])], "decided again"
    bench.consent(opt_out("1"))
    assert [p.outcome.reason for p in second.first_transaction(second.prepare(id)).ended] == ["denied"]
