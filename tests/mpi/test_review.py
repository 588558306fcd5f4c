"""Stewards' questions: lease, second reviewer, never asked twice."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from mpi import history, persons, review
from mpi.index import Index
from tests.mpi.people import person, registration

NEAR = person(phone="5035550117")
FAR = person(phone="2065550199", street="9 Far Rd", zip="98101")


@pytest.fixture
def task(index: Index, connection: Connection) -> review.Task:
    index.register(connection, [registration(NEAR, "north", "1"), registration(FAR, "south", "2")])
    (found,) = review.queue(connection)
    return found


def test_question_tells_why(task: review.Task) -> None:
    assert (task.kind, task.reason, task.stops) == ("possible", "namesake", ("namesake",))
    assert ("given", "exact") in {(field, level) for field, level, _ in task.evidence}


def test_link_makes_one_person(connection: Connection, task: review.Task) -> None:
    (moved,) = review.decide(connection, task.id, "link", actor="ana")
    assert persons.eid_of(connection, [task.low, task.high]) == {task.low: moved.to_eid, task.high: moved.to_eid}
    assert review.queue(connection) == []
    with pytest.raises(review.Refused):
        review.decide(connection, task.id, "apart", actor="ana")


@pytest.mark.invariant(4)
def test_apart_ends_the_question_for_good(index: Index, connection: Connection, task: review.Task) -> None:
    review.decide(connection, task.id, "apart", actor="ana")
    a, b = persons.eid_of(connection, [task.low, task.high]).values()
    assert persons.open_possibles(connection, [a, b]) == {a: set(), b: set()}
    index.register(
        connection, [registration(person(phone="5035550117", sex=""), "north", "1"), registration(FAR, "south", "2")]
    )
    assert review.queue(connection) == []


def test_lease_keeps_others_off(connection: Connection, task: review.Task) -> None:
    assert review.lease(connection, "ana", now=100.0, seconds=60) is not None
    assert review.lease(connection, "ben", now=110.0) is None
    with pytest.raises(review.Refused):
        review.decide(connection, task.id, "link", actor="ben", now=110.0)
    assert review.lease(connection, "ben", now=161.0) is not None


def test_second_reviewer_has_to_be_another_and_to_agree(connection: Connection, task: review.Task) -> None:
    assert review.decide(connection, task.id, "link", actor="ana", second_reviewer=True) == []
    with pytest.raises(review.Refused):
        review.decide(connection, task.id, "link", actor="ana", second_reviewer=True)
    assert review.lease(connection, "ana") is None
    assert review.decide(connection, task.id, "apart", actor="ben", second_reviewer=True) == []
    again = review.get(connection, task.id)
    assert again is not None
    assert (again.state, again.priority) == ("open", 1)
    review.decide(connection, task.id, "link", actor="ana", second_reviewer=True)
    assert len(review.decide(connection, task.id, "link", actor="ben", second_reviewer=True)) == 1


def test_unknown_question(connection: Connection) -> None:
    with pytest.raises(review.Refused):
        review.decide(connection, 99, "link", actor="ana")


def test_undo_opens_the_question_again(index: Index, connection: Connection, task: review.Task) -> None:
    moved = review.decide(connection, task.id, "link", actor="ana")
    history.undo(connection, moved[0].operation, actor="ana")
    assert [t.id for t in review.queue(connection)] == [task.id]
    index.register(connection, [registration(person(phone="2065550198", street="9 Far Rd", zip="98101"), "south", "2")])
    assert [t.id for t in review.queue(connection)] == [task.id]


def test_a_question_that_comes_again_keeps_its_number(index: Index, connection: Connection, task: review.Task) -> None:
    """A merge by the clinic settles the question, its undo and a new registration ask it again: under the same number, once."""
    moved = history.link_records(connection, task.low, task.high, actor="north")
    assert review.queue(connection) == []
    history.undo(connection, moved[0].operation, actor="ana")
    (again,) = index.register(
        connection, [registration(person(phone="2065550198", street="9 Far Rd", zip="98101"), "south", "2")]
    )
    assert again.reviews == (task.id,)
    assert [t.id for t in review.queue(connection)] == [task.id]
