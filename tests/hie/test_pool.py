"""What the engine sends to the processes that decode: a feed's context once, though every message of the feed needs it."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hie import pool
from hie.model import FeedContext
from hie.pool import Worker
from hie.task import Task

NONE: frozenset[str] = frozenset()


def told(task: Any) -> Any:
    """What the other side sees of a task."""
    return (task.context.feed, len(task.context.code_maps), id(task.context)) if isinstance(task, Task) else task


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "run").mkdir()
    process = multiprocessing.get_context("fork").Process(target=pool.serve, args=(tmp_path, 0, told), daemon=True)
    process.start()
    made = Worker(tmp_path, 0)
    until = time.monotonic() + 20
    while not made.path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    yield made
    made.close()
    process.terminate()
    process.join()


def task(context: FeedContext) -> Task:
    return Task("hl7v2", b"", context, NONE)


def test_a_context_goes_over_once_and_is_the_same_for_all_its_messages(worker: Worker) -> None:
    north = FeedContext(feed="north", code_maps={"L": {str(n): ("http://loinc.org", str(n), "") for n in range(1000)}})
    south = FeedContext(feed="south")
    first = worker.run([task(north), task(south), task(north)])
    assert [(feed, tables) for feed, tables, _ in first] == [("north", 1), ("south", 0), ("north", 1)]
    again = worker.run([task(south), task(north)])
    assert [seen for _, _, seen in again] == [first[1][2], first[0][2]]
    assert len(pickle.dumps(worker._numbered([task(north)]))) < 200


def test_another_connection_begins_anew(worker: Worker) -> None:
    context = FeedContext(feed="north")
    worker.run([task(context)])
    worker.close()
    assert worker.run([task(context)])[0][:2] == ("north", 0)


def test_contexts_of_feeds_that_are_gone_do_not_gather(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_CONTEXTS", 3)
    for n in range(10):
        assert worker.run([task(FeedContext(feed=f"gone-{n}"))])[0][0] == f"gone-{n}"
        assert len(worker._sent) <= 4


def test_what_has_no_context_goes_as_it_is(worker: Worker) -> None:
    assert worker.run([7, "seven"]) == [7, "seven"]
