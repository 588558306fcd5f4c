"""What cannot be taken ends in `refused` with its reason beside it; one bad message costs that message alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.files.inbox import adt, watching

BATCH = b"FHS|^~\\&|A\rBHS|^~\\&|A\r"


def run(test: Any) -> None:
    asyncio.run(test)


def test_a_file_that_is_no_message(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path) as inbox:
            inbox.put("CANARY.hl7", b"PID|||1||CANARY^JANE\r")
            await inbox.ends(1)
            assert inbox.ended("refused") == {"CANARY.hl7": b"PID|||1||CANARY^JANE\r"}
            note = inbox.note("CANARY.hl7")
            assert note["outcome"] == "refused"
            (why,) = note["refused"]
            assert (why["code"], why["err"], why["where"], why["message"]) == ("AR-100", 100, "MSH", 1)
            assert why["text"] == "the message does not begin with MSH"
            assert why["message_id"] == "20260101-00000001"  # the bytes are in quarantine under this number
            assert "CANARY" not in json.dumps(note)
            assert inbox.meter.counts[("hie_files_total", "north", "refused")] == 1
            assert inbox.meter.counts[("hie_acks_sent_total", "north", "AR")] == 1

    run(story())


def test_empty_and_too_large_files(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(tmp_path, max_file_bytes=1000) as inbox:
            inbox.put("empty", b"")
            inbox.put("blank", b"\r\n\r\n")
            inbox.put("large", adt(1) * 20)
            await inbox.ends(3)
            assert inbox.journal.arrivals == []
            assert inbox.note("empty")["code"] == inbox.note("blank")["code"] == "empty-file"
            assert (inbox.note("large")["code"], inbox.note("large")["err"]) == ("AR-207", 207)

    run(story())


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_one_bad_message_of_a_file_costs_itself(tmp_path: Path, header: bool, framed: bool, end: str) -> None:
    bad = adt(2, end=end).replace(b"ADT^A08", b"QQQ^A08")
    raws = [adt(1, end=end), bad, adt(3, end=end)]
    body = b"".join(b"\x0b" + raw + b"\x1c\r" if framed else raw for raw in raws)
    trailer = b"BTS|3\rFTS|1\r".replace(b"\r", end.encode())
    raw = b"\xef\xbb\xbf" + (BATCH.replace(b"\r", end.encode()) + body + trailer if header else body)

    async def story() -> None:
        async with watching(tmp_path) as inbox:
            inbox.put("day.hl7", raw)
            await inbox.ends(1)
            assert [a.raw for a in inbox.journal.arrivals if a.refusal is None] == [raws[0], raws[2]]
            assert [a.source.partition("#")[2] for a in inbox.journal.arrivals] == ["1", "2", "3"]
            assert inbox.ended("done") == {"day.hl7": raw}
            assert inbox.ended("refused") == {"day.hl7.message-2": bad}
            assert inbox.note("day.hl7.message-2")["code"] == "AR-200"
            note = inbox.note("day.hl7", "done")
            assert (note["outcome"], note["messages"], len(note["refused"])) == ("partly-refused", 3, 1)
            assert "batch" not in note
            assert inbox.meter.counts[("hie_files_total", "north", "partly-refused")] == 1

    run(story())


@pytest.mark.parametrize("trailer", [b"BTS|3\rFTS|1\r", b"FTS|1\r", b""])
def test_a_batch_that_does_not_agree_with_its_counts_is_told(tmp_path: Path, trailer: bytes) -> None:
    async def story() -> None:
        async with watching(tmp_path) as inbox:
            inbox.put("day.hl7", BATCH + adt(1) + adt(2) + trailer)
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1", "C-2"]
            assert "BTS-1" in inbox.note("day.hl7", "done")["batch"]
            assert all("batch-incomplete" in a.flags for a in inbox.journal.arrivals)

    run(story())


def test_what_lies_between_messages_is_kept_and_told(tmp_path: Path) -> None:
    cut = b"\x0bMSH|^~\\&|EHR|N|HIE|R|2026"

    async def story() -> None:
        async with watching(tmp_path) as inbox:
            inbox.put("day.hl7", cut + b"\x0b" + adt(1) + b"\x1c\r")
            await inbox.ends(1)
            assert inbox.journal.ids == ["C-1", "-"]
            assert inbox.ended("refused") == {"day.hl7.message-2": cut}

    run(story())
