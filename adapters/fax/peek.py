"""Keys of a fax before it is stored. A fax has no id and no trustworthy patient key: its hash orders it alone."""

from __future__ import annotations

import hashlib

from hie.errors import Rejected
from hie.model import Keys

_NEVER_WRITTEN = bytes([*range(8), *range(14, 27), *range(28, 32)])
"""Control characters that stand in no text: OCR servers write tab, line feed, form feed, carriage return, sometimes ESC."""


def peek(raw: bytes) -> Keys:
    """Raises Rejected `fax-empty` where there is no text, `fax-binary` where the bytes are a picture or a PDF."""
    check(raw)
    return Keys(format="fax", control_id=b"", event="fax", ordering=(f"fax||{hashlib.sha256(raw).hexdigest()}",))


def check(raw: bytes) -> None:
    if raw[:4] in (b"II*\0", b"MM\0*") or raw[:5] == b"%PDF-" or raw[:8] == b"\x89PNG\r\n\x1a\n":
        raise Rejected(
            "the fax is a picture, not text",
            code="fax-binary",
            ack="AR",
            err=207,
            hint="send the text that OCR made of it",
        )
    head = raw[:4096]
    if sum(head.count(c) for c in _NEVER_WRITTEN) > len(head) // 50:
        raise Rejected("the fax is no text", code="fax-binary", ack="AR", err=207, hint="send the text of its pages")
    if not raw.strip():
        raise Rejected(
            "the fax has no text", code="fax-empty", ack="AR", err=207, hint="see whether OCR found anything"
        )
