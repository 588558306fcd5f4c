"""A lazy ER7 reader: bytes -> messages -> segments -> raw fields. Components are split only where a mapping asks.

Tolerant by construction: any delimiters, CR, LF or CRLF, byte order mark, leftover MLLP bytes, text lines broken by LF,
several messages, batch envelopes. Each tolerance gives a coded warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.hl7v2.charset import to_text, wide
from adapters.hl7v2.escapes import Unescape, unescaper
from hie.errors import DecodeError
from hie.model import Warning

ENVELOPE = frozenset(("FHS", "BHS", "BTS", "FTS"))
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
_SEGMENT_AFTER_LF = re.compile(r"\n+(?=(?:MSH|FHS|BHS|[A-Z][A-Z0-9]{2}\|)[^A-Za-z0-9\s]?)")
_GLUED = re.compile(r"(?:PID|PV1|OBR|OBX|ORC|EVN)\Z")
_WRITTEN_END = re.compile(r"(?:\\r\\n|\\r|\\n)(?=[A-Z][A-Z0-9]{2}[^A-Za-z0-9\s]|\Z)")
"""A segment end written out as backslash and letter, by programs that quoted the message and never unquoted it."""
_ODD_NAME = re.compile(r"[A-Za-z0-9]{2,4}\Z")
_DAMAGED = re.compile(
    r"[!-%'-\]_-{}]{0,3}"  # ASCII without & ^ | ~
    r"(PID|PD1|PV1|PV2|NK1|EVN|MRG|ORC|OBR|OBX|NTE|SPM|TQ1|TXA|SCH|AL1|DG1|PR1|IN1|GT1|FT1|RXA|RXR|RXE|RXO|RXD)\Z",
    re.IGNORECASE,
)
"""A segment name behind stray bytes, or in small letters: a patient must not be lost for one byte."""


def damaged(line: str, separator: str) -> str:
    """The name of the segment that a line with a damaged name is; "" where it is none."""
    found = _DAMAGED.match(line.partition(separator)[0]) if line.count(separator) > 2 else None
    return found[1].upper() if found else ""


_TEXT = {"OBX": 5, "NTE": 3}
"""Segment -> its field of free text, where a line that is no segment belongs."""


class Segment:
    """One segment. `fields[n]` is SEG-n as sent; `ordinal` counts segments of this name in the message from 1."""

    __slots__ = ("fields", "name", "ordinal")

    def __init__(self, name: str, ordinal: int, fields: list[str]) -> None:
        self.name = name
        self.ordinal = ordinal
        self.fields = fields

    def get(self, n: int) -> str:
        """SEG-n as sent; "" where it is absent, empty or the HL7 null `""`."""
        fields = self.fields
        if n < len(fields):
            value = fields[n]
            return "" if value == '""' else value
        return ""

    @property
    def where(self) -> str:
        """The place of the whole segment: `OBX[7]`, `MSH`."""
        return "MSH" if self.name == "MSH" else f"{self.name}[{self.ordinal}]"


class Message:
    """One message: its delimiters, its segments, and what was odd about it."""

    __slots__ = (
        "charset",
        "component",
        "envelope",
        "escape",
        "field",
        "repetition",
        "segments",
        "sub",
        "unescape",
        "warnings",
    )

    def __init__(self, header: str, charset: str) -> None:
        self.field = header[3]
        marks = header[4:].partition(self.field)[0]
        self.component = marks[0] if marks else "^"
        self.repetition = marks[1] if len(marks) > 1 else "~"
        self.escape = marks[2] if len(marks) > 2 else "\\"
        self.sub = marks[3] if len(marks) > 3 else "&"
        self.charset = charset
        self.segments: list[Segment] = []
        self.envelope: list[Segment] = []
        self.warnings: list[Warning] = []
        self.unescape: Unescape = unescaper(self.field, self.component, self.repetition, self.escape, self.sub, charset)
        if len(marks) not in (4, 5):
            self.warnings.append(Warning("delimiters-odd", "MSH-2", "not four or five encoding characters"))

    def text(self, value: str) -> str:
        """A leaf value: escapes resolved, outer blanks gone."""
        if self.escape in value:
            value, odd = self.unescape(value)
            if odd:
                self.warnings.append(
                    Warning("escape-odd", "", "an escape sequence could not be resolved and stays as sent")
                )
        return value.strip()


def read(raw: bytes, default_charset: str | None = None) -> Iterator[Message]:
    """Every message of `raw` in order. Raises DecodeError where there is no readable MSH at all; one bad header among
    several messages is raised after the others were given."""
    start = _header(raw)
    declared = _declared(raw, start)
    text, charset, warnings = to_text(raw[start:] if start >= 0 else raw, declared, default_charset)
    failure: DecodeError | None = None
    given = False
    if "\r" not in text and "\n" not in text and _WRITTEN_END.search(text):
        text = _WRITTEN_END.sub("\r", text)
        warnings.append(Warning("segment-ends-written", "", "segment ends came as backslash and letter"))
    for lines in _messages(text):
        header = next((line for line in lines if line.startswith("MSH")), "")
        if len(header) < 5 or header[3].isalnum() or header[3].isspace():
            failure = _unreadable()
            continue
        message = Message(header, charset)
        message.warnings.extend(warnings)
        warnings = []
        _fill(message, lines)
        given = True
        yield message
    if failure is not None or not given:
        raise failure or _unreadable()


def _unreadable() -> DecodeError:
    text = "there is no readable MSH segment"
    hint = "the message must begin with MSH and its delimiters"
    return DecodeError(text, code="no-msh", ack="AR", err=100, where="MSH", hint=hint)


def _header(raw: bytes) -> int:
    """Offset of the first thing that looks like a segment of ours, behind BOM, MLLP bytes and blank lines; -1: UTF-16."""
    if wide(raw):
        return -1
    lead = len(raw) - len(raw.lstrip(b"\xef\xbb\xbf\x0b\x1c\x00\r\n\t "))
    if raw[lead : lead + 3] in (b"MSH", b"FHS", b"BHS"):
        return lead
    found = re.search(rb"(?:^|[\r\n\x0b\x1c])(?:MSH|FHS|BHS)[^A-Za-z0-9\s]", raw)
    if found is None:
        raise _unreadable()
    return found.start() + (0 if found.start() == 0 and raw[:1] in b"MFB" else 1)


def _declared(raw: bytes, start: int) -> str:
    """MSH-18 of the first MSH, its repetitions parted by `~`."""
    at = raw.find(b"MSH", max(start, 0))
    if start < 0 or at < 0 or at + 4 > len(raw):
        return ""
    line = re.split(rb"[\r\n]", raw[at : at + 4096], maxsplit=1)[0]
    if len(line) < 5:
        return ""
    fields = line.split(line[3:4])
    if len(fields) < 18:
        return ""
    value = fields[17].decode("latin-1")
    return value.partition("^")[0] if len(value) < 60 else ""


def _messages(text: str) -> Iterator[list[str]]:
    """Lines of one message after another; batch envelopes go to the message that follows (or the last)."""
    if "\r" in text:
        text = text.replace("\r\n", "\r")
        if "\n" in text:  # messages parted by LF only, or one segment with the wrong end
            text = _SEGMENT_AFTER_LF.sub("\r", text)
        lines = text.split("\r")
    else:
        lines = text.split("\n")
    current: list[str] = []
    seen = False
    for line in lines:
        head = line[:3] if line[:1].isupper() else line.lstrip()[:3]
        if head == "MSH" and _opens(line):
            if seen:
                yield current
                current = []
            seen = True
        elif head in ("FHS", "BHS") and seen and _opens(line):
            yield current
            current = []
            seen = False
        if line:
            current.append(line)
    if seen or any(line.startswith("MSH") for line in current):
        yield current


def _opens(line: str) -> bool:
    line = line.lstrip()
    return len(line) < 4 or not (line[3].isalnum() or line[3].isspace())


def _fill(message: Message, lines: list[str]) -> None:
    separator = message.field
    counts: dict[str, int] = {}
    last: Segment | None = None
    for line in lines:
        # LF among CR: a broken line of text, or a segment with the wrong end
        parts = line.split("\n") if "\n" in line else [line]
        for part in parts:
            name = part[:3]
            if len(part) > 3 and part[3] == separator:
                known = _NAME.match(name) is not None
            else:
                part = part.strip()
                name = part[:3]
                known = _NAME.match(name) is not None and (len(part) == 3 or part[3] == separator)
            if not known and (hurt := damaged(part, separator)):
                name, known = hurt, True
                message.warnings.append(
                    Warning("segment-name-damaged", name, "a segment name was damaged and was read as this one")
                )
            if not known:
                if not part:
                    if last is not None and len(parts) > 1 and part is not parts[-1]:
                        last.fields[-1] += "\n"
                elif last is None:
                    message.warnings.append(
                        Warning("line-unreadable", "", "a line before the first segment was left out")
                    )
                elif _complete(last) and separator in part and _ODD_NAME.match(part.partition(separator)[0]):
                    message.warnings.append(
                        Warning(
                            "line-unreadable", last.where, "the line behind it has the name of no segment: left out"
                        )
                    )
                else:
                    _continue(message, last, part, separator)
                continue
            if name in ENVELOPE:
                message.envelope.append(Segment(name, 1, [name, separator, *part.split(separator)[1:]]))
                continue
            fields = part.split(separator)
            fields[0] = name
            if name == "MSH":
                fields.insert(1, separator)
            last = _append(message, counts, name, fields)


def _append(message: Message, counts: dict[str, int], name: str, fields: list[str]) -> Segment:
    if name == "PID" and len(fields) > 41:
        for at in range(30, len(fields)):
            if glued := _GLUED.search(fields[at]):
                message.warnings.append(Warning("segment-glued", "PID", "a segment end was missing and was put back"))
                _append(message, counts, name, [*fields[:at], fields[at][: glued.start()]])
                return _append(message, counts, glued.group(0), [glued.group(0), *fields[at + 1 :]])
    ordinal = counts[name] = counts.get(name, 0) + 1
    segment = Segment(name, ordinal, fields)
    message.segments.append(segment)
    return segment


def _complete(segment: Segment) -> bool:
    """Whether a segment has what comes behind its text, so that a further line is no part of it."""
    at = _TEXT.get(segment.name)
    return at is None or len(segment.fields) > at + 1


def _continue(message: Message, last: Segment, part: str, separator: str) -> None:
    """A line that is no segment: the text of the last field goes on (OBX-5 with line feeds)."""
    at = _TEXT.get(last.name, 0)
    if at and len(last.fields) > at + 1 and separator not in part:  # a line behind the whole segment
        last.fields[at] += "\n" + part
        message.warnings.append(Warning("line-continued", last.where, "a line that is no segment was read on as text"))
        return
    pieces = part.split(separator)
    last.fields[-1] += "\n" + pieces[0]
    last.fields.extend(pieces[1:])
    message.warnings.append(Warning("line-continued", last.where, "a line that is no segment was read on as text"))
