"""Reads, from bytes alone, what must be known before a message is stored: no decoding, no parsing.

Whatever the sender's delimiters and character set are, the header is cut at the separators that MSH itself declares
(HL7 v2.x chapter 2, "message delimiters"). Texts are taken as Latin-1, which keeps every byte; they serve to order
and to address, never as content.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from adapters.hl7v2.search import find, holds
from hie.errors import Rejected
from hie.model import Keys

FORMAT = "hl7v2"
BOM = b"\xef\xbb\xbf"
VERSIONS = frozenset(b"2.0 2.0D 2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())
"""HL7 table 0104."""
TYPES = frozenset(
    b"ACK ADR ADT BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCR CCU CQU CRM CSU CNQ CSU DBC DBU DEL DEO DER DFT DOC DPR DRC "
    b"DRG DSR EAC EAN EAR EDR EHC EQQ ERP ESR ESU INR INU IPC LSR LSU MCF MDM MFD MFK MFN MFQ MFR NMD NMQ NMR NST NST "
    b"OML OMB OMD OMG OMI OMN OMP OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG ORI ORL ORM ORN ORP ORR ORS ORU ORX OSM OSQ "
    b"OSR OSU OUL PEX PGL PIN PMU PPG PPP PPR PPT PPV PRR PTR QBP QCK QCN QRF QRY QSB QSX QVR RAR RAS RCI RCL RDE RDO "
    b"RDR RDS RDY REF RER RGR RGV ROR RPA RPI RPL RPR RQA RQC RQI RQP RQQ RRA RRD RRE RRG RRI RSP RTB SCN SDN SDR SIU "
    b"SLN SLR SMD SPQ SQM SQR SRM SRR SSR SSU STC STI SUR TBR TCR TCU UDM VQQ VTQ VXQ VXR VXU VXX".split()
)
"""HL7 table 0076, as far as version 2.9."""
ANSWERS = frozenset({b"ACK", b"MCF"})
"""An acknowledgement is never acknowledged."""


class Header(NamedTuple):
    """The MSH segment, cut. `fields[n]` is MSH-n (fields[1] is the separator itself), as sent, up to MSH-25 at least."""

    separator: bytes
    component: bytes
    repetition: bytes
    escape: bytes
    subcomponent: bytes
    fields: tuple[bytes, ...]

    def field(self, number: int) -> bytes:
        """MSH-number (1 to 25) as sent, b"" where the segment is shorter."""
        return self.fields[number]

    def first(self, number: int) -> bytes:
        """The first component of MSH-number."""
        return _first(self.fields[number], self.component)

    @property
    def type(self) -> bytes:
        """MSH-9.1, upper case."""
        return _first(self.fields[9], self.component).upper()

    @property
    def event(self) -> str:
        """`ADT^A01` whatever the sender's delimiters; the type alone where no trigger is given."""
        return _event(self.fields[9], self.component)


# few distinct values come over and over: most of the header is looked up instead of cut again
@lru_cache(maxsize=512)
def _first(field: bytes, component: bytes) -> bytes:
    return field.split(component, 1)[0].strip()


