"""The conformance report: what the book and a site's profile ask, and where a message breaks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.conformance.examine import examine
from adapters.hl7v2.conformance.standard import standard
from hie import profile
from hie.conformance import Profile, Report, Severity
from hie.errors import ConfigurationError, DecodeError

MSH = r"MSH|^~\&|LAB|NORTH|HIE|REGION|20240305101530-0500||{0}|1|P|2.5.1"
EVN = "EVN||20240305101530-0500"
PID = "PID|1||448812^^^NORTH^MR||Okafor^Grace||19790412|F"
PV1 = "PV1|1|I"
ORU = (
    MSH.format("ORU^R01^ORU_R01"),
    PID,
    "OBR|1|P1|F1|718-7^Hb^LN|||20240304",
    "OBX|1|NM|718-7^Hb^LN||13.2|g/dL|||||F",
)
ADT = (MSH.format("ADT^A01^ADT_A01"), EVN, PID, PV1)


def one(*lines: str, profile: Profile | None = None) -> Report:
    (report,) = examine("\r".join(lines).encode(), None, profile)
    return report


def found(report: Report, *, notes: bool = False) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in report.findings if notes or f.severity is not Severity.NOTE]


@pytest.mark.parametrize("lines", [ORU, ADT], ids=["result", "admission"])
def test_what_keeps_to_the_book_conforms(lines: tuple[str, ...]) -> None:
    report = one(*lines)
    assert report.conforms
    assert found(report) == []
    assert report.version == "2.5.1"


@pytest.mark.parametrize("file", sorted(Path("adapters/hl7v2/samples").glob("*.hl7")), ids=lambda file: file.name)
def test_what_another_validator_finds_wrong_is_found(file: Path) -> None:
    """hl7apy names the first fault only: where it sees one, the report must have at least an error or a warning."""
    text = "\r".join(line for line in file.read_text("utf-8").splitlines() if not line.startswith("Z"))
    try:
        parse_message(text, validation_level=2, find_groups=True)
        return
    except HL7apyException:
        pass
    except Exception:  # it fails on some messages for reasons of its own
        return
    (report,) = examine(text.encode())
    assert [f for f in report.findings if f.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        (lambda s: [s[0], s[2], s[3]], "segment-missing", "EVN"),
        (lambda s: s[:3], "segment-missing", "PV1"),
        (lambda s: [*s, PV1], "segment-repeats", "PV1[2]"),
        (lambda s: [*s[:3], "OBR|1|P1|F1|718-7^Hb^LN", s[3]], "segment-foreign", "OBR[1]"),
        (lambda s: [s[0], s[1], s[2], s[3], "NK1|1|Okafor^Ann"], "segment-misplaced", "NK1[1]"),
        (lambda s: [*s, "ZPI|1|x"], "segment-local", "ZPI[1]"),
    ],
)
def test_segments(change: Callable[[list[str]], list[str]], code: str, where: str) -> None:
    assert found(one(*change(list(ADT))), notes=True) == [(code, where)]


def test_one_fault_is_one_finding_however_long_the_message() -> None:
    """A misplaced segment must not make all that follows look wrong."""
    lines = [*ORU[:2], "PV2||x", *ORU[2:], *ORU[2:], "SPM|1|||119297000^Blood^SCT", "OBX|1|ST|1^a^L||x||||||F"]
    assert found(one(*lines)) == [("segment-misplaced", "PV2[1]")]


@pytest.mark.parametrize(
    ("segment", "code", "where"),
    [
        ("PID|1||||Okafor^Grace", "field-missing", "PID[1]-3"),
        ("PID|1||448812^^^NORTH^MR||Okafor^Grace||1979-04-12", "value-form", "PID[1]-7.1"),
        ("PID|1||448812^^^NORTH^MR||Okafor^Grace||19790231", "value-form", "PID[1]-7.1"),
        ("PID|1||448812^^^NORTH^MR||Okafor^Grace||19790412|F~M", "field-repeats", "PID[1]-8"),
        ("PID|1||448812^^^NORTH^MR||Okafor^Grace||19790412|F^x", "component-unknown", "PID[1]-8.2"),
        ("PID|1||448812^^^NORTH^MR||Okafor^Grace" + "|" * 60 + "x", "field-unknown", "PID[1]-65"),
        ("PID|1||448812^^^NORTH^MR~7^^^S^SS^^2024-01-01||Okafor^Grace", "value-form", "PID[1]-3[2].7"),
    ],
)
def test_fields(segment: str, code: str, where: str) -> None:
    assert found(one(ADT[0], EVN, segment, PV1)) == [(code, where)]


@pytest.mark.parametrize(
    ("obx", "expected"),
    [
        ("OBX|1|NM|1^a^L||<5||||||F", [("value-form", "OBX[1]-5")]),
        ("OBX|1||1^a^L||5||||||F", [("field-missing", "OBX[1]-2")]),
        ("OBX|1|String|1^a^L||5||||||F", [("value-type-unknown", "OBX[1]-2")]),
        ("OBX|1|SN|1^a^L||<^5||||||F", []),
        ("OBX|1|ST|1^a^L||free text||||||F", []),
        ("OBX|1|CWE|1^a^L||260385009^Negative^SCT||||||F", []),
        ("OBX|1|NM|1^a^L||5|||||", [("field-missing", "OBX[1]-11")]),
    ],
)
def test_a_value_is_of_the_type_that_obx_2_says(obx: str, expected: list[tuple[str, str]]) -> None:
    assert found(one(*ORU[:3], obx)) == expected


def test_the_event_and_the_version_are_checked_first() -> None:
    assert ("structure-name", "MSH-9.3") in found(one(MSH.format("ADT^A08^ADT_A08"), EVN, PID, PV1))
    assert ("event-unknown", "MSH-9") in found(one(MSH.format("ADT^A99"), EVN, PID, PV1))
    old = one(MSH.format("ADT^A01").replace("2.5.1", "2.3.z"), EVN, PID, PV1)
    assert old.version == "2.3"
    assert ("version-unknown", "MSH-12") in found(old)


def test_a_fifth_delimiter_before_version_27() -> None:
    line = MSH.format("ADT^A01^ADT_A01").replace(r"^~\&", r"^~\&#")
    assert found(one(line, EVN, PID, PV1)) == [("delimiters-odd", "MSH-2")]
    assert found(one(line.replace("2.5.1", "2.7"), EVN, PID, PV1)) == []


def test_no_value_of_the_message_is_in_the_report() -> None:
    for finding in one(
        MSH.format("ORU^R01"), "PID|1||S3CRET||S3CRET^S3CRET||S3CRET|S3CRET", "OBX|1|NM|a||S3CRET"
    ).findings:
        assert "S3CRET" not in f"{finding}"


def test_what_has_no_header_is_refused() -> None:
    with pytest.raises(DecodeError):
        list(examine(b"no message"))


PROFILE = """\
profile: north-lab
messages: [ORU^R01]
segments:
  PV1: {usage: R}
  NTE: {usage: X, hint: comments go into OBX}
  OBX: {min: 2, max: 3}
