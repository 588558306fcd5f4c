"""The journal on either database: durable before it answers, in order, recovering by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hie.errors import NotFound, StoreUnavailable
from hie.intake import repeats
from hie.intake.dedupe import SAME_ID, Window
from hie.intake.lanes import lane_of
from hie.intake.position import START, Position
from hie.intake.writer import JournalWriter
from hie.model import Acknowledgement, Arrival, Receipt
from tests.intake.store import DAY_ONE, Clock, Store, arrival


@pytest.mark.invariant(1)
def test_what_was_answered_is_there(store: Store) -> None:
    """Read by another connection at the moment the answer arrives, before anything else happens."""

    async def body(journal: JournalWriter) -> None:
        for number in range(20):
            sent = arrival(f"C{number}")
            receipt = await journal.submit(sent)
            with store.reader() as other:
                assert other.get(receipt.message_id).envelope.raw == sent.raw

    store.session(body)


def test_an_entry_comes_back_as_it_went_in(store: Store) -> None:
    sent = arrival(flags=("bom", "nul"))
    (receipt,) = store.submit(sent, clock=Clock())
    assert receipt == Receipt("20260102-00000001", "")
    entry = store.reader().get(receipt.message_id)
    assert entry.position == Position("2026-01-02", 1)
    assert entry.envelope.raw == sent.raw
    assert entry.envelope.keys == sent.keys
    assert (entry.envelope.feed, entry.envelope.format, entry.envelope.source) == ("north", "hl7v2", "127.0.0.1")
    assert entry.envelope.received_at == DAY_ONE + 3600
    assert entry.flags == ("bom", "nul")
    assert entry.refusal is None
    assert entry.lane == lane_of("north", "X|MR|7")


def test_refused_bytes_are_kept_with_the_reason(store: Store) -> None:
    refusal = Acknowledgement("AR", 203, "MSH-12", "this HL7 version is unknown")
    (first, second) = store.submit(arrival(refusal=refusal, keys=None), arrival(refusal=refusal))
    entries = store.reader().read()
    assert [entry.refusal for entry in entries] == [refusal, refusal]
    assert entries[0].envelope.keys.control_id == b""
    assert (first.duplicate_of, second.duplicate_of) == ("", "")


@pytest.mark.parametrize("size", [0, 100, 5000, 3_000_000])
def test_raw_bytes_of_any_size(store: Store, size: int) -> None:
    raw = bytes(range(256)) * (size // 256)
    (receipt,) = store.submit(Arrival("f", "fax", raw, "s", None))
    assert store.reader().get(receipt.message_id).envelope.raw == raw


def test_many_arrivals_share_a_commit_and_keep_their_order(store: Store) -> None:
    async def body(journal: JournalWriter) -> tuple[list[Receipt], int]:
        receipts = await asyncio.gather(*(journal.submit(arrival(f"C{n}")) for n in range(1000)))
        return receipts, journal.commits

    receipts, commits = store.session(body)
    assert [Position.of(r.message_id).seq for r in receipts] == list(range(1, 1001))
    assert commits < 50
    assert [e.envelope.keys.control_id for e in store.reader().read(limit=2000)] == [
        f"C{n}".encode() for n in range(1000)
    ]


def test_reading_on_across_days_skips_nothing(store: Store) -> None:
    clock = Clock()

    async def body(journal: JournalWriter) -> list[int]:
        reader, position, seen = store.reader(), START, []
        for number in range(300):
            clock.now = DAY_ONE + number * 1000  # three and a half days
            await journal.submit(arrival(f"C{number}"))
            if number % 7 == 0:
                for entry in reader.read(position, limit=5):
                    position = entry.position
                    seen.append(int(entry.envelope.keys.control_id[1:]))
        while batch := reader.read(position, limit=11):
            seen += [int(entry.envelope.keys.control_id[1:]) for entry in batch]
            position = batch[-1].position
        assert reader.latest() == position
        return seen

    assert store.session(body, clock=clock) == list(range(300))
    assert len(store.reader().days()) == 4


def test_a_clock_set_back_does_not_reopen_an_earlier_day(store: Store) -> None:
    clock = Clock(DAY_ONE + 90_000)
    store.submit(arrival("A"), clock=clock)
    clock.now = DAY_ONE
    (receipt,) = store.submit(arrival("B"), clock=clock)
    assert receipt.message_id == "20260103-00000002"


def test_a_batch_of_big_ones_is_cut_short(store: Store) -> None:
    import os

    store.submit(*(Arrival("f", "fax", os.urandom(200_000), "s", None) for _ in range(10)))
    reader = store.reader()
    first = reader.read(limit=100, max_bytes=500_000)
    assert len(first) == 3
    assert reader.read(first[-1].position, limit=100)[0].position.seq == 4


def test_an_arrival_that_cannot_be_held_does_not_harm_its_group(store: Store) -> None:
    async def body(journal: JournalWriter) -> list[object]:
        bad = arrival("BAD", flags=("\ud800",))
        group = [journal.submit(one) for one in (arrival("A"), bad, arrival("B"), arrival("A"))]
        return list(await asyncio.gather(*group, return_exceptions=True))

    first, bad, second, again = store.session(body, clock=Clock())
    assert isinstance(bad, StoreUnavailable)
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert first.message_id < second.message_id
    assert (first.duplicate_of, second.duplicate_of) == ("", "")
    assert isinstance(again, Receipt)
    assert again.duplicate_of == first.message_id


def test_unknown_and_deleted_messages(store: Store) -> None:
    (receipt,) = store.submit(arrival())
    reader = store.reader()
    for name in ("", "x", "20200101-00000001", receipt.message_id[:-1] + "9"):
        with pytest.raises(NotFound):
            reader.get(name)


def test_an_empty_journal(store: Store) -> None:
    reader = store.reader()
    assert reader.latest() == START
    assert reader.read() == []
    assert reader.days() == []


def test_the_seal_is_applied_and_named(store: Store) -> None:
    class Xor:
        key_id = "k1"

        def close(self, plain: bytes) -> bytes:
            return bytes(b ^ 0x55 for b in plain)

        def open(self, key_id: str, sealed: bytes) -> bytes:
            assert key_id == "k1"
            return self.close(sealed)

    sent = arrival(body="CANARY" * 2000)
    (receipt,) = store.submit(sent, seal=Xor())
    assert b"CANARY" not in store.stored()
    assert store.reader(seal=Xor()).get(receipt.message_id).envelope.raw == sent.raw
    with pytest.raises(ValueError, match="encrypted"):
        store.reader().get(receipt.message_id)


# -- repeats


@pytest.mark.invariant(6)
def test_a_repeat_is_known_within_the_group_and_after_a_restart(store: Store) -> None:
    a, b = store.submit(arrival(), arrival(), clock=Clock())
    assert (a.duplicate_of, b.duplicate_of) == ("", a.message_id)
    (c,) = store.submit(arrival(), clock=Clock())
    assert c.duplicate_of == a.message_id
    assert [entry.duplicate_of for entry in store.reader().read()] == ["", a.message_id, a.message_id]


@pytest.mark.invariant(6)
def test_same_id_with_other_bytes_is_accepted_and_flagged(store: Store) -> None:
    store.submit(arrival(body="one"), arrival(body="two"))
    (later,) = store.submit(arrival(body="three"))
    assert later.duplicate_of == ""
    assert [entry.flags for entry in store.reader().read()] == [(), (SAME_ID,), (SAME_ID,)]


def test_another_feed_is_another_matter(store: Store) -> None:
    receipts = store.submit(arrival(), arrival(feed="south"))
    assert [receipt.duplicate_of for receipt in receipts] == ["", ""]
    assert [entry.flags for entry in store.reader().read()] == [(), ()]


def test_the_window_is_the_feeds_and_reaches_over_midnight(store: Store) -> None:
    clock = Clock(DAY_ONE + 86_000)
    (first,) = store.submit(arrival(), clock=clock)
    clock.now += 3600
    (second,) = store.submit(arrival(), clock=clock)
    assert second.duplicate_of == first.message_id
    (narrow,) = store.submit(arrival(), clock=clock, windows={"north": Window(600)})
    assert narrow.duplicate_of == ""
    clock.now = DAY_ONE + 86_000 + 86_401 + 3600
    (late,) = store.submit(arrival(), clock=clock)
    assert late.duplicate_of == ""
    (off,) = store.submit(arrival(), clock=clock, windows={"north": Window(0)})
    assert off.duplicate_of == ""


def test_the_time_may_be_left_out(store: Store) -> None:
    again = arrival(stamp="20260102030405")
    strict = store.submit(arrival(), again)
    assert strict[1].duplicate_of == ""
    window = {"south": Window(ignore_time=True), "east": Window(ignore_time=True)}
    lenient = store.submit(arrival(feed="south"), replace(again, feed="south"), windows=window)
    assert lenient[1].duplicate_of == lenient[0].message_id
    other = store.submit(arrival(feed="east"), arrival(stamp="1", body="y", feed="east"), windows=window)
    assert other[1].duplicate_of == ""


def test_a_refused_first_does_not_make_the_second_a_repeat(store: Store) -> None:
    refusal = Acknowledgement("AR", 203, "MSH-12", "")
    receipts = store.submit(arrival(refusal=refusal), arrival())
    assert receipts[1].duplicate_of == ""


def test_one_control_id_for_everything_stays_cheap(store: Store) -> None:
    """A laboratory may put its own number into every MSH-10."""
    import time

    begun = time.process_time()
    for part in range(3):
        store.submit(*(arrival("CLIA", f"{part}-{n}") for n in range(2000)))
    assert time.process_time() - begun < 3.0
    assert sum(SAME_ID in entry.flags for entry in store.reader().read(limit=10_000)) == 5999


@pytest.mark.broken(6)
def test_without_the_look_up_a_repeat_has_a_second_effect(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "mark", lambda rows, earlier: None)
    receipts = store.submit(arrival(), arrival())
    assert [receipt.duplicate_of for receipt in receipts] == ["", ""], "the check above would fail"


def test_old_days_are_deleted_whole_and_readers_go_on(store: Store) -> None:
    clock = Clock()
    for number in range(4):
        store.submit(arrival(f"C{number}"), clock=clock)
        clock.now += 86_400
    reader = store.reader()
    first = reader.read(limit=1)[0]
    assert store.remove("2026-01-04") == ["2026-01-02", "2026-01-03"]
    assert [entry.envelope.keys.control_id for entry in reader.read(first.position)] == [b"C2", b"C3"]
    with pytest.raises(NotFound):
        reader.get(first.envelope.message_id)
    assert store.remove("2030-01-01") == ["2026-01-04"]
    assert reader.days() == ["2026-01-05"]