@lru_cache(maxsize=512)
def _event(field: bytes, component: bytes) -> str:
    parts = field.split(component)
    kind = parts[0].strip().upper()
    trigger = parts[1].strip().upper() if len(parts) > 1 else b""
    return (kind + b"^" + trigger if trigger else kind).decode("latin-1")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a source tolerates of its sender; the defaults refuse what cannot be answered or understood safely."""

    unknown_version: bool = False
    unknown_type: bool = False
    no_control_id: bool = False


STRICT = Policy()
_MISSING = (b"",) * 25


def read_header(raw: bytes) -> Header:
    """The MSH of a message that begins with it (a byte order mark and blank lines before it are skipped).

    Raises Rejected 100 where there is no MSH, 101 where it is too short to be one.
    """
    if not raw.startswith(b"MSH"):
        raw = raw[:4096].removeprefix(BOM).lstrip(b"\r\n\t \x00").removeprefix(BOM)
        if not raw.startswith(b"MSH"):
            raise Rejected("the message does not begin with MSH", code="no-msh", err=100, where="MSH")
    line = raw[: _line_end(raw)]
    separator = line[3:4]
    if not separator or separator.isalnum() or separator.isspace():
        raise Rejected("MSH declares no field separator", code="no-delimiters", err=101, where="MSH-1")
    parts = line.split(separator)
    marks = parts[1] if len(parts) > 1 else b""
    if not marks or marks[:1].isalnum():
        raise Rejected("MSH declares no encoding characters", code="no-delimiters", err=101, where="MSH-2")
    return Header(
        separator,
        marks[0:1],
        marks[1:2] or b"~",
        marks[2:3],
        marks[3:4] or b"&",
        (b"MSH", separator, *parts[1:], *_MISSING[len(parts) :]),
    )


def header_of(head: bytes) -> Header:
    """The header of bytes that may be cut off or may be no message at all; NOBODY rather than an error."""
    try:
        return read_header(head)
    except Rejected:
        return NOBODY


def check(header: Header, policy: Policy = STRICT) -> None:
    """Raises Rejected for what must be refused on the header alone: 200, 201, 203, 101."""
    problem = _problem(header.fields[9], header.fields[12], header.component, policy)
    if problem:
        raise Rejected(problem[0], code=problem[1], err=problem[2], where=problem[3])
    if not policy.no_control_id and not header.fields[10].strip():
        raise Rejected(
            "without a control id no answer could be matched", code="no-control-id", ack="AE", err=101, where="MSH-10"
        )


@lru_cache(maxsize=512)
def _problem(
    kind_field: bytes, version_field: bytes, component: bytes, policy: Policy
) -> tuple[str, str, int, str] | None:
    kind, _, trigger = _event(kind_field, component).partition("^")
    if not kind:
        return "the message names no type", "no-type", 101, "MSH-9"
    if not policy.unknown_type:
        if kind.encode("latin-1") not in TYPES:
            return "this message type is not in table 0076", "unknown-type", 200, "MSH-9"
        if trigger and not (len(trigger) == 3 and trigger[0].isalpha() and trigger[1:].isalnum()):
            return "the trigger event is not one of table 0003", "unknown-event", 201, "MSH-9"
    version = _first(version_field, component)
    if version and version not in VERSIONS and not policy.unknown_version:
        return "this HL7 version is unknown", "unknown-version", 203, "MSH-12"
    return None


def keys(header: Header, raw: bytes) -> Keys:
    """Everything the journal files a message under. Never raises."""
    processing = _text(header.first(11)).upper()
    return Keys(
        format=FORMAT,
        control_id=header.field(10),
        event=header.event,
        ordering=ordering_keys(header, raw),
        sender=_text(header.field(3) + b"|" + header.field(4)),
        processing=processing or "P",
    )


def peek(raw: bytes, policy: Policy = STRICT) -> Keys:
    """Keys of one complete message (shape of hie.ports.Decoder.peek). Raises Rejected as `read_header` and `check`."""
    header = read_header(raw)
    check(header, policy)
    return keys(header, raw)


def ordering_keys(header: Header, raw: bytes) -> tuple[str, ...]:
    """One key for each patient that the message speaks of, in order of appearance, without repeats.

    A patient is the first filled repetition of PID-3 (then PID-2 and PID-4, for senders before version 2.3), or of
    MRG-1: so a merge waits for, and holds up, both of its patients.
    """
    found: list[str] = []
    for segment, places in ((b"PID", (3, 2, 4)), (b"MRG", (1, 4, 2))):
        for line in _segments(raw, segment + header.separator):
            cut = line.split(header.separator, 5)
            for place in places:
                key = _identifier(cut[place], header) if place < len(cut) else ""
                if key:
                    if key not in found:
                        found.append(key)
                    break
    return tuple(found)


def quirks(raw: bytes) -> tuple[str, ...]:
    """What is odd about the payload as a whole, and tolerated: `bom`, `lf-segments`, `crlf-segments`, `nul`."""
    odd = []
    if raw.startswith(BOM):
        odd.append("bom")
    if holds(raw, b"\n"):
        if holds(raw, b"\r\n"):
            odd.append("crlf-segments")
        elif not holds(raw, b"\r"):
            odd.append("lf-segments")
    if holds(raw, b"\x00"):
        odd.append("nul")
    return tuple(odd)


@lru_cache(maxsize=512)
def _text(field: bytes) -> str:
    return field.decode("latin-1")


def _line_end(raw: bytes) -> int:
    end = raw.find(b"\r")
    if end < 0:
        end = raw.find(b"\n")
        return end if end >= 0 else len(raw)
    feed = raw.find(b"\n", 0, end)
    return feed if feed >= 0 else end


def _segments(raw: bytes, mark: bytes) -> list[bytes]:
    """Every segment that begins with `mark` ("PID|"), without its line end; long ones are cut at 8 KB."""
    found: list[bytes] = []
    for line_start in (b"\r", b"\n"):
        at = find(raw, line_start + mark)
        while at >= 0:
            line = raw[at + 1 : at + 8193]
            found.append(line[: _line_end(line)])
            at = find(raw, line_start + mark, at + 1)
        if found or not holds(raw, b"\n"):
            break
    return found


def _identifier(field: bytes, header: Header) -> str:
    """`authority|type|value` of the first repetition that has a value; HL7's explicit null `""` is none."""
    for repetition in field.split(header.repetition):
        parts = repetition.split(header.component)
        value = parts[0].strip()
        if value and value != b'""':
            authority = parts[3].strip() if len(parts) > 3 else b""
            kind = parts[4].strip() if len(parts) > 4 else b""
            return (authority + b"|" + kind + b"|" + value).decode("latin-1")
    return ""


NOBODY = read_header(b"MSH|^~\\&")
"""The header that is answered where a message has none."""