fields:
  PID-3: {usage: R, max: 1}
  PID-3.5: {usage: R, values: [MR]}
  PID-5.1: {length: 5}
  PID-7: {pattern: '\\d{8}'}
  OBX-6: {usage: R, when: OBX-2 in NM}
  OBX-8: {usage: X, when: OBX-11 != F, level: warning}
  MSH-4: {values: [SOUTH]}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "north.yaml"
    file.write_text(PROFILE)
    return file


def test_a_sites_profile(site: Path) -> None:
    lines = (
        ORU[0],
        "PID|1||448812^^^NORTH^PI~7^^^N||Okafor^Grace||197904|F",
        ORU[2],
        "OBX|1|NM|718-7^Hb^LN||13.2||||||F",
        "NTE|1||x",
    )
    report = one(*lines, profile=profile.load(site))
    own = [(f.code, f.where, f.rule) for f in report.findings if f.rule.startswith("north.yaml")]
    assert sorted(own) == sorted(
        [
            ("segment-missing", "PV1", "north.yaml:4"),
            ("segment-not-supported", "NTE", "north.yaml:5"),
            ("segment-missing", "OBX", "north.yaml:6"),
            ("field-repeats", "PID[1]-3", "north.yaml:8"),
            ("value-not-allowed", "PID[1]-3[1].5", "north.yaml:9"),
            ("field-missing", "PID[1]-3[2].5", "north.yaml:9"),
            ("value-long", "PID[1]-5.1", "north.yaml:10"),
            ("value-form", "PID[1]-7", "north.yaml:11"),
            ("field-missing", "OBX[1]-6", "north.yaml:12"),
            ("value-not-allowed", "MSH-4", "north.yaml:14"),
        ]
    )
    assert not report.conforms


def test_a_profile_is_for_the_events_that_it_names(site: Path) -> None:
    report = one(*ADT, profile=profile.load(site))
    assert ("event-not-in-profile", "MSH-9") in found(report)


@pytest.mark.parametrize(
    ("text", "code", "line", "hint"),
    [
        ("just words\n", "bad-profile", 1, "segments"),
        ("profile: x\nfield: {}\n", "unknown-key", 2, "'fields'"),
        ("profile: x\nfields:\n  PID-3: {usages: R}\n", "unknown-key", 3, "'usage'"),
        ("profile: x\nfields:\n  PID: {usage: R}\n", "bad-place", 3, "PID-3"),
        ("profile: x\nfields:\n  PID-3: {usage: C}\n", "bad-predicate", 3, "when"),
        ("profile: x\nfields:\n  PID-3: {usage: R, when: sometimes}\n", "bad-predicate", 3, "present"),
        ("profile: x\nfields:\n  PID-3: {usage: Q}\n", "bad-profile", 3, ""),
        ("profile: x\nfields:\n  PID-3: {pattern: '('}\n", "bad-profile", 3, ""),
        ("profile: x\nsegments:\n  PV1: {min: 3, max: 2}\n", "bad-cardinality", 3, ""),
    ],
)
def test_a_profile_with_a_mistake_says_where(tmp_path: Path, text: str, code: str, line: int, hint: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        profile.load(file)
    assert (caught.value.code, caught.value.line) == (code, line)
    assert hint in caught.value.hint


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2"])
def test_every_version_has_its_tables(version: str) -> None:
    tables = standard(version)
    assert tables.version == version
    assert tables.fields("PID")
    structure = tables.structure("ADT", "A08", "")
    assert structure is not None
    assert "PID" in {child.name for child in structure.children}


PIECES = st.sampled_from(
    [
        "MSH",
        "PID",
        "OBX",
        "OBR",
        "ZZZ",
        "SPM",
        "NTE",
        "|",
        "^",
        "~",
        "&",
        "\\",
        "\r",
        "\n",
        '""',
        "NM",
        "ORU^R01",
        "2.5.1",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=60))
def test_nothing_makes_it_fail(pieces: list[str]) -> None:
    raw = (MSH.format("ORU^R01") + "\r" + "".join(pieces)).encode()
    with suppress(DecodeError):  # a second header that cannot be read
        for report in examine(raw):
            assert report.index >= 0
