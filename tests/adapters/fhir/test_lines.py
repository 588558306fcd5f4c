"""NDJSON: a line, a message."""

from __future__ import annotations

import orjson

from adapters.fhir.lines import split

ONE, TWO = b'{"resourceType":"Patient","id":"a"}', b'{"resourceType":"Patient","id":"b"}'


def test_lines_are_messages() -> None:
    assert split(ONE + b"\n" + TWO + b"\r\n\n").messages == (ONE, TWO + b"\r")
    assert split(b"\xef\xbb\xbf" + ONE + b"\n" + TWO).messages == (ONE, TWO)


def test_a_damaged_line_costs_itself() -> None:
    assert split(ONE + b"\n{broken\n" + TWO).messages == (ONE, b"{broken", TWO)
    assert split(b"{broken\n" + TWO + b"\n").messages == (b"{broken", TWO)


def test_one_body_over_many_lines_is_one_message() -> None:
    for raw in (ONE, ONE + b"\n", orjson.dumps({"resourceType": "Bundle", "a": {}}, option=orjson.OPT_INDENT_2), b"{}"):
        assert split(raw).messages == (raw,)
