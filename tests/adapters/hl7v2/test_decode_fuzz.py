"""Mutated messages: no exception but DecodeError, always valid R4, no segment that nobody accounts for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.hl7v2.decode import decode
from hie.errors import DecodeError
from hie.fhir.validate import issues
from hie.model import FeedContext

SEEDS = [path.read_bytes() for path in sorted((Path(__file__).parent / "golden").glob("*.hl7"))]
BITS = st.sampled_from([b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b'""', b"", b"\xff", b"\xc2\xb5", b"PID|", b"OBX|1|NM|", b"MSH|^~\\&|", b"99999999999999999999", b"-0", b"1e5", b"\\X4\\", b"\0", b" ", b"20240230", b"nan"])  # fmt: skip
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 40), BITS)


def check(raw: bytes) -> None:
    try:
        found = list(decode(raw, FeedContext(timezone="America/New_York")))
    except DecodeError:
        return
    for record in found:
        assert issues(record.resources) == []
        assert not [w.where for w in record.warnings if w.code == "segment-failed"]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SEEDS), st.lists(EDIT, min_size=1, max_size=8))
def test_mutations(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    raw = seed
    for place, length, new in edits:
        at = int(place * len(raw))
        raw = raw[:at] + new + raw[at + length :]
    check(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    check(raw)
    check(b"MSH|^~\\&|" + raw)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_segments_in_any_order(seed: bytes, random: object) -> None:
    first, *rest = seed.rstrip(b"\n").split(b"\n")
    random.shuffle(rest)  # type: ignore[attr-defined]
    check(b"\r".join([first, *rest]))


@pytest.mark.parametrize("size", [200_000])
def test_a_very_long_message_takes_bounded_time(size: int) -> None:
    check(b"MSH|^~\\&|A|B\rPID|1||1\rOBX|1|TX|a||" + b"~" * size)
    check(b"MSH|^~\\&|A|B\rPID|1||" + b"&^" * (size // 2))
    check(b"MSH|^~\\&|A|B\r" + b"PID|1||7\r" * 2000)
