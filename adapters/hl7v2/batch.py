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
from hie.model import Batch

_CR_START = re.compile(
    rb"(?<=\r)\n*(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s])"
    # behind a line feed alone only what declares its delimiters, or closes a batch: a text may begin a line with MSH
    rb"|(?<=\n)(?=(?:MSH|FHS|BHS)([^0-9A-Za-z\s])[^0-9A-Za-z\s]{1,5}\1|(?:BTS|FTS)[^0-9A-Za-z\s])"
)
_LF_START = re.compile(rb"(?<=\n)(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s])")
_FRAME = re.compile(rb"\x0b([^\x0b]*?)\x1c(?=[\r\n\x0b]|\Z)")
_BLANK = b"\r\n\t \x00\x1c"


def split(raw: bytes) -> Batch:
    """The messages of a payload in order, bytes unchanged. A payload with one message comes back as it is."""
    if raw.startswith(b"MSH") and b"\rMSH" not in raw and b"\nMSH" not in raw:
        return Batch((raw,))
    framed = b"\x0b" in raw
    parts = list(_framed(raw) if framed else _cut(raw))
    messages = tuple(part for part in parts if part.startswith(b"MSH"))
    header = next((p for p in parts if p.startswith(b"BHS")), b"") or next(
        (p for p in parts if p.startswith(b"FHS")), b""
    )
    if len(messages) < 2 and not header and not framed:
        return Batch((raw,))
    rest = tuple(part for part in parts if part[:3] not in _SEGMENTS)
    return Batch(messages, header.strip(b"\r\n"), _complete(parts), rest)


_SEGMENTS = frozenset({b"MSH", b"FHS", b"BHS", b"BTS", b"FTS"})


def _framed(raw: bytes) -> Iterator[bytes]:
    """What the frames of a file of MLLP frames hold, and what lies outside of them."""
    at = 0
    for frame in _FRAME.finditer(raw):
        yield from _cut(raw[at : frame.start()])
        yield from _cut(frame[1])
        at = frame.end()
    yield from _cut(raw[at:])


def _cut(raw: bytes) -> Iterator[bytes]:
    """Messages and batch segments as they follow each other; none of it is blank."""
    body = raw.removeprefix(BOM).lstrip(_BLANK)
    pattern = _CR_START if b"\r" in body else _LF_START
    cuts = [0, *(found.end() for found in pattern.finditer(body)), len(body)]
    return (body[a:b] for a, b in pairwise(cuts) if body[a:b].strip(_BLANK))


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
