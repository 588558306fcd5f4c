"""Merge, link, unlink, split, undo: events are appended, the current person is their projection, undo restores exactly."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from mpi import history, persons, review
from mpi.index import Index
from mpi.person import Identifier
from mpi.tables import LINK_EVENT, RECORD
from tests.mpi.people import empty, person, registration

PEOPLE = [
    ("Ann", "Abel", "1951-02-03"), ("Bea", "Byrd", "1962-04-05"), ("Cal", "Cobb", "1973-06-07"),
    ("Dov", "Dunn", "1984-08-09"), ("Eve", "Epps", "1995-10-11"), ("Flo", "Ford", "2006-12-13"),
]  # fmt: skip


def local(n: int) -> Identifier:
    return Identifier("urn:clinic:north", "MR", str(n))


def six(connection: Connection) -> list[int]:
    found = Index().register(
        connection, [registration(person(*p, street=""), "north", str(n)) for n, p in enumerate(PEOPLE)]
    )
    return [r.record_id for r in found]


def eids(connection: Connection) -> dict[int, str]:
    return persons.eid_of(connection, [row[0] for row in connection.execute(select(RECORD.c.id))])


def state(connection: Connection) -> tuple[Any, ...]:
    now = eids(connection)
    return now, {eid: persons.golden(connection, eid) for eid in set(now.values())}


def test_merge_by_the_clinic(connection: Connection) -> None:
    six(connection)
    before = state(connection)
    moved = history.merge(connection, local(0), local(1), actor="north", at=1.0)
    assert [m.record_id for m in moved] == [2]
    assert moved[0].from_eid == before[0][2]
    assert persons.resolve_alias(connection, moved[0].from_eid) == moved[0].to_eid
    assert len(persons.members(connection, moved[0].from_eid)) == 2
    assert persons.find(connection, local(1)) == 2
    history.undo(connection, moved[0].operation, actor="steward", at=2.0)
    assert state(connection) == before
    assert persons.resolve_alias(connection, moved[0].from_eid) == moved[0].from_eid


def test_merged_identifier_that_was_never_seen_is_an_alias(connection: Connection) -> None:
    records = six(connection)
    assert history.merge(connection, local(0), local(77), actor="north") == []
    assert persons.find(connection, local(77)) == records[0]
    (again,) = Index().register(connection, [registration(person(*PEOPLE[0], street=""), "north", "77")])
    assert (again.record_id, again.decision) == (records[0], "known")
    (changed,) = Index().register(connection, [registration(person(*PEOPLE[0], street="5 New Way"), "north", "77")])
    assert changed.record_id == records[0]
    assert persons.find(connection, local(0)) == persons.find(connection, local(77)) == records[0]
    (other,) = Index().register(
        connection, [registration(person("Zoe", "Zane", "1930-01-30", street=""), "north", "77")]
    )
    assert other.record_id not in records, "the old identifier was given to somebody else"
    assert persons.find(connection, local(0)) == records[0]
    assert persons.find(connection, local(77)) == other.record_id


def test_merge_into_an_unknown_survivor(connection: Connection) -> None:
    records = six(connection)
    assert history.move(connection, local(88), local(0), actor="north") == []
    assert persons.find(connection, local(88)) == records[0]
    with pytest.raises(history.UnknownRecord):
        history.merge(connection, local(98), local(99), actor="north")


def test_same_value_of_another_authority_is_another_identifier(connection: Connection) -> None:
    six(connection)
    assert persons.find(connection, Identifier("urn:clinic:south", "MR", "0")) is None
    assert persons.find(connection, Identifier("urn:clinic:north", "AN", "0")) is None


@pytest.mark.invariant(4)
def test_apart_holds_for_the_index(connection: Connection) -> None:
    index = Index()
    same = person(ssn="433546512", phone="5035550117")
    first, second = index.register(connection, [registration(same, "north", "1"), registration(same, "south", "1")])
    assert first.eid == second.eid
    moved = history.unlink_statement(
        connection, Identifier("urn:clinic:north", "MR", "1"), Identifier("urn:clinic:south", "MR", "1"), actor="north"
    )
    assert len(moved) == 1
    now = persons.eid_of(connection, [first.record_id, second.record_id])
    assert len(set(now.values())) == 2
    for said in (person(ssn="433546512", phone="5035550117", zip="97299"), same):
        index.register(connection, [registration(said, "south", "1")])
        assert persons.eid_of(connection, [first.record_id, second.record_id]) == now
    assert review.count(connection) == {}, "a decided question is not asked again"


def test_merge_respects_a_stewards_decision_about_the_others(connection: Connection) -> None:
    records = six(connection)
    history.link_records(connection, records[1], records[2], actor="s")
    history.keep_apart(connection, records[0], records[2], actor="s")
    moved = history.merge(connection, local(0), local(1), actor="north")
    assert [m.record_id for m in moved] == [records[1]]
    assert [t.kind for t in review.queue(connection)] == ["statement"]


def test_split_refuses_nonsense(connection: Connection) -> None:
    records = six(connection)
    with pytest.raises(ValueError, match="nobody would stay"):
        history.split(connection, records[:1], actor="s")
    with pytest.raises(ValueError, match="several persons"):
        history.split(connection, records[:2], actor="s")
    with pytest.raises(history.UnknownRecord):
        history.undo(connection, 4711, actor="s")


def act(connection: Connection, pick: random.Random, records: list[int]) -> int | None:
    """One random act; the operation to undo, or None where nothing happened."""
    last = connection.execute(select(func.max(LINK_EVENT.c.id))).scalar() or 0
    one, other = pick.sample(range(len(records)), 2)
    kind = pick.randrange(4)
    if kind == 0:
        history.merge(connection, local(one), local(other), actor="a", at=5.0)
    elif kind == 1:
        history.link_statement(connection, local(one), local(other), actor="a", at=5.0)
    elif kind == 2:
        history.unlink_statement(connection, local(one), local(other), actor="a", at=5.0)
    else:
        group = persons.members(connection, eids(connection)[records[one]])
        if len(group) > 1:
            history.split(
                connection, [m.record_id for m in group[: pick.randint(1, len(group) - 1)]], actor="a", at=5.0
            )
    return connection.execute(select(LINK_EVENT.c.operation).where(LINK_EVENT.c.id > last).limit(1)).scalar()


@pytest.mark.invariant(4)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), acts=st.integers(1, 9))
def test_undoing_a_history_backwards_restores_everything(seed: int, acts: int) -> None:
    pick = random.Random(seed)
    with empty() as connection:
        records = six(connection)
        states, operations = [], []
        for _ in range(acts):
            before = state(connection)
            operation = act(connection, pick, records)
            assert history.replay(connection) == eids(connection), "the projection of the events is the current state"
            if operation is not None:
                states.append(before)
                operations.append(operation)
        while operations:
            history.undo(connection, operations.pop(), actor="u", at=6.0)
            assert state(connection) == states.pop()
            assert history.replay(connection) == eids(connection)


def test_events_are_only_appended(connection: Connection) -> None:
    six(connection)
    before = connection.execute(select(LINK_EVENT)).all()
    moved = history.merge(connection, local(0), local(1), actor="north")
    history.undo(connection, moved[0].operation, actor="s")
    assert connection.execute(select(LINK_EVENT).order_by(LINK_EVENT.c.id)).all()[: len(before)] == before


def test_undo_of_an_automatic_link_gives_a_person_of_its_own(connection: Connection) -> None:
    same = person(ssn="433546512", phone="5035550117")
    first, second = Index().register(connection, [registration(same, "north", "1"), registration(same, "south", "1")])
    event = connection.execute(select(LINK_EVENT).where(LINK_EVENT.c.record_id == second.record_id)).one()
    (moved,) = history.undo(connection, event.operation, actor="s")
    assert moved.record_id == second.record_id
    assert moved.to_eid not in (first.eid, "")
    changed = person(ssn="433546512", phone="5035550117", zip="97299")
    (again,) = Index().register(connection, [registration(changed, "south", "1")])
    assert again.eid == moved.to_eid, "the index does not redo what was undone"


def test_golden_record_has_provenance(connection: Connection) -> None:
    index = Index()
    old = person("Ruth", "Abernathy", ssn="433546512", phone="5035550117")
    new = person("Ruth", "Novak", ssn="433546512", phone="5415550123", street="5 New Way")
    first, second = index.register(
        connection, [registration(old, "north", "1", 1.0), registration(new, "south", "2", 2.0)]
    )
    golden = persons.golden(connection, first.eid)
    assert [n["family"] for n in golden["name"]] == ["Novak", "Abernathy"]
    assert golden["address"][0]["line"] == ["5 New Way"]
    assert {i["value"] for i in golden["identifier"]} >= {"1", "2", "433546512"}
    assert golden["provenance"]["name"] == second.record_id
    assert persons.golden(connection, "000000000000") == {}
