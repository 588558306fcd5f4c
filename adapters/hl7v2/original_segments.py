"""Stored HL7v2 bytes cut into segments that can be put together again byte for byte.

A segment is a line that begins with a segment id and the sender's field separator; any other line belongs to the
segment before it (a sender that leaves bare line feeds inside a field). Segment ends are CR, LF or CRLF as sent.
Source: HL7 v2.5.1 chapter 2, sections 2.5 and 2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.hl7v2.charset import TABLE_0211
from adapters.hl7v2.reader import damaged
from hie.errors import PermanentRefusal

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_ID = re.compile(rb"[A-Z][A-Z0-9]{2}\Z")
_WRAPPERS = frozenset({b"FHS", b"BHS", b"BTS", b"FTS"})

# MSH-18 (table 0211) sets whose second bytes may look like a delimiter: fields must not be searched bytewise there
_DOUBLE_BYTE = (b"ISO IR", b"ISO 2022", b"GB 18030", b"BIG-5", b"JAS2020", b"SHIFT", b"KS X", b"CNS", b"JIS")

_CODECS = {name: codec for name, codec in TABLE_0211.items() if not name.startswith(("UNICODE UTF-16", "ISO IR"))}


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: `body` without its end, `more` the lines that hang on it, `end` its own segment end."""

    name: str
    ordinal: int
    """1-based among the segments of that name in the message."""
    body: bytes
    end: bytes
    more: bytes = b""

    @property
    def place(self) -> str:
        return self.name if self.name == "MSH" else f"{self.name}[{self.ordinal}]"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as sent: delimiters and segments, the MSH first."""

    field: bytes
    component: bytes
    repetition: bytes
    escape: bytes
    subcomponent: bytes
    segments: tuple[Segment, ...]

    @property
    def charset(self) -> bytes:
        """MSH-18, first repetition, upper case."""
        fields = self.segments[0].body.split(self.field)
        value = fields[17] if len(fields) > 17 else b""
        return value.split(self.repetition)[0].strip().upper() if self.repetition else value.strip().upper()

    @property
    def double_byte(self) -> bool:
        return self.charset.startswith(_DOUBLE_BYTE)

    def escaped(self, text: str, *, components: bool = False) -> bytes:
        """Text of ours in the sender's delimiters, escapes and character set; what the set lacks is written plainly.

        `components=True` keeps `^` as a component separator (a configured `NAME^OID^ISO`).
        """
        codec = _CODECS.get(self.charset.decode("latin-1"), "ascii")
        made = []
        for character in text:
            try:
                raw = character.encode(codec)
            except UnicodeEncodeError:
                raw = _PLAIN.get(character, "?").encode()
            made.append(self._escape_one(raw, components))
        return b"".join(made)

    def _escape_one(self, raw: bytes, components: bool) -> bytes:
        if components and raw == b"^":
            return self.component
        names = {
            self.field: b"F",
            self.component: b"S",
            self.repetition: b"R",
            self.escape: b"E",
            self.subcomponent: b"T",
        }
        if raw and (name := names.get(raw)) is not None:
            return self.escape + name + self.escape if self.escape else b" "
        if raw in (b"\n", b"\r"):
            return self.escape + b".br" + self.escape if self.escape and raw == b"\n" else b" "
        return raw


_PLAIN = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "§": "sec. ", "\xa0": " ", "…": "..."}


def read(raw: bytes) -> Message:
    """Stored bytes -> Message. A byte order mark and batch wrappers around a single message are left off.

    Raises PermanentRefusal: `original-not-hl7v2`, `original-batch`.
    """
    start = raw.removeprefix(_BOM).lstrip(b"\r\n\x0b\t ")
    if start[:3] in _WRAPPERS:
        found = re.search(rb"[\r\n]MSH", start)
        start = start[found.start() + 1 :] if found else b""
    if start[:3] != b"MSH" or len(start) < 8:
        raise PermanentRefusal(
            "the stored message is not HL7 v2, so it cannot be forwarded as it came",
            code="original-not-hl7v2",
            hint="give this subscriber the format rendered or bundle",
        )
    field = start[3:4]
    if field.isalnum() or field in b"\r\n":
        raise PermanentRefusal("MSH-1 is no usable field separator", code="original-not-hl7v2")
    marks = re.split(rb"[\r\n]", start[4:10].split(field)[0])[0].ljust(4, b"\0")
    component, repetition, escape, subcomponent = (marks[i : i + 1].strip(b"\0") for i in range(4))
    segments = tuple(_segments(start, field))
    if sum(s.name == "MSH" for s in segments) > 1:
        raise PermanentRefusal(
            "the stored bytes hold several messages: they are never forwarded as one",
            code="original-batch",
            hint="let the intake split batches, or use the format rendered",
        )
    return Message(field, component, repetition, escape, subcomponent, segments)


def _segments(raw: bytes, field: bytes) -> list[Segment]:
    found: list[Segment] = []
    counts: dict[str, int] = {}
    for line in _LINE.finditer(raw):
        body, end = line.groups()
        if not body and not end:
            break
        start = body.lstrip()
        text = start[:3].decode("latin-1")
        if not (_ID.match(start[:3]) and start[3:4] in (field, b"")):
            text = damaged(
                start.decode("latin-1"), field.decode("latin-1")
            )  # as the decoder reads it, or a mask misses it
        if text:
            if start[:3] in _WRAPPERS:
                continue
            counts[text] = counts.get(text, 0) + 1
            found.append(Segment(text, counts[text], body, end))
        elif found:
            last = found[-1]
            found[-1] = Segment(last.name, last.ordinal, last.body, last.end, last.more + body + end)
    return found


def blank_field(message: Message, body: bytes, number: int) -> bytes:
    """The segment without the value of field `number`. In double-byte sets everything from that field on goes: a
    second byte may look like a separator, and too little is the safe side."""
    fields = body.split(message.field)
    if number >= len(fields):
        return body
    if message.double_byte:
        return message.field.join(fields[:number])
    fields[number] = b""
    return message.field.join(fields)


def set_field(message: Message, body: bytes, number: int, value: bytes) -> bytes:
    """The segment with field `number` (list position: MSH-5 is 4, PD1-12 is 12) set, extended where it was shorter."""
    fields = body.split(message.field)
    fields += [b""] * (number + 1 - len(fields))
    fields[number] = value
    return message.field.join(fields)
