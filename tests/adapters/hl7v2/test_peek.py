"""Peek and split: what is read from bytes before anything is stored."""

from __future__ import annotations

import time
from pathlib import Path

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.batch import split
from adapters.hl7v2.peek import Policy, header_of, peek, quirks
from hie.errors import Rejected

HEAD = b"MSH|^~\\&|EHR|NORTH|HIE|REGION|20260102030405||ADT^A08^ADT_A01|C-1|P|2.5.1\r"
PID = b"PID|1||77^^^NORTH&1.2.3&ISO^MR~999^^^SSA^SS||DOE^JANE\r"


def test_keys_of_an_ordinary_message() -> None:
    keys = peek(HEAD + PID)
    assert keys.format == "hl7v2"
    assert keys.control_id == b"C-1"
    assert keys.event == "ADT^A08"
    assert keys.ordering == ("NORTH&1.2.3&ISO|MR|77",)
    assert keys.sender == "EHR|NORTH"
    assert keys.processing == "P"


def test_only_the_first_filled_repetition_of_pid3_orders() -> None:
    assert peek(HEAD + b'PID|1||^^^X^MR~""^^^Y^MR~5^^^Z^PI\r').ordering == ("Z|PI|5",)


def test_senders_before_version_23_put_the_number_into_pid2() -> None:
    assert peek(HEAD + b"PID|1|4711||ALT\r").ordering == ("||4711",)
    assert peek(HEAD + b"PID|1|||ALT\r").ordering == ("||ALT",)
    assert peek(HEAD + b"PID|1\r").ordering == ()
    assert peek(HEAD).ordering == ()


def test_a_merge_has_the_keys_of_both_patients() -> None:
    merge = HEAD.replace(b"ADT^A08^ADT_A01", b"ADT^A40^ADT_A39") + PID + b"MRG|12^^^NORTH^MR\r"
    assert peek(merge).ordering == ("NORTH&1.2.3&ISO|MR|77", "NORTH|MR|12")
    link = HEAD.replace(b"ADT^A08^ADT_A01", b"ADT^A24") + PID + b"PV1|1\r" + b"PID|2||88^^^SOUTH^MR\r"
    assert peek(link).ordering == ("NORTH&1.2.3&ISO|MR|77", "SOUTH|MR|88")


def test_a_result_for_several_patients_has_a_key_for_each() -> None:
    raw = HEAD.replace(b"ADT^A08^ADT_A01", b"ORU^R01") + b"".join(
        b"PID|%d||%d^^^L^MR\rOBX|1\r" % (n, n % 3) for n in range(9)
    )
    assert peek(raw).ordering == ("L|MR|0", "L|MR|1", "L|MR|2")


def test_delimiters_are_the_senders() -> None:
    raw = (
        (HEAD + PID)
        .replace(b"|", b"#")
        .replace(b"^~\\&", b"@*%$")
        .replace(b"^", b"@")
        .replace(b"~", b"*")
        .replace(b"&", b"$")
    )
    keys = peek(raw)
    assert keys.event == "ADT^A08"
    assert keys.ordering == ("NORTH$1.2.3$ISO|MR|77",)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\r\n"])
def test_line_ends_and_byte_order_mark(end: bytes, lead: bytes) -> None:
    keys = peek(lead + (HEAD + PID).replace(b"\r", end))
    assert keys.ordering == ("NORTH&1.2.3&ISO|MR|77",)
    assert keys.control_id == b"C-1"


def test_control_id_byte_for_byte() -> None:
    odd = b" \\T\\caf\xe9^x^"
    assert peek(HEAD.replace(b"C-1", odd)).control_id == odd


@pytest.mark.parametrize(
    ("raw", "ack", "err", "where"),
    [
        (b"PID|1\r", "AR", 100, "MSH"),
        (b"\x80\x81\x82", "AR", 100, "MSH"),
        (b"MSH|\r", "AR", 101, "MSH-2"),
        (b"MSH", "AR", 101, "MSH-1"),
        (HEAD.replace(b"C-1", b""), "AE", 101, "MSH-10"),
        (HEAD.replace(b"ADT^A08^ADT_A01", b""), "AR", 101, "MSH-9"),
        (HEAD.replace(b"ADT^A08^ADT_A01", b"ZZZ^Z99"), "AR", 200, "MSH-9"),
        (HEAD.replace(b"ADT^A08^ADT_A01", b"ADT^08"), "AR", 201, "MSH-9"),
        (HEAD.replace(b"2.5.1", b"9.9"), "AR", 203, "MSH-12"),
    ],
)
def test_refused_on_the_peek_alone(raw: bytes, ack: str, err: int, where: str) -> None:
    with pytest.raises(Rejected) as refused:
        peek(raw)
    assert (refused.value.ack, refused.value.err, refused.value.where) == (ack, err, where)
    assert b"DOE" not in str(refused.value).encode()


def test_a_source_may_take_what_is_refused_by_default() -> None:
    lenient = Policy(unknown_version=True, unknown_type=True, no_control_id=True)
    assert (
        peek(HEAD.replace(b"2.5.1", b"9.9").replace(b"ADT^A08^ADT_A01", b"ZZZ^Z99").replace(b"C-1", b""), lenient).event
        == "ZZZ^Z99"
    )


def test_version_and_processing_may_be_empty_or_composite() -> None:
    assert peek(HEAD.replace(b"|P|2.5.1", b"||")).processing == "P"
    keys = peek(HEAD.replace(b"|P|2.5.1", b"|T^T|2.4^DEU"))
    assert keys.processing == "T"


