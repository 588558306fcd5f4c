"""How raw bytes lie on the disk: compressed where it pays, sealed where a key is set."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hie.compression import compress, decompress

PLAIN = "raw"
ZSTD = "zstd"
WORTHWHILE = 256
"""Below this size compression costs more CPU than the smaller write saves."""


class Seal(Protocol):
    """Encryption at rest: an authenticated cipher under a named key."""

    key_id: str

    def close(self, plain: bytes) -> bytes: ...

    def open(self, key_id: str, sealed: bytes) -> bytes: ...


class Packed(NamedTuple):
    codec: str
    key_id: str
    """"" where the bytes are not encrypted."""
    data: bytes


def pack(raw: bytes, seal: Seal | None = None) -> Packed:
    """The stored form of raw bytes."""
    codec, data = PLAIN, raw
    if len(raw) >= WORTHWHILE:
        smaller = compress(raw)
        if len(smaller) < len(raw) * 0.9:
            codec, data = ZSTD, smaller
    if seal is None:
        return Packed(codec, "", data)
    return Packed(codec, seal.key_id, seal.close(data))


def unpack(codec: str, key_id: str, data: bytes, seal: Seal | None = None) -> bytes:
    """The raw bytes of a stored form. Raises ValueError for a codec or key this process does not have."""
    if key_id:
        if seal is None:
            raise ValueError("the payload is encrypted and no key is configured")
        data = seal.open(key_id, data)
    if codec == PLAIN:
        return data
    if codec == ZSTD:
        return decompress(data)
    raise ValueError(f"unknown payload codec {codec!r}")
