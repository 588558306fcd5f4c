"""Invariant 9 with the real pipeline, gate and repairs: what comes again meets today's identity, consent and what came since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text

import hie.again
import hie.engine.repair
import hie.reprocess
from hie.identify import Identity
from hie.intake.position import Position
from hie.intake.reader import Entry
from hie.model import DeliveryState
from hie.simulation import messages
from hie.simulation.people import Someone, someone
from hie.store import repairs
from hie.store.repairs import Repair
from hie.store.selection import Selection
from hie.store.tables import delivery, metadata, record_version
from hie.task import Task
from hie.understand import Understood, understand
from tests.databases import Database
from tests.invariants.bench import Bench, disclosed_against_a_deny, opt_out
from tests.node import NORTH_URI


class Journal:
    """The arrivals of a bench, as its engine's reader shows them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def get(self, message_id: str) -> Entry:
        return Entry(Position.of(message_id), self.bench.envelopes[message_id], None, "", (), 0)

    def get_all(self, message_ids: Collection[str]) -> dict[str, Entry]:
        return {id: self.get(id) for id in message_ids}

    def close(self) -> None: ...


@pytest.fixture
def bench(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, database=database)
    monkeypatch.setattr(hie.engine.repair, "open_reader", lambda *_: Journal(made))
    made.gate.journal = Journal(made)  # type: ignore[assignment]
    yield made
    made.close()


def repair(bench: Bench, kind: str, as_new: bool = False, **chosen: Any) -> Repair:
    """Ordered and worked off."""

    async def work() -> Repair:
        made = bench.commands.repairs.work
        id = await made.start("user:operator", kind, Selection(**(chosen or {"everything": True})), as_new)
        return await made.finished(id, 60)

    done = asyncio.run(work())
    assert done.state == repairs.DONE
    return done


def deliveries(bench: Bench, subscriber: str = "practice") -> list[Any]:
    with bench.reader.connect() as connection:
        query = select(delivery).where(delivery.c.subscriber == subscriber).order_by(delivery.c.id)
        return list(connection.execute(query))


def deliver_all(bench: Bench) -> None:
    for row in deliveries(bench):
        if row.state in (DeliveryState.QUEUED, DeliveryState.UNKNOWN):
            bench.deliver(row.id)


def states(bench: Bench) -> list[tuple[str, str]]:
    return [(row.state, row.reason) for row in deliveries(bench)]


def dead(bench: Bench, id: int, reason: str = "refused") -> None:
    for item in bench.begin(bench.prepare(id)).sendable:
        bench.end(item, DeliveryState.DEAD_LETTERED, reason)


def everything(bench: Bench) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with bench.reader.connect() as connection:
        names = connection.execute(select(metadata.tables["delivery"].c.id)).all() and list(metadata.tables)
        return {name: connection.execute(metadata.tables[name].select()).all() for name in names}


