"""History brought by a feed of priority `backfill` never overwrites what was said later, by whichever feed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

import mpi.persons
from hie import registry
from hie.fhir.dates import seconds
from hie.model import Envelope
from hie.pipeline import Pipeline, Step
from hie.simulation import messages
from hie.simulation.people import Someone, someone
from hie.store.tables import resource
from hie.understand import understand
from mpi.person import Identifier
from tests.invariants.bench import Bench
from tests.node import NORTH_URI

PAST = "reports"
"""A feed of the same clinic as `north`, here the one that brings its history."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.pipeline.history = frozenset({PAST})
    yield made
    made.close()


def admission(person: Someone, phone: str, year: int, control_id: str) -> bytes:
    raw = messages.admission(person, "4711", "NORTH", "NORTHEHR", "NORTH", "A08", control_id, "V1")
    raw = raw.replace(person.phone.encode(), phone.encode())
    return re.sub(rb"\d{14}\+0000", b"%d0505120000+0000" % year, raw)


def result(person: Someone, year: int, control_id: str) -> bytes:
    raw = messages.laboratory(person, "4711", "NORTH", "NORTHEHR", "NORTH", control_id, "ORDER1", random.Random(year))
    return re.sub(rb"\d{14}\+0000", b"%d0505120000+0000" % year, raw)


def phone(bench: Bench) -> tuple[str, float]:
    """What the registration says, and since when."""
    with bench.reader.connect() as connection:
        number = mpi.persons.find(connection, Identifier(NORTH_URI, "MR", "4711"))
        assert number is not None
        member = mpi.persons.record(connection, number)
        assert member is not None
        found = mpi.persons.golden(connection, mpi.persons.eid_of(connection, [number])[number])
    return found["telecom"][0]["value"], member.at


def told_by(bench: Bench) -> set[str]:
    """Messages that the versions of observations in force come from."""
    with bench.reader.connect() as connection:
        rows = connection.execute(select(resource.c.message_id).where(resource.c.reference.like("Observation/%")))
        return set(rows.scalars())


@pytest.mark.invariant(9)
def test_old_demographics_never_overwrite_newer_ones(bench: Bench) -> None:
    person = someone(random.Random(5))
    bench.arrive(admission(person, "5550000001", 2019, "P1"), feed=PAST)
    assert phone(bench)[0] == "5550000001"
    assert phone(bench)[1] == seconds("2019-05-05T12:00:00+00:00")
    # within the history, in whatever order the files lie
    bench.arrive(admission(person, "5550000003", 2021, "P2"), admission(person, "5550000002", 2020, "P3"), feed=PAST)
    assert phone(bench)[0] == "5550000003"
    # what is of now wins over all of it, and stays
    bench.arrive(admission(person, "5550000009", 2018, "N1"), feed="north")
    assert phone(bench)[0] == "5550000009"
    applied = bench.arrive(admission(person, "5550000004", 2022, "P4"), feed=PAST)
    assert phone(bench)[0] == "5550000009"
    assert applied.decisions == ["known"]
    assert len(applied.entries["practice"]) == 1  # it is a record like any other, and is delivered


@pytest.mark.invariant(9)
def test_in_one_batch_with_what_is_of_now(bench: Bench) -> None:
    person = someone(random.Random(5))
    now = admission(person, "5550000009", 2018, "N1")
    past = admission(person, "5550000001", 2019, "P1")
    steps = []
    for number, (raw, feed) in enumerate([(now, "north"), (past, PAST)], 1):
        keys = registry.decoder("hl7v2", "peek")(raw)
        envelope = Envelope(f"20260101-{number:08d}", feed, "hl7v2", raw, b"\0" * 32, 1.8e9 + number, keys)
        steps.append(Step(envelope, None, "", (), understand(bench.pipeline.task(envelope))))
    bench.write(lambda connection: bench.pipeline.apply(connection, steps))
    assert phone(bench)[0] == "5550000009"


@pytest.mark.invariant(9)
def test_an_old_result_never_replaces_its_correction(bench: Bench) -> None:
    person = someone(random.Random(5))
    bench.arrive(result(person, 2019, "P1"), feed=PAST)
    old = told_by(bench)
    bench.arrive(result(person, 2020, "P2"), feed=PAST)
    newer = told_by(bench)
    assert newer.isdisjoint(old)
    bench.arrive(result(person, 2018, "N1"), feed="north")
    latest = told_by(bench)
    assert latest.isdisjoint(newer)
    bench.arrive(result(person, 2021, "P3"), feed=PAST)
    assert told_by(bench) == latest


def test_a_message_that_does_not_say_when_changes_nothing_that_is_known(bench: Bench) -> None:
    person = someone(random.Random(5))
    bench.arrive(admission(person, "5550000001", 2019, "P1"), feed=PAST)
    silent = re.sub(rb"\d{14}\+0000", b"", admission(person, "5550000002", 2022, "P2"))
    bench.arrive(silent, feed=PAST)
    assert phone(bench)[0] == "5550000001"


@pytest.mark.broken(9)
def test_history_taken_as_news_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "told", lambda *_: None)
    person = someone(random.Random(5))
    bench.arrive(admission(person, "5550000009", 2018, "N1"), feed="north")
    bench.arrive(admission(person, "5550000001", 2019, "P1"), feed=PAST)
    assert phone(bench)[0] == "5550000001"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-02", 86400), ("1970", 0), ("1971", 31536000), ("1970-02", 2678400), ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:00.5+01:00", 0.5), ("", 0), ("no time", 0),
    ],
)  # fmt: skip
def test_moments(text: str, moment: float) -> None:
    assert seconds(text) == moment
