"""Several messages in one payload: the batch protocol (FHS/BHS ... BTS/FTS) and frames with more than one MSH.

HL7 v2.x chapter 2, "HL7 batch protocol". Each message is stored and answered on its own; one answer for two
patients would leave the sender unable to tell which of them was taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from adapters.hl7v2.peek import BOM

_CR_START = re.compile(rb"(?<=\r)\n?(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s])")
_LF_START = re.compile(rb"(?<=\n)(?=(?:MSH|FHS|BHS|BTS|FTS)[^0-9A-Za-z\s])")


@dataclass(frozen=True, slots=True)
class Batch:
    """A payload taken apart. `header` is the BHS segment (or FHS where there is no BHS), b"" without an envelope."""

    messages: tuple[bytes, ...]
    header: bytes = b""
    complete: bool = True
    """False: the counts of BTS or FTS do not agree with what came, or the trailer is missing."""


def split(raw: bytes) -> Batch:
    """The messages of a payload in order, bytes unchanged. A payload with one message comes back as it is."""
    if raw.startswith(b"MSH") and b"\rMSH" not in raw and b"\nMSH" not in raw:
        return Batch((raw,))
    body = raw.removeprefix(BOM).lstrip(b"\r\n\t ")
    pattern = _CR_START if b"\r" in body else _LF_START
    cuts = [0, *(found.end() for found in pattern.finditer(body)), len(body)]
    parts = [body[a:b] for a, b in pairwise(cuts) if b > a]
    messages = tuple(part for part in parts if part.startswith(b"MSH"))
    envelope = {part[:3]: part for part in parts if not part.startswith(b"MSH")}
    header = envelope.get(b"BHS") or envelope.get(b"FHS") or b""
    if len(messages) < 2 and not header:
        return Batch((raw,))
    return Batch(messages, header.strip(b"\r\n"), not header or _complete(envelope, len(messages)))


def _complete(envelope: dict[bytes, bytes], count: int) -> bool:
    for head, tail in ((b"BHS", b"BTS"), (b"FHS", b"FTS")):
        if head in envelope and tail not in envelope:
            return False
    trailer = envelope.get(b"BTS", b"").strip(b"\r\n")
    stated = trailer.split(trailer[3:4])[1:2] if len(trailer) > 3 else []
    # several batches in one file state their own counts; only one count can be compared with the sum
    return not (stated and stated[0].strip().isdigit()) or int(stated[0]) == count
