"""Which files are taken, when, in which order, and where they end: a real folder, a journal in memory."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.files.listing import Listing
from adapters.files.settings import FolderSource
from tests.adapters.files.inbox import Journal, adt, watching


def run(test: Any) -> None:
    asyncio.run(test)


def test_a_file_is_stored_and_ends_in_done(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path) as inbox:
            inbox.put("a.hl7", adt(1))
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1"]
            assert inbox.ended() == {"a.hl7": adt(1)}
            assert inbox.journal.arrivals[0].source.startswith("file:")
            assert inbox.journal.arrivals[0].source.endswith("#1")
            assert "a.hl7" not in inbox.journal.arrivals[0].source
            assert inbox.meter.counts[("hie_files_total", "north", "done")] == 1
            assert inbox.meter.counts[("hie_messages_received_total", "north", "hl7v2")] == 1
            assert inbox.meter.counts[("hie_bytes_received_total", "north")] == len(adt(1))
            assert inbox.meter.counts[("hie_acks_sent_total", "north", "AA")] == 1
            assert inbox.meter.counts[("hie_feed_connected", "north")] == 1
        assert inbox.meter.counts[("hie_feed_connected", "north")] == 0
        assert os.listdir(tmp_path / ".taking") == []

    run(story())


def test_oldest_first_and_by_name_among_the_equally_old(tmp_path: Path) -> None:
    for number, (name, at) in enumerate([("b", 50), ("z", 10), ("a", 50), ("c", 20)]):
        (tmp_path / name).write_bytes(adt(number))
        os.utime(tmp_path / name, (at, at))

    async def story() -> None:
        async with watching(tmp_path) as inbox:
            await inbox.ends(4)
            assert inbox.journal.ids == ["C-1", "C-3", "C-2", "C-0"]

    run(story())


def test_what_is_not_taken(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(adt(9))
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("x.hl7.tmp", "x.PART", ".hidden.hl7", "x.hl7~", "x.txt", "sub/x.hl7"):
        (folder / name).write_bytes(adt(9))
    (folder / "link.hl7").symlink_to(outside)
    os.mkfifo(folder / "pipe.hl7")

    async def story() -> None:
        async with watching(folder, patterns=["*.hl7", "*.tmp"]) as inbox:
            inbox.put("X.HL7", adt(1))
            await inbox.ends(1)
            await asyncio.sleep(0.3)
            assert inbox.journal.ids == ["C-1"]
            assert (folder / "link.hl7").is_symlink()
            assert outside.exists()

    run(story())


def test_subfolders_where_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "ward" / "west").mkdir(parents=True)
    (tmp_path / "away").symlink_to("/")

    async def story() -> None:
        async with watching(tmp_path, subfolders=True) as inbox:
            inbox.put("ward/west/a", adt(1))
            inbox.put("ward/a", adt(2))
            await inbox.ends(2)
            assert sorted(inbox.journal.ids) == ["C-1", "C-2"]
            assert sorted(inbox.ended()) == ["a", "a~2"]

    run(story())


def test_a_file_that_grows_is_never_read_in_part(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path, settle_seconds=0.4) as inbox:
            with (tmp_path / "slow.hl7").open("wb") as file:
                for n in range(8):
                    file.write(adt(n))
                    file.flush()
                    await asyncio.sleep(0.1)
            assert inbox.journal.arrivals == []
            await inbox.ends(1)
            assert inbox.journal.ids == [f"C-{n}" for n in range(8)]

    run(story())


def test_a_writer_that_renames_late(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path) as inbox:
            part = inbox.put("a.hl7.part", adt(1)[:30])
            await asyncio.sleep(0.3)
            part.write_bytes(adt(1))
            await asyncio.sleep(0.2)
            assert inbox.journal.arrivals == []
            part.rename(tmp_path / "a.hl7")
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1"]

    run(story())


@pytest.mark.parametrize("marker", ["a.hl7.done", "a.done"])
def test_a_marker_says_that_a_file_is_whole(tmp_path: Path, marker: str) -> None:
    async def story() -> None:
        async with watching(tmp_path, marker=".done") as inbox:
            inbox.put("a.hl7", adt(1))
            await asyncio.sleep(0.4)
            assert inbox.journal.arrivals == []
            inbox.put(marker, b"")
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1"]
            assert sorted(inbox.ended()) == sorted(["a.hl7", marker])

    run(story())


def test_a_companion_goes_along(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path, format="fax", companions=[".json"]) as inbox:
            inbox.put("f1.json", b"{}")
            inbox.put("f1.txt", b"REFERRAL\nPatient: JANE CANARY\n")
            await inbox.ends(1)
            assert [a.format for a in inbox.journal.arrivals] == ["fax"]
            assert sorted(inbox.ended()) == ["f1.json", "f1.txt"]

    run(story())


@pytest.mark.parametrize(
    ("format", "raw", "events"),
    [
        ("ccda", Path("adapters/ccda/samples/summary.xml").read_bytes(), ["34133-9"]),
        ("fhir", b'{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","id":"b"}\n', ["Patient", "Patient"]),
        ("fax", b"REFERRAL\n", ["fax"]),
    ],
)
def test_other_formats(tmp_path: Path, format: str, raw: bytes, events: list[str]) -> None:
    async def story() -> None:
        async with watching(tmp_path, format=format) as inbox:
            inbox.put("document", raw)
            await inbox.ends(1)
            assert [a.keys.event for a in inbox.journal.arrivals if a.keys] == events

    run(story())


def test_names_of_any_bytes_and_names_that_come_again(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9\n\x01 CANARY.hl7")
    longest = "n" * 255

    async def story() -> None:
        async with watching(tmp_path) as inbox:
            for number in (1, 2):
                inbox.put(strange, adt(number))
                inbox.put(longest, adt(10 + number))
                await inbox.ends(2 * number)
            assert sorted(inbox.journal.ids) == ["C-1", "C-11", "C-12", "C-2"]
            ended = inbox.ended()
            assert ended[strange] == adt(1)
            assert ended[strange + "~2"] == adt(2)
            assert ended[longest] == adt(11)

    run(story())


@pytest.mark.parametrize("keep", ["delete", "30 days"])
def test_done_files_stay_as_long_as_the_setting_says(tmp_path: Path, keep: str) -> None:
    old = tmp_path / "done" / "2020-01-01"
    old.mkdir(parents=True)
    (old / "past").touch()
    (tmp_path / "done" / "notes").mkdir()

    async def story() -> None:
        async with watching(tmp_path, keep=keep) as inbox:
            inbox.put("a", adt(1))
            inbox.put("b", b"no message")
            await inbox.until(lambda: len(inbox.journal.ids) == 2 and not (tmp_path / "b").exists())
            await inbox.until(lambda: "b" in inbox.ended("refused"))
            if keep == "delete":
                await inbox.until(lambda: list(inbox.ended()) == ["past"])
            else:
                await inbox.until(lambda: list(inbox.ended()) == ["a"])
            assert (tmp_path / "done" / "notes").is_dir()

    run(story())


def test_messages_of_a_file_go_several_at_once_those_of_a_patient_one_by_one(tmp_path: Path) -> None:
    journal = Journal()
    journal.delay = 0.01

    async def story() -> None:
        async with watching(tmp_path, journal, in_flight=8) as inbox:
            inbox.put("many", b"".join(adt(n) for n in range(40)))
            await inbox.ends(1)
            assert journal.ids == [f"C-{n}" for n in range(40)]
            assert 1 < journal.most <= 8
            journal.most = 0
            inbox.put("one", b"".join(adt(n, "same") for n in range(100, 110)))
            await inbox.ends(2)
            assert journal.most == 1

    run(story())


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": "30 weeks"}, {"marker": "done"}, {"lease_seconds": 1}, {"folder": ""}, {"companions": ["json"]},
        {"unknown": 1},
    ],
)  # fmt: skip
def test_settings_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FolderSource.model_validate({"folder": "/x", **wrong})


NAMES = st.text(st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1, max_size=40).filter(
    lambda n: n not in (".", "..")
)


@settings(max_examples=60, deadline=None)
@given(names=st.sets(NAMES, max_size=5))
def test_any_name_is_taken_or_left_and_never_raises(names: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("in")
    for name in names:
        (folder / name).write_bytes(b"x")
    listing = Listing(FolderSource(folder=str(folder), settle_seconds=0))
    found = {f.path.name for f in listing.look()}
    assert {n for n in os.listdir(folder) if n.startswith(".")}.isdisjoint(found)
    assert found <= set(os.listdir(folder))
