"""Another model is tried in the shadow, shown as a diff, and applied as events that can be undone."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select

from mpi import history, persons
from mpi.index import Index
from mpi.model import default
from mpi.relink import apply, diff, summary
from mpi.tables import LINK_EVENT
from tests.mpi.people import person, registration

STRICT = replace(default(), version="strict", certain=40.0)


def test_same_model_changes_nothing(index: Index, connection: Connection) -> None:
    said = person(phone="5035550117")
    index.register(connection, [registration(said, "north", "1"), registration(said, "south", "1")])
    change = diff(connection, default())
    assert (change.merges, change.splits) == ((), ())


def test_diff_then_apply_then_undo(connection: Connection) -> None:
    said = person(phone="5035550117")
    first, second = Index(STRICT).register(
        connection, [registration(said, "north", "1"), registration(said, "south", "1")]
    )
    assert first.eid != second.eid
    events = connection.execute(select(func.count()).select_from(LINK_EVENT)).scalar()
    change = diff(connection, default())
    assert connection.execute(select(func.count()).select_from(LINK_EVENT)).scalar() == events, (
        "the shadow writes nothing"
    )
    assert [m.survivor for m in change.merges] == [first.eid]
    assert change.affected == {first.eid, second.eid}
    assert "2 persons become 1" in summary(change)
    before = persons.eid_of(connection, [1, 2])
    (moved,) = apply(connection, change, actor="ana")
    assert moved.record_id == second.record_id
    back = diff(connection, STRICT)
    assert back.splits == (), "what a person approved is not split by the next model"
    history.undo(connection, moved.operation, actor="ana")
    assert persons.eid_of(connection, [1, 2]) == before


def test_split_is_shown(index: Index, connection: Connection) -> None:
    said = person(phone="5035550117")
    first, _ = index.register(connection, [registration(said, "north", "1"), registration(said, "south", "1")])
    change = diff(connection, STRICT)
    assert [(s.eid, s.leaving) for s in change.splits] == [(first.eid, ((2,),))]
    assert len(apply(connection, change, actor="ana")) == 1


def test_apart_survives(connection: Connection) -> None:
    said = person(phone="5035550117")
    Index(STRICT).register(connection, [registration(said, "north", "1"), registration(said, "south", "1")])
    history.keep_apart(connection, 1, 2, actor="ana")
    assert diff(connection, default()).merges == ()
