"""The ER7 reader: every odd but real framing, delimiter, escape and character set has a defined outcome."""

from __future__ import annotations

import pytest

from adapters.hl7v2.reader import Message, read
from hie.errors import DecodeError

HEAD = "MSH|^~\\&|A|B|C|D|20240101120000-0500||ADT^A01|1|P|2.5.1"


def one(raw: str | bytes, charset: str | None = None) -> Message:
    found = list(read(raw.encode() if isinstance(raw, str) else raw, charset))
    assert len(found) == 1
    return found[0]


def codes(message: Message) -> set[str]:
    return {w.code for w in message.warnings}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segment_ends(end: str) -> None:
    message = one(end.join([HEAD, "PID|1||7", "NTE|1||x", ""]))
    assert [s.name for s in message.segments] == ["MSH", "PID", "NTE"]
    assert message.segments[0].get(12) == "2.5.1"
    assert message.segments[1].get(3) == "7"


def test_byte_order_mark_mllp_bytes_and_blank_lines() -> None:
    message = one(b"\xef\xbb\xbf\x0b\r\n" + HEAD.encode() + b"\r\n\r\nPID|1||7\r\x1c\r")
    assert [s.name for s in message.segments] == ["MSH", "PID"]
    assert message.segments[1].get(3) == "7"


@pytest.mark.parametrize("separator", ["#", "!", "^"])
def test_other_delimiters(separator: str) -> None:
    marks = "*:/&" if separator == "^" else "*^/&"
    text = f"MSH{separator}{marks}{separator}A{separator}B\rPID{separator}1{separator}{separator}7{marks[0]}8"
    message = one(text)
    assert message.field == separator
    assert message.component == "*"
    assert message.segments[1].get(3) == "7*8"


def test_five_encoding_characters_are_fine_and_none_is_a_warning() -> None:
    assert codes(one("MSH|^~\\&#|A|B\rPID|1||7")) == set()
    assert "delimiters-odd" in codes(one("MSH||A|B\rPID|1||7"))


def test_version_does_not_swallow_the_next_line() -> None:
    message = one("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\nPID|1||7")
    assert message.segments[0].get(12) == "2.5"
    assert [s.name for s in message.segments] == ["MSH", "PID"]


def test_msh_as_a_facility_name_is_no_new_message() -> None:
    message = one("MSH|^~\\&|A|MSH|C|D|2024||ADT^A01|1|P|2.5\rPV1|1|I|MSH^1\rOBX|1|TX|a||MSH is a hospital")
    assert [s.name for s in message.segments] == ["MSH", "PV1", "OBX"]


def test_several_messages_and_batch_envelopes() -> None:
    text = "\r".join(["FHS|^~\\&|X", "BHS|^~\\&|X", HEAD, "PID|1||1", HEAD, "PID|1||2", "BTS|2", "FTS|1"])
    found = list(read(text.encode()))
    assert [m.segments[1].get(3) for m in found] == ["1", "2"]
    assert all(s.name in ("MSH", "PID") for m in found for s in m.segments)
    apart = list(read((HEAD + "\rPID|1||1\r\n\n" + HEAD + "\rPID|1||2\r\n").encode()))
    assert len(apart) == 2


def test_line_feed_inside_text_stays_text() -> None:
    message = one(HEAD + "\rOBX|1|TX|a||first line\nsecond line|||N\rNTE|1||x")
    assert [s.name for s in message.segments] == ["MSH", "OBX", "NTE"]
    assert message.segments[1].get(5) == "first line\nsecond line"
    assert message.segments[1].get(8) == "N"
    assert "line-continued" in codes(message)
    only_lf = one(HEAD + "\nOBX|1|TX|a||first line\nsecond line|||N\nNTE|1||x")
    assert only_lf.segments[1].get(5) == "first line\nsecond line"


def test_a_segment_that_is_only_its_name() -> None:
    assert [s.name for s in one(HEAD + "\rNTE\rPID|1||7\rDSC").segments] == ["MSH", "NTE", "PID", "DSC"]


def test_a_pid_glued_to_another() -> None:
    first = "PID|1||7|" + "|" * 35 + "x"
    message = one(HEAD + "\r" + first + "PID|2||8|||||||" + "|" * 10)
    assert [(s.name, s.get(3)) for s in message.segments if s.name == "PID"] == [("PID", "7"), ("PID", "8")]
    assert "segment-glued" in codes(message)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("one\\.br\\two", "one\ntwo"),
        ("a\\.sp2\\b", "a\n\nb"),
        ("ends with \\E\\", "ends with \\"),
        ("\\X0D0A\\x", "x"),
        ("a\\X0D0A\\b", "a\nb"),
        ("a\\X000d\\b", "a\nb"),
        ("\\XC2B5\\g", "µg"),
        ("a\\E\\.br\\E\\b", "a\\.br\\b"),
        ("C:\\temp\\file", "C:\\temp\\file"),
        ("\\H\\bold\\N\\", "bold"),
        ("50 \\", "50 \\"),
    ],
)
def test_escapes(sent: str, meant: str) -> None:
    assert one(HEAD).text(sent) == meant


def test_hexadecimal_of_odd_length_stays_as_sent() -> None:
    message = one(HEAD)
    assert message.text("a\\X0D0\\b") == "a\\X0D0\\b"
    assert "escape-odd" in codes(message)


def test_character_sets() -> None:
    latin = "MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5||||||8859/1\rPID|1||7||M\u00fcller".encode("latin-1")
    assert one(latin).segments[1].get(5) == "Müller"
    silent = "MSH|^~\\&|A|B\rPID|1||7||M\u00fcller \u201cx\u201d".encode("cp1252")
    found = one(silent)
    assert found.segments[1].get(5) == "Müller “x”"
    assert "charset-fallback" in codes(found)
    assert one("MSH|^~\\&|A|B\rPID|1||7||Łódź".encode("iso-8859-2"), "iso-8859-2").segments[1].get(5) == "Łódź"
    wrong = "MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||7||M\u00fcller".encode("latin-1")
    assert "charset-wrong" in codes(one(wrong))
    assert one(wrong).segments[1].get(5) == "Müller"
    assert "charset-damaged" in codes(one("MSH|^~\\&|A|B\rOBX|1|NM|a||1|\ufffdg"))
    assert one(("MSH|^~\\&|A|B\rPID|1||7||Ä").encode("utf-16")).segments[1].get(5) == "Ä"


@pytest.mark.parametrize("raw", [b"", b"hello", b"PID|1||7", b"MSH", b"MSHX|", b"\xff\xfe\x00", b"MSH \r"])
def test_without_a_readable_header_nothing_can_be_said(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        list(read(raw))
    assert caught.value.code == "no-msh"
    assert caught.value.ack == "AR"


def test_one_bad_header_among_several_does_not_lose_the_others() -> None:
    given = read((HEAD + "\rPID|1||1\rMSH\r" + HEAD + "\rPID|1||2").encode())
    assert [next(given).segments[1].get(3), next(given).segments[1].get(3)] == ["1", "2"]
    with pytest.raises(DecodeError):
        next(given)
