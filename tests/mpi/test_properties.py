"""What holds for any registrations in any order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi import history, persons
from mpi.features import clean, decode, encode
from mpi.index import Index
from mpi.person import Person, dump, load
from mpi.score import against
from tests.mpi.hard import Region
from tests.mpi.people import empty, person, registration

STRICT = {"ssn", "identifier", "suffix", "generations", "multiple"}
"""Stops that hold against every member of a person, whatever another member says."""

says = st.builds(
    person,
    st.sampled_from(["Maria", "Marta", "Bill", "William", "Taylor", "Tyler", "Baby Boy A", "Baby Boy B", "M"]),
    st.sampled_from(["Garcia", "Garcia Lopez", "Ott", "Otto"]),
    st.sampled_from(["1980-03-14", "1980-03-15", "1952-03-14", "1980", "1980-01-01", ""]),
    suffix=st.sampled_from(["", "Jr", "Sr"]),
    sex=st.sampled_from(["male", "female", ""]),
    ssn=st.sampled_from(["", "433546512", "433546521", "219887345", "999999999"]),
    phone=st.sampled_from(["", "5035550117"]),
    street=st.sampled_from(["8 Juniper Lane", "9 Far Rd", ""]),
)


@pytest.mark.invariant(4)
@settings(max_examples=120, deadline=None)
@given(st.lists(says, min_size=2, max_size=9), st.integers(1, 4))
def test_no_order_links_across_a_hard_stop(people: list[Person], size: int) -> None:
    index = Index()
    with empty() as connection:
        arrivals = [registration(p, "north", str(n)) for n, p in enumerate(people)]
        found = [r for i in range(0, len(arrivals), size) for r in index.register(connection, arrivals[i : i + size])]
        eids = persons.eid_of(connection, [r.record_id for r in found])
        assert history.replay(connection) == eids
        features = {r.record_id: clean(p) for r, p in zip(found, people, strict=True)}
        for a in eids:
            for b in eids:
                if a < b and eids[a] == eids[b]:
                    score = against(index.comparison, features[b], [features[a]], thorough=True)
                    assert score is not None
                    assert not STRICT & set(score.stops)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_a_batch_is_as_one_by_one(seed: int, size: int) -> None:
    rows = Region(seed, error_rate=0.5).rows(25)
    from mpi.recordfile import registration as read

    groups = []
    for step in (1, size):
        with empty() as connection:
            index = Index()
            arrivals = [read(row) for row in rows]
            found = [
                r for i in range(0, len(arrivals), step) for r in index.register(connection, arrivals[i : i + step])
            ]
            eids = persons.eid_of(connection, [r.record_id for r in found])
            clusters: dict[str, list[int]] = {}
            for n, r in enumerate(found):
                clusters.setdefault(eids[r.record_id], []).append(n)
            groups.append((sorted(clusters.values()), [r.decision for r in found], [len(r.reviews) for r in found]))
    assert groups[0] == groups[1]


@settings(max_examples=200, deadline=None)
@given(says, says)
def test_comparison_is_symmetric(one: Person, other: Person) -> None:
    comparison = Index().comparison
    a, b = clean(one), clean(other)
    ours, theirs = against(comparison, a, [b], thorough=True), against(comparison, b, [a], thorough=True)
    assert ours is not None
    assert theirs is not None
    assert ours.bits == pytest.approx(theirs.bits, abs=1e-6)
    assert set(ours.stops) == set(theirs.stops)


@settings(max_examples=200)
@given(
    st.builds(
        person,
        st.text(max_size=30),
        st.text(max_size=30),
        st.text(max_size=12) | st.dates().map(str),
        suffix=st.text(max_size=5),
        ssn=st.text(max_size=11),
        street=st.text(max_size=40),
        unit=st.text(max_size=8),
        zip=st.text(max_size=10),
        phone=st.text(max_size=20),
        email=st.text(max_size=20),
        mother=st.text(max_size=10),
    )
)
def test_any_text_is_cleaned_stored_and_read_back(said: Person) -> None:
    features = clean(said)
    assert clean(load(dump(said))) == features
    again = decode(encode(features))
    assert encode(again) == encode(features)


def test_random_is_seeded() -> None:
    assert Region(3).rows(20) == Region(3).rows(20)
    assert random.Random(1).random() == random.Random(1).random()
