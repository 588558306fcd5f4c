"""Invariant 1 behind the acknowledgement: whatever the database does, the cursor passes no message that has no effect."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hie.engine.absorb import Absorber
from hie.engine.inbox import CursorInbox
from hie.errors import StoreUnavailable
from hie.intake.position import START, Position
from hie.intake.reader import Reader
from hie.model import Envelope, Keys
from hie.pipeline import Applied, Step
from hie.understand import Understood


class Flaky:
    """A writer that is away for the calls named, and keeps in order what was applied in the others."""

    def __init__(self, away: set[int], absorber_stops_at: int = -1) -> None:
        self.away, self.stops_at = away, absorber_stops_at
        self.calls = 0
        self.absorber: Absorber | None = None

    async def run(self, work: Any) -> Applied:
        self.calls += 1
        if self.calls == self.stops_at and self.absorber is not None:
            self.absorber.stop()
        if self.calls in self.away:
            raise StoreUnavailable("away")
        result: Applied = work(None)
        return result


class Pipeline:
    """Applies to a list; `defect` names a message whose application fails for a defect of ours."""

    def __init__(self, defect: str = "") -> None:
        self.applied: list[tuple[str, str]] = []
        self.defect = defect

    def apply(self, connection: None, steps: list[Step]) -> Applied:
        if any(s.envelope.message_id == self.defect and s.understood is None for s in steps):
            raise KeyError("a defect")
        self.applied += [(s.envelope.message_id, s.understood.failure if s.understood else "") for s in steps]
        return Applied()


def step(number: int) -> Step:
    id = f"20260101-{number:08d}"
    return Step(Envelope(id, "north", "hl7v2", b"", b"", 0.0, Keys("hl7v2", b"", "", ())), None, "", (), None)


def absorbing(tmp_path: Path, writer: Flaky, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Absorber:
    from hie.store import lanes

    monkeypatch.setattr(lanes, "advance", lambda *_: None)
    inbox = CursorInbox(Reader(tmp_path), START)
    absorber = Absorber(pipeline, writer, inbox, [], 10, lambda applied: None)  # type: ignore[arg-type]
    writer.absorber = absorber
    return absorber


def passed_over(absorber: Absorber, applied: list[tuple[str, str]], numbers: range) -> list[str]:
    """Messages up to the cursor that have no effect, or more than one."""
    ids = [id for id, _ in applied]
    upto = [f"20260101-{n:08d}" for n in numbers if Position.of(f"20260101-{n:08d}") <= absorber.inbox.applied]  # type: ignore[attr-defined]
    return [id for id in upto if ids.count(id) != 1]


@pytest.mark.invariant(1)
@pytest.mark.parametrize("away", [set(), {1}, {1, 2, 3}, {2}, {2, 3}, {3}])
@pytest.mark.parametrize("defect", ["", "20260101-00000002"])
@pytest.mark.parametrize("stop", [-1, 1, 2, 3])
def test_the_cursor_passes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: set[int], defect: str, stop: int
) -> None:
    monkeypatch.setattr(asyncio, "sleep", _at_once)
    pipeline = Pipeline(defect)
    absorber = absorbing(tmp_path, writer := Flaky(away, stop), pipeline, monkeypatch)

    async def two_batches() -> None:
        for first in (1, 4):
            batch = [step(n) for n in range(first, first + 3)]
            await absorber._commit(batch)

    try:
        asyncio.run(two_batches())
    except StoreUnavailable:
        assert absorber._stopping, "only a stop ends the insisting"
    assert passed_over(absorber, pipeline.applied, range(1, 7)) == []
    assert all(failure == ("internal-error" if id == defect else "") for id, failure in pipeline.applied)
    assert writer.calls >= 1


async def _at_once(seconds: float) -> None:
    return None


class Resigned(Absorber):
    """Broken: gives a batch up when the database is away during a stop, and goes on with the next."""

    async def _insist(self, steps: Any) -> None:
        try:
            await self._apply(steps)
        except StoreUnavailable:
            return


@pytest.mark.broken(1)
def test_an_absorber_that_gives_a_batch_up_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline()
    absorber = absorbing(tmp_path, Flaky({1}), pipeline, monkeypatch)
    absorber.__class__ = Resigned

    async def two_batches() -> None:
        await absorber._commit([step(1)])
        await absorber._commit([step(2)])

    asyncio.run(two_batches())
    assert passed_over(absorber, pipeline.applied, range(1, 3)) == ["20260101-00000001"]


@pytest.mark.invariant(1, 5)
def test_a_message_that_fails_alone_is_quarantined_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline("20260101-00000002")
    absorber = absorbing(tmp_path, Flaky(set()), pipeline, monkeypatch)
    asyncio.run(absorber._commit([step(n) for n in (1, 2, 3)]))
    assert pipeline.applied == [
        ("20260101-00000001", ""),
        ("20260101-00000002", "internal-error"),
        ("20260101-00000003", ""),
    ]
    assert Understood(failure="internal-error").parts == ()