def test_quirks_of_a_payload() -> None:
    assert quirks(HEAD) == ()
    assert quirks(b"\xef\xbb\xbf" + HEAD.replace(b"\r", b"\n")) == ("bom", "lf-segments")
    assert quirks(HEAD.replace(b"\r", b"\r\n") + b"\x00") == ("crlf-segments", "nul")


@given(st.binary(max_size=400))
def test_never_anything_but_rejected(tail: bytes) -> None:
    for raw in (tail, b"MSH" + tail, HEAD + tail, b"MSH|^~\\&|" + tail):
        header_of(raw)
        split(raw)
        try:
            peek(raw)
        except Rejected:
            continue


@given(
    fields=st.lists(st.text(alphabet="ABCxyz019 .-", max_size=8), min_size=3, max_size=8),
    identifier=st.text(alphabet="0123456789AB", min_size=1, max_size=10),
    separators=st.sampled_from([("|", "^", "~", "\\", "&"), ("#", "@", "*", "%", "$"), ("!", ":", "+", "/", ";")]),
)
def test_agrees_with_python_hl7(fields: list[str], identifier: str, separators: tuple[str, ...]) -> None:
    sep, comp, rep, esc, sub = separators
    application, facility, control = fields[0], fields[1], fields[2].strip() or "Q"
    raw = sep.join(
        [
            "MSH",
            comp + rep + esc + sub,
            application,
            facility,
            "R",
            "RF",
            "20260101",
            "",
            f"ORU{comp}R01",
            control,
            "P",
            "2.5.1",
        ]
    )
    raw += f"\rPID{sep}1{sep}{sep}{identifier}{comp}{comp}{comp}AUTH{comp}MR{rep}2{comp}{comp}{comp}B\r"
    theirs = hl7.parse(raw)
    keys = peek(raw.encode())
    assert keys.control_id.decode() == str(theirs["MSH"][0][10])
    assert keys.event == "^".join((theirs["MSH.F9.R1.C1"], theirs["MSH.F9.R1.C2"]))
    assert keys.ordering == (f"{theirs['PID.F3.R1.C4']}|{theirs['PID.F3.R1.C5']}|{theirs['PID.F3.R1.C1']}",)
    assert keys.sender == f"{theirs['MSH'][0][3]}|{theirs['MSH'][0][4]}"


# -- several messages in one payload


def test_one_message_is_left_as_it_is() -> None:
    assert split(HEAD + PID).messages == (HEAD + PID,)
    assert split(b"PID|1\r").messages == (b"PID|1\r",)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_two_headers_in_one_frame(end: bytes) -> None:
    one, two = (HEAD + PID).replace(b"\r", end), (HEAD + PID).replace(b"C-1", b"C-2").replace(b"\r", end)
    found = split(one + two)
    assert [peek(message).control_id for message in found.messages] == [b"C-1", b"C-2"]
    assert b"".join(found.messages) == one + two
    assert found.header == b""


def test_batch_envelope() -> None:
    found = split(b"FHS|^~\\&|A\rBHS|^~\\&|A|B|C|D|2026||N|T|B1\r" + HEAD + PID + HEAD + PID + b"BTS|2\rFTS|1\r")
    assert len(found.messages) == 2
    assert found.messages[1] == HEAD + PID
    assert found.header == b"BHS|^~\\&|A|B|C|D|2026||N|T|B1"
    assert found.complete


@pytest.mark.parametrize("tail", [b"BTS|3\rFTS|1\r", b"FTS|1\r", b""])
def test_a_batch_that_is_not_whole_is_known_as_such(tail: bytes) -> None:
    found = split(b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + HEAD + PID + HEAD + PID + tail)
    assert len(found.messages) == 2
    assert not found.complete


def test_a_header_inside_a_text_is_no_boundary() -> None:
    raw = HEAD + PID + b"NTE|1||see\nMSH|^~\\&|quoted\r"
    assert split(raw).messages == (raw,)


def test_peek_costs_microseconds() -> None:
    raw = HEAD + PID + b"OBX|1|NM|1-1^A^LN||1|mg\r" * 40
    peek(raw)
    begun = time.process_time()
    for _ in range(2000):
        split(raw)
        peek(raw)
    assert (time.process_time() - begun) / 2000 < 100e-6
    big = HEAD + PID + b"OBX|1|NM|1-1^A^LN||1|mg\r" * 20_000
    begun = time.process_time()
    split(big)
    peek(big)
    assert time.process_time() - begun < 0.05


def test_real_messages_are_read_as_python_hl7_reads_them(corpus: Path) -> None:
    compared = 0
    for path in sorted((corpus / "hl7v2").rglob("*")):
        if path.suffix not in (".hl7", ".txt"):
            continue
        raw = path.read_bytes().translate(None, b"\x0b\x1c")
        for message in split(raw).messages:
            try:
                keys = peek(message)
            except Rejected:
                continue
            first = (
                message.decode("latin-1")
                .lstrip("\xef\xbb\xbf\r\n \t")
                .replace("\r\n", "\r")
                .replace("\n", "\r")
                .split("\r")[0]
            )
            theirs = hl7.parse(first)["MSH"][0]
            assert keys.control_id.decode("latin-1") == str(theirs[10]), path.name
            assert keys.event.split("^")[0] == str(theirs[9]).split(str(theirs[2])[0])[0].strip().upper(), path.name
            compared += 1
    assert compared > 300
