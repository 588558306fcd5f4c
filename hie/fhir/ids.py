"""Deterministic resource ids: UUIDv5, so that the same input gives the same bytes on every run and every host."""

from __future__ import annotations

from hashlib import sha1
from uuid import UUID

NAMESPACE = UUID("6b1a2f0c-6f2e-5b9a-9d6e-3f5f0a4c7e11")
_SEED = NAMESPACE.bytes


def resource_id(sender: str, resource_type: str, *business: str) -> str:
    """Id of the resource that `sender` identifies by `business` (an identifier, or the place where there is none)."""
    name = "\x1f".join((sender, resource_type, *business))
    # uuid.uuid5 by hand: a message has some fifty ids, and the class costs four times the hash
    digest = bytearray(sha1(_SEED + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
