"""Odd but real: framing, delimiters, header, escapes, character sets, segments and times of results, each with its outcome."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.hl7v2.decode import decode
from hie.errors import DecodeError
from hie.fhir.validate import issues
from hie.model import FeedContext, Record
from tests.adapters.hl7v2.sample import PID, codes, every, header, lost, only, record

OBR = "OBR|1|P1|F1|718-7^Hb^LN|||20240304|||||||||||||||20240304120000-0500||LAB|F"
EASTERN = FeedContext(timezone="America/New_York")


def obx(value: str, kind: str = "ST", unit: str = "", code: str = "718-7^Hb^LN") -> str:
    return f"OBX|1|{kind}|{code}||{value}|{unit}|||||F"


def read(raw: bytes, context: FeedContext | None = None) -> list[Record]:
    found = list(decode(raw, context or FeedContext()))
    for one in found:
        assert issues(one.resources) == []
        assert not [w for w in one.warnings if w.code in ("segment-failed", "element-removed")]
    return found


def values(found: Record) -> list[Any]:
    """Texts of the observations, in order."""
    return [one.get("valueString") for one in every(found, "Observation")]


LINES = (header(), PID, OBR, obx("fine"))


# -- framing, delimiters, header -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\\r", "\\n", "\\r\\n"], ids=repr)
def test_segment_ends_even_written_out(end: str) -> None:
    (found,) = read(end.join(LINES).encode())
    assert values(found) == ["fine"]
    assert codes(found) == ({"segment-ends-written"} if end[0] == "\\" else set())


def test_ends_mixed_within_one_message() -> None:
    (found,) = read("{}\n{}\r{}\r\n{}\n".format(*LINES).encode())
    assert values(found) == ["fine"]
    assert only(found, "MessageHeader")["eventCoding"]["code"] == "R01"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + "\r".join(LINES).encode(),
        b"\x0b" + "\r".join(LINES).encode() + b"\r\x1c\r",
        b"\r\n\r\n" + "\r\n".join(LINES).encode(),
        b"Subject: results\r\n\r\n" + "\r\n".join(LINES).encode(),
    ],
    ids=["byte order mark", "MLLP bytes", "blank lines", "a line before"],
)
def test_what_stands_around_a_message_is_no_part_of_it(raw: bytes) -> None:
    (found,) = read(raw)
    assert values(found) == ["fine"]


@pytest.mark.parametrize("mark", ["#", "!", "^"])
def test_other_field_separators(mark: str) -> None:
    text = "\r".join(LINES)
    text = text.replace("^", "$") if mark == "^" else text
    (found,) = read(text.replace("|", mark).encode())
    assert only(found, "Observation")["code"]["coding"][0]["code"] == "718-7"


def test_five_encoding_characters_in_a_version_that_knows_four() -> None:
    found = record(header().replace(r"^~\&", r"^~\&#"), PID, OBR, obx("fine"))
    assert values(found) == ["fine"]
    assert codes(found) == set()


@pytest.mark.parametrize("version", ["2.3.z", "", "1.0", "2.1", "2.8.2"])
def test_any_version(version: str) -> None:
    found = record(header().removesuffix("2.5.1") + version, PID, OBR, obx("fine"))
    assert values(found) == ["fine"]


@pytest.mark.parametrize("event", ["ORU^", "ORU", "ORU^R01^ORU_R01", "^^ORU_R01"])
def test_a_type_with_or_without_event_and_structure(event: str) -> None:
    found = record(header(event), PID, OBR, obx("fine"))
    assert only(found, "DiagnosticReport")["result"]


def test_a_file_of_several_messages_and_a_batch() -> None:
    text = "\r".join([*LINES, "", header(control="2"), PID, OBR, obx("second")])
    assert [values(one) for one in read(text.encode())] == [["fine"], ["second"]]
    batch = "\r".join([r"FHS|^~\&|LAB", r"BHS|^~\&|LAB", text, "BTS|2", "FTS|1"])
    assert [values(one) for one in read(batch.encode())] == [["fine"], ["second"]]


def test_msh_as_a_name_is_no_message() -> None:
    found = record(header().replace("NORTH", "MSH"), PID.replace("NORTH", "MSH"), OBR, obx("see the\nMSH building"))
    assert values(found) == ["see the\nMSH building"]


@pytest.mark.parametrize("raw", [b"", b"MSH", b"MSH|", b"hello", b'{"resourceType":"Bundle"}', b"msh|^~\\&|a"])
def test_without_a_readable_header_the_refusal_has_a_name(raw: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        read(raw)
    assert (refused.value.code, refused.value.ack) == ("no-msh", "AR")


# -- segments ------------------------------------------------------------------------------------------------------


def test_a_segment_that_is_only_its_name_makes_nothing() -> None:
    found = record(header(), PID, "PV1", "PV1|", OBR, "NTE", "OBX", "OBX|2", obx("fine"))
    assert values(found) == ["fine"]
    assert not every(found, "Encounter")


def test_a_line_feed_within_a_value_is_a_line_of_it() -> None:
    found = record(header(), PID, OBR, obx("one\ntwo\n\nfour"), obx("next"))
    assert values(found) == ["one\ntwo\n\nfour", "next"]
    assert codes(found) == {"line-continued"}


def test_a_line_behind_a_whole_result_joins_its_text_and_spoils_no_other_field() -> None:
    found = record(header(), PID, OBR, obx("one"), "two")
    assert values(found) == ["one\ntwo"]
    assert only(found, "Observation")["status"] == "final"


def test_a_line_with_an_impossible_name_is_left_out_with_a_word_and_a_segment_of_the_site_is_listed() -> None:
    found = record(header(), PID, OBR, obx("fine"), "XY|1|secret", "ZZ9|1|site")
    assert ("line-unreadable", "OBX[1]") in {(w.code, w.where) for w in found.warnings}
    assert "ZZ9[1]-2" in lost(found)
    assert (values(found), only(found, "Observation")["status"]) == (["fine"], "final")


def test_a_comment_belongs_to_what_it_follows() -> None:
    lines = [header(), PID, "NTE|1||of the patient", "PV1|1|O", "NTE|1||of the visit", "ORC|RE|P1|F1", "NTE|1||of the order",
             OBR, "NTE|1||of the request", obx("fine"), "NTE|1||of the result", "SPM|1|S1||BLD", "NTE|1||of the specimen"]  # fmt: skip
    found = record(*lines)
    said = {o["valueString"]: o for o in every(found, "Observation")}
    assert said["fine"]["note"] == [{"text": "of the result"}]
    assert only(found, "ServiceRequest")["note"] == [{"text": "of the order"}, {"text": "of the request"}]
    assert only(found, "Specimen")["note"] == [{"text": "of the specimen"}]
    assert "focus" not in said["of the patient"]
    assert said["of the visit"]["encounter"]


def test_a_result_behind_its_specimen_is_a_result() -> None:
    found = record(header(), PID, OBR, "SPM|1|S1||BLD", obx("fine"))
    result = only(found, "Observation")
    assert only(found, "DiagnosticReport")["result"] == [{"reference": f"Observation/{result['id']}"}]
    assert result["specimen"]["reference"].startswith("Specimen/")


def test_two_orders_keep_their_own_results() -> None:
    found = record(header(), PID, OBR, obx("a"), OBR.replace("F1", "F2"), obx("b"), obx("c"))
    assert [len(report["result"]) for report in every(found, "DiagnosticReport")] == [1, 2]


@pytest.mark.parametrize("kind", ["", "String", "ZZ"])
def test_a_type_that_is_empty_or_unknown(kind: str) -> None:
    found = record(header(), PID, OBR, obx("plain ^ text & more", kind))
    assert values(found) == ["plain ^ text & more"]
    assert codes(found) == {"obx-2-unknown" if kind else "obx-2-missing"}


def test_types_of_older_versions_in_newer_ones() -> None:
    lines = (obx("20240304081500-0500", "TS"), obx("A^Alpha^99LAB", "CE"))
    found = record(header().replace("2.5.1", "2.7"), PID, OBR, *lines)
    first, second = every(found, "Observation")
    assert first["valueDateTime"] == "2024-03-04T08:15:00-05:00"
    assert second["valueCodeableConcept"]["coding"][0]["code"] == "A"


def test_a_document_in_an_observation() -> None:
    found = record(header(), PID, OBR, obx("LAB^application^pdf^Base64^JVBERi0xLjQK", "ED", code="PDF^Report^L"))
    attachment = only(found, "DocumentReference")["content"][0]["attachment"]
    assert attachment == {"contentType": "application/pdf", "data": "JVBERi0xLjQK", "title": "Report"}


def test_a_document_without_data_stays_as_its_words() -> None:
    found = record(header(), PID, OBR, obx("see paper chart", "ED"))
    assert values(found) == ["see paper chart"]
    assert codes(found) == {"attachment-damaged"}


# -- escapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "meant", "warned"),
    [
        (r"one\.br\two\.br\\.br\four", "one\ntwo\n\nfour", False),
        (r"a \T\ b \S\ c \F\ d \R\ e", "a & b ^ c | d ~ e", False),
        (r"ends with \E" + "\\", "ends with \\", False),
        ("ends with \\", "ends with \\", False),
        (r"a\X0D0A\b", "a\nb", False),
        (r"a\X000d\b", "a\nb", False),
        (r"a\X0D0\b", r"a\X0D0\b", True),
        (r"a\E\.br\E\b", r"a\.br\b", False),
        (r"a\Zbold\b", r"a\Zbold\b", True),
        (r"a\C2842\b", r"a\C2842\b", True),
        (r"a\M244241\b", r"a\M244241\b", True),
        (r"C:\Users\lab", r"C:\Users\lab", False),
        (r"\H\high\N\ normal", "high normal", False),
        ("<p>A & B ^ C</p>&nbsp;~<br/>", "<p>A & B ^ C</p>&nbsp;~<br/>", False),
    ],
)
def test_escapes_in_a_value_and_in_a_comment(sent: str, meant: str, warned: bool) -> None:
    found = record(header(), PID, OBR, obx(sent, "FT"), f"NTE|1||{sent}")
    assert values(found) == [meant]
    if "~" not in sent:  # in a comment it parts the lines, markup or not
        assert only(found, "Observation")["note"] == [{"text": meant}]
    assert codes(found) == ({"escape-odd"} if warned else set())


# -- character sets ------------------------------------------------------------------------------------------------


def with_charset(name: str, value: str) -> str:
    return "\r".join((header() + "|" * 6 + name, PID, OBR, obx(value)))


@pytest.mark.parametrize(
    ("raw", "value", "warned"),
    [
        (with_charset("UNICODE UTF-8", "5 µg").encode(), "5 µg", set()),
        (with_charset("8859/1", "5 µg").encode("latin-1"), "5 µg", set()),
        (with_charset("8859/1", "5 µg").encode(), "5 µg", {"charset-wrong"}),
        (with_charset("", "5 µg – high").encode("cp1252"), "5 µg – high", {"charset-wrong", "charset-fallback"}),
        (with_charset("", "5 µg").encode("utf-16"), "5 µg", set()),
        (with_charset("", "5 µg").encode("utf-16-le"), "5 µg", set()),
        (with_charset("~ISO IR87", "山田").encode("iso2022_jp"), "山田", set()),
        (with_charset("", "山田").encode("iso2022_jp"), "山田", {"charset-fallback"}),
        (with_charset("KLINGON", "5 µg").encode(), "5 µg", {"charset-unknown"}),
        (with_charset("", "5 \ufffdg").encode(), "5 \ufffdg", {"charset-damaged"}),
        (with_charset("", "5 Âµg").encode(), "5 Âµg", {"charset-doubtful"}),
    ],
)
def test_character_sets(raw: bytes, value: str, warned: set[str]) -> None:
    (found,) = read(raw)
    assert values(found) == [value]
    assert codes(found) == warned


# -- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "value", "warned"),
    [
        ("1987", "1987", ""),
        ("199911", "1999-11", ""),
        ("20240304", "2024-03-04", ""),
        ("202403040815+0215", "2024-03-04T08:15:00+02:15", "offset-odd"),
        ("20240304081530.1234-0500", "2024-03-04T08:15:30.1234-05:00", ""),
        ("20240304232500-0500", "2024-03-04T23:25:00-05:00", ""),
        ("2024030408", "2024-03-04", "time-hour-only"),
        ("202403040815", "2024-03-04", "time-without-zone"),
    ],
)
def test_times_keep_precision_and_offset(sent: str, value: str, warned: str) -> None:
    found = record(header(stamp="20240305"), PID, OBR, f"OBX|1|ST|718-7^Hb^LN||a||||||F|||{sent}")
    result = only(found, "Observation")
    assert result["effectiveDateTime"] == value
    assert ({warned} if warned else set()) == codes(found) - {"time-not-instant"}
    if warned in ("time-hour-only", "time-without-zone"):
        assert result["_effectiveDateTime"]["extension"][0]["valueString"] == sent


@pytest.mark.parametrize("sent", ["00000000", "00010101000000", "20240231", "2024-03-04", "unknown"])
def test_what_is_no_time_is_listed_and_made_into_none(sent: str) -> None:
    found = record(header(), PID, OBR, f"OBX|1|ST|718-7^Hb^LN||a||||||F|||{sent}")
    assert "OBX[1]-14" in lost(found)
    assert "time-invalid" in codes(found)
    assert only(found, "Observation")["effectiveDateTime"] == "2024-03-04"  # that of OBR-7


@pytest.mark.parametrize(
    ("sent", "offset", "doubt"),
    [("202401150815", "-05:00", False), ("202407150815", "-04:00", False), ("202403100230", "", True), ("202411030130", "", True)],
)  # fmt: skip
def test_the_zone_of_the_feed_is_marked_and_a_clock_that_changes_is_doubted(
    sent: str, offset: str, doubt: bool
) -> None:
    line = f"OBX|1|ST|718-7^Hb^LN||a||||||F|||{sent}"
    found = record(header(stamp="20240305"), PID, OBR, line, context=EASTERN)
    result = only(found, "Observation")
    assert result["effectiveDateTime"].endswith(offset)
    assert {"url": "urn:hie:derived-offset", "valueBoolean": True} in result["_effectiveDateTime"]["extension"]
    assert ("time-dst-doubt" in codes(found)) is doubt


# -- values and what stands beside them ------------------------------------------------------------------------------


def test_a_number_keeps_its_digits() -> None:
    found = record(header(), PID, OBR, obx("5.00", "NM", "mg/dL"), obx("+0.50", "NM"), obx("007", "NM"))
    assert [str(o["valueQuantity"]["value"]) for o in every(found, "Observation")] == ["5.00", "0.50", "7"]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("3.5-5.0", 3.5, 5.0),
        ("3.5 - 5.0", 3.5, 5.0),
        ("(3.5-5.0)", 3.5, 5.0),
        ("3.5-5.0 mg/dL", 3.5, 5.0),
        ("-10--5", -10, -5),
        ("<5", None, 5),
        ("<= 5", None, 5),
        (">=10", 10, None),
        ("Male: 1-3", None, None),
        ("5-3", None, None),
        ("1:8", None, None),
    ],
)
def test_ranges(text: str, low: float | None, high: float | None) -> None:
    found = record(header(), PID, OBR, f"OBX|1|NM|718-7^Hb^LN||4|mg/dL|{text}||||F")
    (made,) = only(found, "Observation")["referenceRange"]
    assert made["text"] == text
    assert made.get("low", {}).get("value") == low
    assert made.get("high", {}).get("value") == high


@pytest.mark.parametrize(
    ("value", "flag", "contradicts"),
    [("4", "N", False), ("9", "H", False), ("9", "N", True), ("4", "H", True), ("1", "H", True), ("9", "A", False)],
)
def test_a_flag_that_contradicts_value_and_range_is_told_and_all_are_kept(
    value: str, flag: str, contradicts: bool
) -> None:
    found = record(header(), PID, OBR, f"OBX|1|NM|718-7^Hb^LN||{value}|mg/dL|3.5-5.0|{flag}|||F")
    assert ("contradiction" in codes(found)) is contradicts
    assert only(found, "Observation")["interpretation"][0]["coding"][0]["code"] == flag


@pytest.mark.parametrize(
    ("sent", "unit", "code"),
    [
        ("mg/dL", "mg/dL", None),
        ("mg/dL^^UCUM", "mg/dL", "mg/dL"),
        ("10*3/uL^^UCUM^Thousand/uL^^L", "Thousand/uL", "10*3/uL"),
        ("K/uL^thousand^L^10*3/uL^^UCUM", "thousand", "10*3/uL"),
    ],
)
def test_units(sent: str, unit: str, code: str | None) -> None:
    found = record(header(), PID, OBR, obx("5", "NM", sent))
    made = only(found, "Observation")["valueQuantity"]
    assert (made["unit"], made.get("code")) == (unit, code)
    assert made.get("system") == ("http://unitsofmeasure.org" if code else None)


def test_a_component_of_a_unit_without_a_place_is_listed_at_every_result() -> None:
    line = obx("5", "NM", "K/uL^thousand^L^10*3/uL^^UCUM")
    found = record(header(), PID, OBR, line, line)
    assert {"OBX[1]-6.1", "OBX[2]-6.1"} <= lost(found)


@pytest.mark.parametrize(
    ("sent", "unit"),
    [
        ("10^3/uL", {"unit": "10^3/uL"}),
        ("x10^9/L", {"unit": "x10^9/L"}),
        ("10^3/uL^10^3/uL", {"unit": "10^3/uL"}),
        ("10*3/uL^10^3/uL^UCUM", {"unit": "10^3/uL", "system": "http://unitsofmeasure.org", "code": "10*3/uL"}),
        ("10*3/uL^thousand^UCUM", {"unit": "thousand", "system": "http://unitsofmeasure.org", "code": "10*3/uL"}),
    ],
)
def test_a_power_of_ten_with_its_caret_unescaped_is_one_unit(sent: str, unit: dict[str, str]) -> None:
    found = record(header("ORU^R01"), PID, f"OBX|1|NM|6690-2^WBC^LN||12.4|{sent}|||||F")
    assert only(found, "Observation")["valueQuantity"] == {"value": 12.4, **unit}
    assert not lost(found)
    told = ("delimiter-unescaped", "OBX[1]-6") in {(w.code, w.where) for w in found.warnings}
    assert told is ("10^3" in sent or "10^9" in sent)


def test_an_appointment_at_the_end_of_time_keeps_its_start() -> None:
    found = record(
        header("SIU^S12"),
        "SCH|1|2||||1^x||90000|min|^^^99991231235900-0500",
        PID,
        "RGS|1",
        "AIS|1||X^y^L|99991231235900-0500",
    )
    assert only(found, "Appointment")["start"].startswith("9999-12-31")


def test_two_drugs_of_one_order_by_one_prescriber() -> None:
    person = "1234567893^Haddad^Leila"
    rxe = f"RXE||860975^Metformin^RXNORM|500||mg||||G|60|TAB|3|{person}||RX-881"
    found = record(header("RDE^O11"), f"ORC|NW|P400^EHR|F400^RX||||CM||||20240305100000-0500|||{person}", PID, rxe, rxe)
    assert "segment-failed" not in codes(found)
    assert only(found, "Practitioner")["name"][0]["family"] == "Haddad"
    alone = record(header("RDE^O11"), f"ORC|NW|P400^EHR|F400^RX||||CM||||20240305100000-0500|||{person}", PID, rxe)
    assert only(alone, "Practitioner")["name"][0]["family"] == "Haddad"
    assert "element-removed" not in codes(alone)
