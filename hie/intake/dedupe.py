"""What makes an arrival a repeat: the same feed, control id and content, within the feed's window.

The control id alone is not a key: some senders put one and the same value into every message. The index lies in the
journal's days, so it survives a restart and goes when its day goes.
"""

from __future__ import annotations

from hashlib import blake2b, sha256
from typing import NamedTuple

DAY = 86_400.0
SAME_ID = "same-id-other-bytes"
"""Flag of an arrival whose control id was seen in the window with other content."""


class Window(NamedTuple):
    """How a feed recognises repeats. `seconds` 0 turns it off."""

    seconds: float = DAY
    ignore_time: bool = False
    """Leave MSH-7 out of the content, for senders that stamp each attempt anew."""


class Fingerprint(NamedTuple):
    """`identity` of feed and control id (64 bits, signed as databases want it), `content` of the bytes (128 bits)."""

    identity: int
    content: bytes


def fingerprint(feed: str, format: str, control_id: bytes, raw: bytes, digest: bytes, window: Window) -> Fingerprint:
    """`digest` is the sha256 of `raw`. Without a control id every byte counts, MSH-7 too."""
    hashed = blake2b(feed.encode() + b"\0" + format.encode() + b"\0" + control_id, digest_size=8).digest()
    if window.ignore_time and control_id and format == "hl7v2":
        digest = sha256(without_time(raw)).digest()
    return Fingerprint(int.from_bytes(hashed, "big", signed=True), digest[:16])


def without_time(raw: bytes) -> bytes:
    """An HL7v2 message without the value of MSH-7; other bytes as they are."""
    start = raw.find(b"MSH", 0, 16)
    if start < 0:
        return raw
    separator = raw[start + 3 : start + 4]
    parts = raw.split(separator, 7) if separator else []
    if len(parts) < 8 or b"\r" in b"".join(parts[:7]):
        return raw
    parts[6] = b""
    return separator.join(parts)
