"""Files of messages as senders write them: batches with their counts, MLLP frames, any line end, a byte order mark."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.hl7v2.batch import split

BOM = b"\xef\xbb\xbf"


def message(number: int, end: bytes = b"\r") -> bytes:
    return end.join(
        [b"MSH|^~\\&|EHR|N|HIE|R|20260102||ADT^A08|C-%d|P|2.5.1" % number, b"PID|||%d^^^N^MR" % number, b""]
    )


def ids(raw: bytes) -> list[bytes]:
    return [m.split(b"|")[9] for m in split(raw).messages]


def framed(*messages: bytes) -> bytes:
    return b"".join(b"\x0b" + m + b"\x1c\r" for m in messages)


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_messages_one_after_the_other_whatever_lies_between(end: bytes, between: bytes) -> None:
    raw = BOM + between.join([message(1, end), message(2, end), message(3, end)])
    assert ids(raw) == [b"C-1", b"C-2", b"C-3"]


@pytest.mark.parametrize("between", [b"\n", b"\n\n"])
def test_a_last_segment_without_its_return(between: bytes) -> None:
    """One message a line, its segments parted by CR, the line ended by LF."""
    assert ids(between.join(message(n).rstrip(b"\r") for n in (1, 2, 3))) == [b"C-1", b"C-2", b"C-3"]


def test_frames_in_a_file() -> None:
    assert ids(framed(message(1))) == [b"C-1"]
    assert ids(framed(message(1), message(2)) + b"\n") == [b"C-1", b"C-2"]
    assert split(framed(message(1))).messages == (message(1),)
    assert split(framed(message(1), message(2))).rest == ()
    whole = framed(b"FHS|^~\\&|A\rBHS|^~\\&|A\r", message(1), message(2), b"BTS|2\rFTS|1\r")
    assert (ids(whole), split(whole).complete) == ([b"C-1", b"C-2"], True)


def test_a_frame_that_never_ended_is_no_message() -> None:
    found = split(b"\x0b" + message(1)[:40] + framed(message(2)))
    assert found.messages == (message(2),)
    assert found.rest == (b"\x0b" + message(1)[:40],)


def test_what_stands_before_the_first_message_is_told() -> None:
    found = split(b"exported by EHR 4\r" + message(1) + message(2))
    assert len(found.messages) == 2
    assert found.rest == (b"exported by EHR 4\r",)


@pytest.mark.parametrize(
    ("raw", "complete"),
    [
        (b"BHS|^~\\&|A\r" + message(1) + b"BTS|1\r", True),
        (b"BHS|^~\\&|A\r" + message(1) + b"BTS|\r", True),
        (b"BHS|^~\\&|A\r" + message(1) + b"BTS|2\r", False),
        (b"BHS|^~\\&|A\r" + message(1), False),
        (b"BHS|^~\\&|A\r" + message(1) + b"BTS|1\rBHS|^~\\&|B\r" + message(2) + message(3) + b"BTS|2\r", True),
        (b"BHS|^~\\&|A\r" + message(1) + b"BTS|1\rBHS|^~\\&|B\r" + message(2) + b"BTS|2\r", False),
        (b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(1) + message(2) + b"BTS|2\rFTS|1\r", True),
        (b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(1) + message(2) + b"BTS|2\rFTS|2\r", True),
        (b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(1) + message(2) + b"BTS|2\rFTS|7\r", False),
        (b"FHS|^~\\&|A\r" + message(1) + message(2), False),
    ],
)  # fmt: skip
def test_counts_of_batches(raw: bytes, complete: bool) -> None:
    assert split(raw).complete is complete


@example([message(1), message(1), b"BTS", BOM, message(1)])
@given(
    st.lists(
        st.sampled_from([message(1), b"\n", b"\x0b", b"\x1c\r", b"FHS|^~\\&|A\r", b"BTS", b"FTS|9\r", b"MSH", BOM])
    )
)
def test_nothing_is_lost_whatever_is_in_the_file(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    found = split(raw)
    kept = b"".join((*found.messages, *found.rest))
    assert kept.count(b"C-1") == raw.count(b"C-1")