def reads(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> None:
    """Today's decoders see the bytes otherwise than those of then."""

    def today(task: Task) -> Understood:
        return understand(task._replace(raw=change(task.raw)))

    monkeypatch.setattr(hie.reprocess, "understand", today)


def street(bench: Bench, id: int) -> str:
    import mpi.persons

    with bench.reader.connect() as connection:
        member = mpi.persons.record(connection, bench.row(id).mpi_record)
    assert member is not None
    return str(member.person.addresses[0].street)


def older_and_newer(bench: Bench) -> tuple[int, int]:
    """An A08 and the one after it, of one patient and stay: (older, newer) delivery."""
    person = someone(bench.chance)
    older, _ = bench.admit(person.named(street="1 Old St"), "1", event="A08")
    newer, _ = bench.admit(person.named(street="2 New St"), "1", event="A08")
    return older, newer


# -- redeliver


@pytest.mark.invariant(6, 9)
def test_what_is_redelivered_goes_under_the_key_it_went_under(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    done = repair(bench, "redeliver", subscriber="practice")
    assert (done.done, done.counts) == (1, {"practice/delivered": 1})
    deliver_all(bench)
    repair(bench, "redeliver", subscriber="practice")
    deliver_all(bench)
    assert bench.sent[1:] == bench.sent[:1] * 2
    assert states(bench) == [("delivered", "accepted")] * 3
    assert len({row.key for row in deliveries(bench)}) == 3


@pytest.mark.invariant(6, 9)
def test_as_new_goes_under_a_key_that_names_the_one_it_replaces(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    repair(bench, "redeliver", as_new=True, messages=(bench.row(id).message_id,))
    deliver_all(bench)
    new = deliveries(bench)[-1]
    assert (new.replaces, bench.sent[1][0]) == (bench.sent[0][0], new.key)
    assert new.key != new.replaces


@pytest.mark.invariant(6, 9)
def test_content_that_changed_since_goes_under_a_new_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    first = bench.gate.policy
    monkeypatch.setattr(bench.gate.judge.__class__, "judge", _smaller(bench.gate.judge.__class__.judge))
    assert first is bench.gate.policy
    repair(bench, "redeliver", subscriber="practice")
    new = deliveries(bench)[-1].id
    for item in bench.begin(bench.prepare(new)).sendable:
        bench.sent.append((item.key, item.payload))
        bench.end(item, DeliveryState.UNKNOWN, "no-answer")
    bench.deliver(new)
    keys = [key for key, _ in bench.sent]
    assert keys[0] != keys[1] == keys[2]
    assert (bench.row(new).replaces, bench.sent[1]) == (keys[0], bench.sent[2])


def _smaller(judge: Any) -> Any:
    def smaller(self: Any, subscriber: Any, unpacked: Any, *rest: Any) -> Any:
        kept = [r for r in unpacked["resources"] if r["resourceType"] != "AllergyIntolerance"]
        return judge(self, subscriber, {**unpacked, "resources": kept}, *rest)

    return smaller


@pytest.mark.invariant(3, 9)
def test_redelivered_after_a_revocation_nothing_leaves(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    bench.consent(opt_out("1"))
    repair(bench, "redeliver", subscriber="practice")
    deliver_all(bench)
    assert len(bench.sent) == 1
    assert states(bench) == [("delivered", "accepted"), ("denied", "denied")]
    assert disclosed_against_a_deny(bench.chain()) == []


@pytest.mark.broken(9)
def test_a_redelivery_under_the_consent_of_then_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    then = dict(bench.gate.judge._compiled)
    bench.consent(opt_out("1"))
    monkeypatch.setattr(bench.gate.judge, "consents", lambda connection, epoch: {eid: then[eid][1] for eid in epoch})
    repair(bench, "redeliver", subscriber="practice")
    deliver_all(bench)
    assert len(bench.sent) == 2
    assert len(disclosed_against_a_deny(bench.chain())) == 1


@pytest.mark.invariant(5, 9)
def test_a_whole_range_comes_again_in_its_order(bench: Bench) -> None:
    for id in older_and_newer(bench):
        bench.deliver(id)
    repair(bench, "redeliver", subscriber="practice")
    deliver_all(bench)
    assert bench.sent[2:] == bench.sent[:2]


@pytest.mark.invariant(9)
def test_an_old_delivery_alone_does_not_come_again_after_a_newer_one(bench: Bench) -> None:
    older, newer = older_and_newer(bench)
    for id in (older, newer):
        bench.deliver(id)
    repair(bench, "redeliver", messages=(bench.row(older).message_id,), subscriber="practice")
    deliver_all(bench)
    assert len(bench.sent) == 2
    assert states(bench)[-1] == ("superseded", "newer-version")


@pytest.mark.invariant(9)
def test_choices(bench: Bench) -> None:
    one, eid = bench.admit(mrn="1")
    other, _ = bench.admit(mrn="2", feed="river")
    bench.deliver(one, other)
    ids = {name: bench.row(id).message_id for name, id in (("one", one), ("other", other))}
    middle = bench.row(other).received_at
    for chosen, expected in (
        ({"feed": "river"}, 1),
        ({"patient": eid}, 1),
        ({"until": middle}, 1),
        ({"since": middle}, 1),
        ({"messages": tuple(ids.values())}, 2),
        ({"outcomes": ("denied",)}, 0),
        ({"reasons": ("accepted",)}, 2),
        ({"subscriber": "nobody"}, 0),
    ):
        given = {"subscriber": "practice", **chosen}
        assert repair(bench, "redeliver", **given).total == expected, chosen
        deliver_all(bench)


# -- release


@pytest.mark.invariant(9)
@pytest.mark.parametrize("subscriber", ["practice", "emergency"])
def test_an_old_dead_letter_released_after_newer_content_is_superseded(bench: Bench, subscriber: str) -> None:
    older_and_newer(bench)
    bench.subscriber = next(s for s in bench.settings.subscribers if s.name == subscriber)
    older, newer = (row.id for row in deliveries(bench, subscriber))
    dead(bench, older)
    bench.deliver(newer)
    assert bench.command("deadletters.release", subscriber=subscriber)["count"] == 1
    bench.deliver(older)
    assert (bench.row(older).state, bench.row(older).reason) == ("superseded", "newer-version")
    assert len(bench.sent) == 1


@pytest.mark.broken(9)
def test_a_release_that_knows_nothing_of_what_came_since_is_caught(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = older_and_newer(bench)
    dead(bench, older)
    bench.deliver(newer)
    monkeypatch.setattr(hie.again, "look", lambda *_: {})
    bench.command("deadletters.release", subscriber="practice")
    bench.deliver(older)
    assert b"1 Old St" in bench.sent[-1][1]


@pytest.mark.invariant(9)
def test_old_results_go_with_the_patient_of_today(bench: Bench) -> None:
    """Nobody has told the subscriber the results since, so they go; what was told since goes as it was told last."""
    person = someone(bench.chance)
    result = laboratory(bench, person.named(street="1 Old St"))
    dead(bench, result)
    newer, _ = bench.admit(person.named(street="2 New St"), "1", event="A08")
    bench.deliver(newer)
    bench.command("deadletters.release", subscriber="practice")
    bench.deliver(result)
    assert bench.row(result).state == "delivered"
    said = bench.sent[-1][1]
    assert (b"1 Old St" in said, b"2 New St" in said) == (False, True)
    kinds = [e["resource"]["resourceType"] for e in orjson.loads(said)["entry"]]
    assert kinds.count("Observation") == 8


def laboratory(bench: Bench, person: Someone) -> int:
    raw = messages.laboratory(person, "1", "NORTH", "NORTHEHR", "NORTH", "L-1", "77", bench.chance)
    return bench.arrive(raw).entries["practice"][0].id


@pytest.mark.invariant(3, 9)
def test_a_released_quarantine_message_takes_its_old_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be read; today it can; a newer one of the same patient came meanwhile and was delivered."""
    person = someone(bench.chance)
    with monkeypatch.context() as then:
        then.setattr("tests.invariants.bench.understand", lambda task: Understood(failure="undecodable"))
        bench.arrive(admission(person.named(street="1 Old St")))
    newer, _ = bench.admit(person.named(street="2 New St"), "1", event="A08")
    bench.deliver(newer)
    [old, *_] = bench.envelopes
    assert bench.command("quarantine.release", ids=[old]) == {"count": 1}
    deliver_all(bench)
    assert street(bench, newer) == "2 New St"
    assert states(bench) == [("delivered", "accepted"), ("superseded", "newer-version")]
    assert len(bench.sent) == 1


def admission(person: Someone) -> bytes:
    return messages.admission(person, "1", "NORTH", "NORTHEHR", "NORTH", "A08", "Q-1", "V1")


# -- reprocess


@pytest.mark.invariant(9)
def test_reprocessing_what_reads_the_same_changes_and_sends_nothing(bench: Bench) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    before = everything(bench)
    assert repair(bench, "reprocess", feed="north").counts == {"unchanged": 1}
    after = everything(bench)
    assert {n for n in before if before[n] != after[n]} == {"repair", "audit"}


@pytest.mark.invariant(6, 9)
def test_reprocessing_sends_what_changed_under_a_key_that_replaces_the_old(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, _ = bench.admit(mrn="1")
    bench.deliver(id)
    reads(monkeypatch, lambda raw: raw.replace(b"Penicillin G", b"Benzylpenicillin"))
    done = repair(bench, "reprocess", feed="north")
    assert done.counts == {"changed": 1, "again: practice": 1}, (
        "what still waits for the other goes with its new content"
    )
    deliver_all(bench)
    first, second = bench.sent
    assert b"Benzylpenicillin" in second[1]
    assert first[0] != second[0]
    assert deliveries(bench)[-1].replaces == first[0]
    ids = [{e["resource"].get("id") for e in orjson.loads(p)["entry"]} for _, p in bench.sent]
    assert len(ids[0] & ids[1]) >= 10, "the same resources, said better"
    with bench.reader.connect() as connection:
        [kept] = connection.execute(select(record_version)).all()
        flags = connection.execute(text("SELECT flags FROM message")).scalar_one()
    assert (kept.message_id, kept.version, kept.run, flags) == (bench.row(id).message_id, 1, done.id, "reprocessed")
    assert repair(bench, "reprocess", feed="north").counts == {"unchanged": 1}


@pytest.mark.invariant(9)
def test_a_subscriber_whose_content_stays_is_sent_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change lies in what this subscriber does not ask for."""
    id, _ = bench.admit(mrn="1")
    wanted = bench.subscriber.subscriptions[0].model_copy(update={"categories": ("Condition",)})
    bench.subscriber = bench.subscriber.model_copy(update={"subscriptions": (wanted,)})
    bench.deliver(id)
    reads(monkeypatch, lambda raw: raw.replace(b"Penicillin G", b"Benzylpenicillin"))
    repair(bench, "reprocess", feed="north")
    deliver_all(bench)
    assert len(bench.sent) == 1
    assert states(bench) == [("delivered", "accepted"), ("superseded", "unchanged")]


def reprocessed_old(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> int:
    """The older of two A08s is reprocessed with a decoder that reads its street otherwise; answers the newer delivery."""
    older, newer = older_and_newer(bench)
    for id in (older, newer):
        bench.deliver(id)
    reads(monkeypatch, lambda raw: raw.replace(b"1 Old St", b"1 Olde Street"))
    assert repair(bench, "reprocess", messages=(bench.row(older).message_id,)).counts["changed"] == 1
    deliver_all(bench)
    return newer


@pytest.mark.invariant(9)
def test_an_old_a08_read_anew_overwrites_nothing_newer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = reprocessed_old(bench, monkeypatch)
    assert street(bench, newer) == "2 New St"
    assert len(bench.sent) == 2
    assert states(bench)[-1] == ("superseded", "newer-version")
    with bench.reader.connect() as connection:
        said = connection.execute(text("SELECT message_id FROM resource WHERE reference LIKE 'Patient/%'")).scalar_one()
    assert said == bench.row(newer).message_id


@pytest.mark.broken(9)
def test_a_reprocess_that_takes_old_for_new_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Identity, "replay", lambda self, connection, arrival, *_, **__: self.attribute(connection, [arrival])[0]
    )
    monkeypatch.setattr(hie.again, "look", lambda *_: {})
    newer = reprocessed_old(bench, monkeypatch)
    assert street(bench, newer) == "1 Olde Street"
    assert b"1 Olde Street" in bench.sent[-1][1]


@pytest.mark.invariant(4, 9)
def test_a_merge_that_was_undone_is_not_done_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import mpi.history
    from mpi.person import Identifier

    person = someone(bench.chance)
    one, _ = bench.admit(person, "1")
    other, _ = bench.admit(someone(bench.chance), "2")
    raw = messages.merge(person, "1", "2", "NORTH", "NORTHEHR", "NORTH", "M-1")
    bench.arrive(raw)
    assert bench.eid(one) == bench.eid(other)
    survivor, prior = (Identifier(NORTH_URI, "MR", mrn) for mrn in ("1", "2"))
    bench.write(
        lambda c: mpi.history.unlink_statement(c, survivor, prior, actor="user:steward", reason="an error", at=2e9)
    )
    assert bench.eid(one) != bench.eid(other)
    reads(monkeypatch, lambda raw: raw.replace(b"MRG|", b"NTE|1||read anew\rMRG|"))
    repair(bench, "reprocess", feed="north")
    assert bench.eid(one) != bench.eid(other)


@pytest.mark.invariant(9)
def test_a_message_that_cannot_be_read_any_more_stays_as_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = bench.admit(mrn="1")
    before = everything(bench)
    monkeypatch.setattr(hie.reprocess, "understand", lambda task: Understood(failure="undecodable"))
    assert repair(bench, "reprocess", feed="north").counts == {"quarantined": 1}
    after = everything(bench)
    assert {n for n in before if before[n] != after[n]} == {"repair", "audit", "work_item"}
    assert bench.row(id).state == "queued"


# -- resumed


def interrupted(bench: Bench, kind: str, **chosen: Any) -> Repair:
    """The process ends after each step; another one goes on."""

    async def order() -> int:
        return await bench.commands.repairs.work.start("user:operator", kind, Selection(**chosen))

    async def one_step(id: int) -> Repair:
        from hie.engine.repair import Repairs

        made = Repairs(bench)  # type: ignore[arg-type]
        run = await bench.writer.run(lambda connection: repairs.get(connection, id))
        await (made._read_some(run) if kind == "reprocess" else made._queue_some(run))
        return await bench.writer.run(lambda connection: repairs.get(connection, id))

    id = asyncio.run(order())
    while (run := asyncio.run(one_step(id))).state == repairs.RUNNING:
        pass
    return run


@pytest.mark.invariant(9)
@pytest.mark.parametrize("kind", ["redeliver", "reprocess"])
def test_each_once_however_often_it_is_interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    few(bench, monkeypatch)
    run = interrupted(bench, kind, feed="north", subscriber="practice")
    assert (run.done, run.total) == (7, 7)
    assert again(bench) == [1] * 7


@pytest.mark.broken(9)
def test_a_repair_that_forgets_its_place_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keys being the same each time, the store would refuse the second; here they are not either."""
    few(bench, monkeypatch)
    numbers = iter(range(1000))
    monkeypatch.setattr(hie.engine.repair.outbox, "delivery_key", lambda *_: f"key-{next(numbers)}")
    monkeypatch.setattr(Selection, "deliveries", lambda self, records=None: _forgetful(self))
    real = hie.engine.repair.chosen
    monkeypatch.setattr(hie.engine.repair, "chosen", lambda c, run: real(c, run._replace(position="")))
    work = bench.commands.repairs.work

    async def two_steps() -> None:
        id = await work.start("user:operator", "redeliver", Selection(subscriber="practice"))
        for _ in range(2):
            await work._queue_some(await bench.writer.run(lambda connection: repairs.get(connection, id)))

    asyncio.run(two_steps())
    assert max(again(bench)) == 2


def _forgetful(chosen: Selection) -> Any:
    """Deliveries that were queued again already among them."""
    return select(delivery).where(delivery.c.subscriber == chosen.subscriber, delivery.c.run.is_(None))


def few(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven delivered messages, and steps of three."""
    monkeypatch.setattr(hie.engine.repair, "DELIVERIES", 3)
    monkeypatch.setattr(hie.engine.repair, "MESSAGES", 3)
    for number in range(7):
        id, _ = bench.admit(mrn=str(number))
        bench.deliver(id)
    reads(monkeypatch, lambda raw: raw.replace(b"Penicillin G", b"Benzylpenicillin"))


def again(bench: Bench) -> list[int]:
    """For each message, how often a repair queued it for the practice."""
    found: dict[str, int] = {}
    for row in deliveries(bench):
        found[row.message_id] = found.get(row.message_id, 0) + (row.run is not None)
    return list(found.values())
