"""The framer: every departure from the protocol, and any split of the same bytes."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2.framing import Empty, Event, Frame, Framer, Junk, State, TooBig, TooMuchJunk, Truncated, frame

A = b"MSH|^~\\&|A\rPID|1\r"
B = b"MSH|^~\\&|B\rPID|2\r"


def events(*chunks: bytes, **limits: int) -> list[Event]:
    framer = Framer(**limits)
    return [event for chunk in chunks for event in framer.feed(chunk)]


def test_two_frames_in_one_read() -> None:
    assert events(frame(A) + frame(B)) == [Frame(A), Frame(B)]


def test_byte_by_byte() -> None:
    assert events(*(bytes([b]) for b in frame(A) + frame(B))) == [Frame(A), Frame(B)]


def test_end_split_between_fs_and_cr() -> None:
    assert events(b"\x0b" + A + b"\x1c", b"\r") == [Frame(A)]


def test_junk_between_frames_is_reported_and_the_second_frame_kept() -> None:
    assert events(frame(A) + b"\r\n\x00junk" + frame(B)) == [Frame(A), Junk(b"\r\n\x00junk", 7), Frame(B)]


def test_start_inside_a_frame_cuts_the_first_off() -> None:
    assert events(b"\x0b" + A + frame(B)) == [Truncated(A, "vt-inside"), Frame(B)]


def test_fs_without_cr_before_the_next_frame() -> None:
    assert events(b"\x0b" + A + b"\x1c" + frame(B)) == [Frame(A, ("fs-without-cr",)), Frame(B)]


def test_fs_without_cr_ends_by_a_pause() -> None:
    framer = Framer()
    assert framer.feed(b"\x0b" + A + b"\x1c") == []
    assert framer.pending_end
    assert framer.pause() == [Frame(A, ("fs-without-cr",))]
    assert framer.feed(frame(B)) == [Frame(B)]


def test_pause_inside_a_frame_ends_nothing() -> None:
    framer = Framer()
    framer.feed(b"\x0b" + A)
    assert framer.pause() == []
    assert framer.feed(b"more\x1c\r") == [Frame(A + b"more")]


def test_fs_lf() -> None:
    assert events(b"\x0b" + A + b"\x1c\n" + frame(B)) == [Frame(A, ("fs-lf",)), Frame(B)]


def test_line_end_after_every_frame_never_reaches_the_junk_limit() -> None:
    found = events(*[frame(A) + b"\n"] * 500, junk_limit=64)
    assert sum(isinstance(event, Frame) for event in found) == 500
    assert not any(isinstance(event, TooMuchJunk) for event in found)


def test_fs_inside_text_is_text() -> None:
    assert events(b"\x0bAB\x1cCD\x1c\x1c\r") == [Frame(b"AB\x1cCD\x1c", ("fs-in-text",))]


@pytest.mark.parametrize("payload", [b"", b"\r", b"\r\n \r"])
def test_a_frame_without_content_is_a_heartbeat(payload: bytes) -> None:
    assert events(frame(payload) + frame(A)) == [Empty(), Frame(A)]


def test_junk_over_the_limit_ends_it() -> None:
    framer = Framer(junk_limit=10)
    assert framer.feed(b"GET / HTTP/1.1\r\n") == [TooMuchJunk(b"GET / HTTP/1.1\r\n", 16)]
    assert framer.state is State.DEAD
    assert framer.feed(frame(A)) == []


def test_size_is_counted_while_reading() -> None:
    framer = Framer(max_frame=1000)
    assert framer.feed(b"\x0b" + A) == []
    found = [event for _ in range(20) for event in framer.feed(b"x" * 100)]
    assert len(found) == 1
    assert isinstance(found[0], TooBig)
    assert found[0].head.startswith(A)
    assert framer.buffered == 0


def test_a_frame_of_exactly_the_limit_passes() -> None:
    assert events(frame(b"x" * 1000), max_frame=1000) == [Frame(b"x" * 1000)]
    assert isinstance(events(frame(b"x" * 1001), max_frame=1000)[0], TooBig)


def test_close_reports_what_was_left() -> None:
    framer = Framer()
    framer.feed(b"\x0b" + A)
    assert framer.close() == [Truncated(A, "closed")]
    framer = Framer()
    framer.feed(b"\x0b" + A + b"\x1c")
    assert framer.close() == [Frame(A, ("fs-without-cr",))]
    framer = Framer()
    framer.feed(b"junk")
    assert framer.close("timeout") == [Junk(b"junk", 4)]


def test_missing_start_is_guessed_only_where_asked() -> None:
    assert Framer().feed(A + b"\x1c\r") == []
    framer = Framer(guess_start=True)
    assert framer.feed(A + b"\x1c\r" + frame(B)) == [Frame(A, ("no-start",)), Frame(B)]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12).map(frame),
            st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", frame(A), b"MSH|", b"\x0bMSH|^~\\&|X\x1c"]),
            st.binary(max_size=6),
        ),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(min_value=0, max_value=200), max_size=10),
    st.booleans(),
)
def test_any_split_gives_the_same_events(data: bytes, cuts: list[int], guess: bool) -> None:
    whole = Framer(max_frame=40, junk_limit=20, guess_start=guess)
    expected = whole.feed(data) + whole.close()
    split = Framer(max_frame=40, junk_limit=20, guess_start=guess)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [event for a, b in itertools.pairwise(edges) for event in split.feed(data[a:b])] + split.close()
    # only how much of a dead stream's end was seen may differ
    strip = [type(event) if isinstance(event, TooBig | TooMuchJunk) else event for event in expected]
    assert [type(event) if isinstance(event, TooBig | TooMuchJunk) else event for event in found] == strip


@settings(max_examples=200)
@given(st.binary(max_size=300).filter(lambda b: b.strip() and b"\x0b" not in b and b"\x1c" not in b))
def test_what_was_framed_comes_back(payload: bytes) -> None:
    assert events(frame(payload)) == [Frame(payload)]


def test_cost_is_linear_even_for_hostile_bytes() -> None:
    """A read full of FS, and a big frame in small reads: both quadratic in a careless framer."""
    begun = time.process_time()
    Framer().feed(b"\x0b" + b"\x1c" * 262_144)
    framer = Framer(max_frame=32_000_000)
    framer.feed(b"\x0b")
    for _ in range(8000):
        framer.feed(b"x" * 1000)
    assert isinstance(framer.feed(b"\x1c\r")[0], Frame)
    assert time.process_time() - begun < 2.0
