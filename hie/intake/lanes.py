"""Lanes share out the work: what must stay in order always falls into the same lane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

LANES = 64


@lru_cache(maxsize=8192)
def lane_of(feed: str, key: str) -> int:
    """The lane (0-63) of an ordering key of a feed. Stable over processes, versions and hosts."""
    return blake2b(f"{feed}\0{key}".encode(), digest_size=8).digest()[0] % LANES


def lane_of_all(feed: str, keys: Sequence[str]) -> int:
    """The lane a message is filed under: that of its first key; messages without a patient stay in their feed's order."""
    return lane_of(feed, keys[0] if keys else "")
