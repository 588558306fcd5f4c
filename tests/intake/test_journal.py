"""The journal: durable before it answers, in order, recovering by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from hie.errors import NotFound, StoreUnavailable
from hie.intake import dayfile
from hie.intake.dedupe import SAME_ID, Window
from hie.intake.journal import Journal, Reader
from hie.intake.lanes import lane_of
from hie.intake.position import START, Position
from hie.model import Acknowledgement, Arrival, Keys, Receipt

T = TypeVar("T")
DAY_ONE = 1_767_312_000.0  # 2026-01-02 00:00 UTC


class Clock:
    def __init__(self, now: float = DAY_ONE + 3600) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def arrival(
    control: str = "C1", body: str = "x", *, feed: str = "north", stamp: str = "20260102", **more: object
) -> Arrival:
    raw = f"MSH|^~\\&|A|B|C|D|{stamp}||ADT^A08|{control}|P|2.5\rPID|||7\rZ|{body}\r".encode()
    keys = Keys("hl7v2", control.encode(), "ADT^A08", ("X|MR|7", "X|MR|8"), "A|B", "P")
    return Arrival(feed, "hl7v2", raw, "127.0.0.1", **{"keys": keys, **more})  # type: ignore[arg-type]


def session(directory: Path, body: Callable[[Journal], Awaitable[T]], **options: object) -> T:
    async def inside() -> T:
        journal = Journal(directory, **{"reserve_bytes": 0, **options})  # type: ignore[arg-type]
        journal.start()
        try:
            return await body(journal)
        finally:
            await journal.close()

    return asyncio.run(inside())


def submit(directory: Path, *arrivals: Arrival, **options: object) -> list[Receipt]:
    async def body(journal: Journal) -> list[Receipt]:
        return list(await asyncio.gather(*(journal.submit(one) for one in arrivals)))

    return session(directory, body, **options)


@pytest.mark.invariant(1)
def test_what_was_answered_is_in_the_file(tmp_path: Path) -> None:
    """Read by another connection at the moment the answer arrives, before anything else happens."""

    async def body(journal: Journal) -> None:
        for number in range(20):
            receipt = await journal.submit(arrival(f"C{number}"))
            other = sqlite3.connect(f"file:{tmp_path}/{Reader(tmp_path).days()[0]}.db?mode=ro", uri=True)
            assert other.execute(
                "SELECT count(*) FROM message WHERE control_id = ?", (f"C{number}".encode(),)
            ).fetchone() == (1,)
            assert Position.of(receipt.message_id).seq == number + 1
            other.close()

    session(tmp_path, body)


@pytest.mark.invariant(1)
def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    db = dayfile.open_writer(tmp_path, "2026-01-02")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


def test_an_entry_comes_back_as_it_went_in(tmp_path: Path) -> None:
    sent = arrival(flags=("bom", "nul"))
    (receipt,) = submit(tmp_path, sent, clock=Clock())
    assert receipt == Receipt("20260102-00000001", "")
    entry = Reader(tmp_path).get(receipt.message_id)
    assert entry.position == Position("2026-01-02", 1)
    assert entry.envelope.raw == sent.raw
    assert entry.envelope.keys == sent.keys
    assert (entry.envelope.feed, entry.envelope.format, entry.envelope.source) == ("north", "hl7v2", "127.0.0.1")
    assert entry.envelope.received_at == DAY_ONE + 3600
    assert entry.flags == ("bom", "nul")
    assert entry.refusal is None
    assert entry.lane == lane_of("north", "X|MR|7")


def test_refused_bytes_are_kept_with_the_reason(tmp_path: Path) -> None:
    refusal = Acknowledgement("AR", 203, "MSH-12", "this HL7 version is unknown")
    (first, second) = submit(tmp_path, arrival(refusal=refusal, keys=None), arrival(refusal=refusal))
    entries = Reader(tmp_path).read()
    assert [entry.refusal for entry in entries] == [refusal, refusal]
    assert entries[0].envelope.keys.control_id == b""
    assert (first.duplicate_of, second.duplicate_of) == ("", "")


@pytest.mark.parametrize("size", [0, 100, 5000, 3_000_000])
def test_raw_bytes_of_any_size(tmp_path: Path, size: int) -> None:
    raw = bytes(range(256)) * (size // 256)
    (receipt,) = submit(tmp_path, Arrival("f", "fax", raw, "s", None))
    assert Reader(tmp_path).get(receipt.message_id).envelope.raw == raw


def test_many_arrivals_share_a_commit_and_keep_their_order(tmp_path: Path) -> None:
    async def body(journal: Journal) -> tuple[list[Receipt], int]:
        receipts = await asyncio.gather(*(journal.submit(arrival(f"C{n}")) for n in range(1000)))
        return receipts, journal.commits

    receipts, commits = session(tmp_path, body)
    assert [Position.of(r.message_id).seq for r in receipts] == list(range(1, 1001))
    assert commits < 50
    assert [e.envelope.keys.control_id for e in Reader(tmp_path).read(limit=2000)] == [
        f"C{n}".encode() for n in range(1000)
    ]


def test_reading_on_across_days_skips_nothing(tmp_path: Path) -> None:
    clock = Clock()

    async def body(journal: Journal) -> list[int]:
        reader, position, seen = Reader(tmp_path), START, []
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

    assert session(tmp_path, body, clock=clock) == list(range(300))
    assert len(Reader(tmp_path).days()) == 4


def test_a_clock_set_back_does_not_reopen_an_earlier_day(tmp_path: Path) -> None:
    clock = Clock(DAY_ONE + 90_000)
    submit(tmp_path, arrival("A"), clock=clock)
    clock.now = DAY_ONE
    (receipt,) = submit(tmp_path, arrival("B"), clock=clock)
    assert receipt.message_id == "20260103-00000002"


def test_a_batch_of_big_ones_is_cut_short(tmp_path: Path) -> None:
    import os

    submit(tmp_path, *(Arrival("f", "fax", os.urandom(200_000), "s", None) for _ in range(10)))
    reader = Reader(tmp_path)
    first = reader.read(limit=100, max_bytes=500_000)
    assert len(first) == 3
    assert reader.read(first[-1].position, limit=100)[0].position.seq == 4


@pytest.mark.invariant(1)
def test_a_full_disk_is_told_and_recovered_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(journal: Journal) -> None:
        await journal.submit(arrival("A"))
        full = True
        real = dayfile.insert

        def insert(db: sqlite3.Connection, rows: object) -> None:
            real(db, rows)  # type: ignore[arg-type]
            if full:
                raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(dayfile, "insert", insert)
        results = await asyncio.gather(*(journal.submit(arrival(f"B{n}")) for n in range(3)), return_exceptions=True)
        assert all(isinstance(result, StoreUnavailable) for result in results)
        assert not journal.healthy
        full = False
        receipt = await journal.submit(arrival("B0"))
        assert receipt.duplicate_of == ""
        assert journal.healthy

    session(tmp_path, body)
    assert [e.envelope.keys.control_id for e in Reader(tmp_path).read()] == [b"A", b"B0"]


def test_the_last_of_the_disk_is_left_to_the_others(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        submit(tmp_path, arrival(), reserve_bytes=1 << 60)
    assert Reader(tmp_path).read() == []


def test_an_arrival_that_cannot_be_held_does_not_harm_its_group(tmp_path: Path) -> None:
    async def body(journal: Journal) -> list[object]:
        bad = arrival("BAD", flags=("\ud800",))
        group = [journal.submit(one) for one in (arrival("A"), bad, arrival("B"), arrival("A"))]
        return list(await asyncio.gather(*group, return_exceptions=True))

    first, bad, second, again = session(tmp_path, body, clock=Clock())
    assert isinstance(bad, StoreUnavailable)
    assert (first, second) == (Receipt("20260102-00000001"), Receipt("20260102-00000002"))
    assert again == Receipt("20260102-00000003", "20260102-00000001")


def test_unknown_and_deleted_messages(tmp_path: Path) -> None:
    (receipt,) = submit(tmp_path, arrival())
    reader = Reader(tmp_path)
    for name in ("", "x", "20200101-00000001", receipt.message_id[:-1] + "9"):
        with pytest.raises(NotFound):
            reader.get(name)
    for path in tmp_path.iterdir():
        path.unlink()
    assert Reader(tmp_path).latest() == START
    assert reader.read() == []


def test_the_seal_is_applied_and_named(tmp_path: Path) -> None:
    class Xor:
        key_id = "k1"

        def close(self, plain: bytes) -> bytes:
            return bytes(b ^ 0x55 for b in plain)

        def open(self, key_id: str, sealed: bytes) -> bytes:
            assert key_id == "k1"
            return self.close(sealed)

    sent = arrival(body="CANARY" * 2000)
    (receipt,) = submit(tmp_path, sent, seal=Xor())
    assert b"CANARY" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert Reader(tmp_path, seal=Xor()).get(receipt.message_id).envelope.raw == sent.raw
    with pytest.raises(ValueError, match="encrypted"):
        Reader(tmp_path).get(receipt.message_id)


# -- repeats


@pytest.mark.invariant(6)
def test_a_repeat_is_known_within_the_group_and_after_a_restart(tmp_path: Path) -> None:
    a, b = submit(tmp_path, arrival(), arrival(), clock=Clock())
    assert (a.duplicate_of, b.duplicate_of) == ("", a.message_id)
    (c,) = submit(tmp_path, arrival(), clock=Clock())
    assert c.duplicate_of == a.message_id
    assert [entry.duplicate_of for entry in Reader(tmp_path).read()] == ["", a.message_id, a.message_id]


@pytest.mark.invariant(6)
def test_same_id_with_other_bytes_is_accepted_and_flagged(tmp_path: Path) -> None:
    submit(tmp_path, arrival(body="one"), arrival(body="two"))
    (later,) = submit(tmp_path, arrival(body="three"))
    assert later.duplicate_of == ""
    assert [entry.flags for entry in Reader(tmp_path).read()] == [(), (SAME_ID,), (SAME_ID,)]


def test_another_feed_is_another_matter(tmp_path: Path) -> None:
    receipts = submit(tmp_path, arrival(), arrival(feed="south"))
    assert [receipt.duplicate_of for receipt in receipts] == ["", ""]
    assert [entry.flags for entry in Reader(tmp_path).read()] == [(), ()]


def test_the_window_is_the_feeds_and_reaches_over_midnight(tmp_path: Path) -> None:
    clock = Clock(DAY_ONE + 86_000)
    (first,) = submit(tmp_path, arrival(), clock=clock)
    clock.now += 3600
    (second,) = submit(tmp_path, arrival(), clock=clock)
    assert second.duplicate_of == first.message_id
    (narrow,) = submit(tmp_path, arrival(), clock=clock, windows={"north": Window(600)})
    assert narrow.duplicate_of == ""
    clock.now = DAY_ONE + 86_000 + 86_401 + 3600
    (late,) = submit(tmp_path, arrival(), clock=clock)
    assert late.duplicate_of == ""
    (off,) = submit(tmp_path, arrival(), clock=clock, windows={"north": Window(0)})
    assert off.duplicate_of == ""


def test_the_time_may_be_left_out(tmp_path: Path) -> None:
    again = arrival(stamp="20260102030405")
    strict = submit(tmp_path / "a", arrival(), again)
    assert strict[1].duplicate_of == ""
    lenient = submit(tmp_path / "b", arrival(), again, windows={"north": Window(ignore_time=True)})
    assert lenient[1].duplicate_of == lenient[0].message_id
    other = submit(tmp_path / "c", arrival(), arrival(stamp="1", body="y"), windows={"north": Window(ignore_time=True)})
    assert other[1].duplicate_of == ""


def test_a_refused_first_does_not_make_the_second_a_repeat(tmp_path: Path) -> None:
    refusal = Acknowledgement("AR", 203, "MSH-12", "")
    receipts = submit(tmp_path, arrival(refusal=refusal), arrival())
    assert receipts[1].duplicate_of == ""


def test_one_control_id_for_everything_stays_cheap(tmp_path: Path) -> None:
    """A laboratory may put its own number into every MSH-10."""
    import time

    begun = time.process_time()
    for part in range(3):
        submit(tmp_path, *(arrival("CLIA", f"{part}-{n}") for n in range(2000)))
    assert time.process_time() - begun < 3.0
    assert sum(SAME_ID in entry.flags for entry in Reader(tmp_path).read(limit=10_000)) == 5999


@pytest.mark.broken(6)
def test_without_the_look_up_a_repeat_has_a_second_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "_find_repeats", lambda self, db, rows: None)
    receipts = submit(tmp_path, arrival(), arrival())
    assert [receipt.duplicate_of for receipt in receipts] == ["", ""], "the check above would fail"


def test_old_days_are_deleted_whole_and_readers_go_on(tmp_path: Path) -> None:
    clock = Clock()
    for number in range(4):
        submit(tmp_path, arrival(f"C{number}"), clock=clock)
        clock.now += 86_400
    reader = Reader(tmp_path)
    first = reader.read(limit=1)[0]
    assert dayfile.remove(tmp_path, "2026-01-04") == ["2026-01-02", "2026-01-03"]
    assert [entry.envelope.keys.control_id for entry in reader.read(first.position)] == [b"C2", b"C3"]
    with pytest.raises(NotFound):
        reader.get(first.envelope.message_id)
    assert dayfile.remove(tmp_path, "2030-01-01") == ["2026-01-04"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".db") == ["2026-01-05.db"]
