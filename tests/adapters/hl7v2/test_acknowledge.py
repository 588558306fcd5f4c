"""Acknowledgements, compared with another implementation's reading of them."""

from __future__ import annotations

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.acknowledge import ACCEPTED, acknowledge, acknowledge_batch, answers
from adapters.hl7v2.peek import header_of
from hie.model import Acknowledgement

REFUSED = Acknowledgement("AR", 203, "MSH-12", "this HL7 version is unknown")


def msh(
    accept: str = "", application: str = "", *, version: str = "2.5.1", control: str = "C-1", charset: str = ""
) -> bytes:
    return (
        f"MSH|^~\\&|EHR|NORTH|HIE|REGION|20260102030405||ADT^A08^ADT_A01|{control}|T|{version}|||{accept}|{application}||{charset}\r"
    ).encode("latin-1")


def codes(accept: str, application: str, outcome: Acknowledgement, mode: str = "sender") -> list[str]:
    return [
        str(hl7.parse(reply.decode())["MSA"][0][1])
        for reply in answers(header_of(msh(accept, application)), outcome, mode)
    ]


def test_fields_of_an_acknowledgement() -> None:
    reply = hl7.parse(acknowledge(header_of(msh(charset="8859/1")), ACCEPTED).decode())
    head = reply["MSH"][0]
    assert [str(head[n]) for n in (3, 4, 5, 6)] == ["HIE", "REGION", "EHR", "NORTH"]
    assert str(head[9]) == "ACK^A08^ACK"
    assert (str(head[11]), str(head[12]), str(head[18])) == ("T", "2.5.1", "8859/1")
    assert 0 < len(str(head[10])) <= 20
    assert (str(reply["MSA"][0][1]), str(reply["MSA"][0][2])) == ("AA", "C-1")


def test_own_control_ids_differ() -> None:
    header = header_of(msh())
    assert len({acknowledge(header, ACCEPTED).split(b"|")[9] for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("accept", "application", "good", "refused"),
    [
        ("", "", ["AA"], ["AR"]),
        ("AL", "NE", ["CA"], ["CR"]),
        ("AL", "", ["CA"], ["CR"]),
        ("AL", "AL", ["CA", "AA"], ["CR"]),
        ("NE", "NE", [], []),
        ("NE", "AL", ["AA"], ["AR"]),
        ("", "AL", ["AA"], ["AR"]),
        ("ER", "NE", [], ["CR"]),
        ("SU", "NE", ["CA"], []),
        ("ER", "ER", [], ["CR"]),
        ("NE", "ER", [], ["AR"]),
        ("SU", "AL", ["CA", "AA"], ["AR"]),
    ],
)
def test_table_0155(accept: str, application: str, good: list[str], refused: list[str]) -> None:
    assert codes(accept, application, ACCEPTED) == good
    assert codes(accept, application, REFUSED) == refused


def test_policies_of_a_source() -> None:
    assert codes("AL", "AL", ACCEPTED, "original") == ["AA"]
    assert codes("NE", "NE", REFUSED, "original") == ["AR"]
    assert codes("", "", ACCEPTED, "commit") == ["CA"]
    assert codes("AL", "AL", ACCEPTED, "none") == []


def test_an_acknowledgement_is_never_acknowledged() -> None:
    header = header_of(b"MSH|^~\\&|A|B|C|D|2026||ACK|X1|P|2.5.1\rMSA|AA|Q\r")
    assert answers(header, ACCEPTED, "original") == []


def test_error_segment_of_newer_versions() -> None:
    segment = hl7.parse(acknowledge(header_of(msh()), REFUSED).decode())["ERR"][0]
    assert str(segment[2]) == "MSH^1^12"
    assert str(segment[3]) == "203^Unsupported version id^HL70357"
    assert str(segment[4]) == "E"
    assert str(segment[7]) == REFUSED.text


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.3.1", "2.4"])
def test_error_segment_of_older_versions(version: str) -> None:
    segment = hl7.parse(acknowledge(header_of(msh(version=version)), REFUSED).decode())["ERR"][0]
    assert str(segment[1]) == "MSH^1^12^203&Unsupported version id&HL70357"


def test_without_a_header_the_answer_is_still_a_message() -> None:
    reply = acknowledge(header_of(b"\x80\x81"), Acknowledgement("AR", 100, "MSH", "no header"))
    parsed = hl7.parse(reply.decode())
    assert (str(parsed["MSH"][0][12]), str(parsed["MSA"][0][1]), str(parsed["MSA"][0][2])) == ("2.5.1", "AR", "")


@given(st.binary(min_size=1, max_size=30).filter(lambda b: not set(b) & set(b"|\r\n\x0b\x1c")))
def test_control_id_returns_byte_for_byte(control: bytes) -> None:
    reply = acknowledge(header_of(msh().replace(b"C-1", control)), ACCEPTED)
    assert reply.split(b"\r")[1].split(b"|")[2] == control


@given(st.sampled_from([("|", "^", "~", "\\", "&"), ("#", "@", "*", "%", "$")]), st.sampled_from(["AA", "AE", "AR"]))
def test_delimiters_of_the_sender(marks: tuple[str, ...], code: str) -> None:
    sep, comp, rep, esc, sub = marks
    raw = f"MSH{sep}{comp}{rep}{esc}{sub}{sep}E{sep}N{sep}H{sep}R{sep}2026{sep}{sep}ADT{comp}A01{sep}Q9{sep}P{sep}2.5\r"
    parsed = hl7.parse(
        acknowledge(header_of(raw.encode()), Acknowledgement(code, 207, "MSH-10", f"a{sep}b{comp}c")).decode()
    )
    assert str(parsed["MSA"][0][2]) == "Q9"
    assert str(parsed["MSH"][0][9]) == f"ACK{comp}A01{comp}ACK"
    assert str(parsed["ERR"][0][2]) == f"MSH{comp}1{comp}10"


def test_batch_of_answers() -> None:
    replies = [acknowledge(header_of(msh(control=name)), ACCEPTED) for name in ("A", "B")]
    raw = acknowledge_batch(b"BHS|^~\\&|EHR|NORTH|HIE|REGION|2026||N|T|B7", replies)
    batch = hl7.parse_batch(raw.decode())
    assert [str(message["MSA"][0][2]) for message in batch] == ["A", "B"]
    segments = raw.split(b"\r")
    assert segments[0].split(b"|")[2:6] == [b"HIE", b"REGION", b"EHR", b"NORTH"]
    assert segments[0].split(b"|")[11] == b"B7"
    assert segments[-2] == b"BTS|2"
