"""Several messages in one payload: the batch protocol (FHS/BHS ... BTS/FTS), frames with more than one MSH, and files of
MLLP frames.

HL7 v2.x chapter 2, "HL7 batch protocol". Each message is stored and answered on its own; one answer for two
patients would leave the sender unable to tell which of them was taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from adapters.hl7v2.peek import BOM
from adapters.hl7v2.search import holds
from hie.model import Batch

_CR_START = re.compile(
    rb"(?<=\r)\n*(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s\x80-\xff])"
    # behind a line feed alone (files, one message a line) only a whole header, up to its type: a text may quote one
    rb"|(?<=\n)(?=MSH([^0-9A-Za-z\s\x80-\xff])[^0-9A-Za-z\s\x80-\xff]{1,5}\1(?:(?:(?!\1)[^\r\n])*+\1){6}[A-Z]{3}"
    rb"|(?:FHS|BHS)([^0-9A-Za-z\s\x80-\xff])[^0-9A-Za-z\s\x80-\xff]{1,5}\2|(?:BTS|FTS)[^0-9A-Za-z\s\x80-\xff])"
)
_LF_START = re.compile(rb"(?<=\n)(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s\x80-\xff])")
_FRAME = re.compile(rb"\x0b([^\x0b]*?)\x1c(?=[\r\n\x0b]|\Z)")
_LINE = re.compile(rb"([^\r\n]*)([\r\n]*)(.*)", re.DOTALL)
_ENVELOPE = re.compile(rb"(?:FHS|BHS|BTS|FTS)[^0-9A-Za-z\s\x80-\xff]")
_BLANK = b"\r\n\t \x00\x1c"


def split(raw: bytes) -> Batch:
    """The messages of a payload in order, bytes unchanged. A payload with one message comes back as it is."""
    if raw.startswith(b"MSH") and not holds(raw, b"\rMSH") and not holds(raw, b"\nMSH"):
        return Batch((raw,))
    framed = b"\x0b" in raw
    parts = list(_framed(raw) if framed else _cut(raw))
    messages = tuple(part for part in parts if part.startswith(b"MSH"))
    envelope = [part for part in parts if _ENVELOPE.match(part)]
    header = min((part for part in envelope if part[:3] in (b"BHS", b"FHS")), key=lambda part: part[:3], default=b"")
    if len(messages) < 2 and not header and not framed:
        return Batch((raw,))
    rest = tuple(part for part in parts if not _known(part))
    return Batch(messages, header.strip(b"\r\n"), _complete(part for part in parts if _known(part)), rest)


def _known(part: bytes) -> bool:
    return part.startswith(b"MSH") or _ENVELOPE.match(part) is not None


def _framed(raw: bytes) -> Iterator[bytes]:
    """What the frames of a file of MLLP frames hold, and what lies outside of them."""
    at = 0
    for frame in _FRAME.finditer(raw):
        yield from _outside(raw[at : frame.start()])
        yield from _cut(frame[1])
        at = frame.end()
    yield from _outside(raw[at:])


def _outside(raw: bytes) -> Iterator[bytes]:
    """A frame that never ended stays whole and is no message: half of one would be taken for all of it."""
    text, *fragments = raw.split(b"\x0b")
    yield from _cut(text)
    yield from (b"\x0b" + fragment for fragment in fragments if fragment.strip(_BLANK))


def _cut(raw: bytes) -> Iterator[bytes]:
    """Messages, batch segments and anything else as they follow each other; none of it is blank."""
    body = raw.removeprefix(BOM).lstrip(_BLANK)
    pattern = _CR_START if b"\r" in body else _LF_START
    cuts = [0, *(found.end() for found in pattern.finditer(body)), len(body)]
    for a, b in pairwise(cuts):
        part = body[a:b]
        if _ENVELOPE.match(part):
            part, end, beyond = _LINE.match(part).groups()  # type: ignore[union-attr]
            yield part + end
            part = beyond
        if part.strip(_BLANK):
            yield part


def _complete(parts: Iterable[bytes]) -> bool:
    """Whether every batch has its trailer, and each trailer the count of what came (BTS-1 messages, FTS-1 batches)."""
    messages = batches = total = 0
    batch = file = False
    for part in parts:
        match part[:3]:
            case b"MSH":
                messages, total = messages + 1, total + 1
            case b"FHS":
                file = True
            case b"BHS":
                if batch:
                    return False
                batch, messages = True, 0
            case b"BTS":
                if not _agrees(part, messages):
                    return False
                batch, messages, batches = False, 0, batches + 1
            case b"FTS":
                # some senders count messages here
                if not (_agrees(part, batches) or _agrees(part, total)):
                    return False
                file = False
    return not batch and not file


def _agrees(trailer: bytes, count: int) -> bool:
    stated = trailer.strip(b"\r\n").split(trailer[3:4])[1].strip()
    return not stated.isdigit() or int(stated) == count
