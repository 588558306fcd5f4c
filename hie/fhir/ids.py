"""Deterministic resource ids: UUIDv5, so that the same input gives the same bytes on every run and every host."""

from __future__ import annotations

from hashlib import sha1
from uuid import UUID

NAMESPACE = UUID("6b1a2f0c-6f2e-5b9a-9d6e-3f5f0a4c7e11")
_SEEDED = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[at & 3] for at, digit in enumerate("0123456789abcdef")}
"""RFC 4122 section 4.1.1: the two highest bits of this digit are 10."""


def resource_id(sender: str, resource_type: str, *business: str) -> str:
    """Id of the resource that `sender` identifies by `business` (an identifier, or the place where there is none)."""
    name = "\x1f".join((sender, resource_type, *business))
    # uuid.uuid5 by hand: a message has some fifty ids, and the class costs four times the hash
    hashed = _SEEDED.copy()
    hashed.update(name.encode("utf-8", "surrogatepass"))
    text = hashed.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
