"""Damaged input for the contract: what a line, a disk or a foreign program makes of a message."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final

from adapters.contract import Sample

MUTATIONS: Final = 100
"""Damaged copies of each sample."""


def damaged(samples: Iterable[Sample]) -> Iterator[bytes]:
    """The same damage at every run: cut, flipped, doubled, foreign bytes put in."""
    yield from (b"", b"\x00" * 64, b"\xff\xfe" + b"A" * 64, b"{}", b"<a/>", b"MSH", b"MSH|", b"\x0c\x0c")
    for sample in samples:
        chance = random.Random(sample.name)
        for _ in range(MUTATIONS):
            raw = bytearray(sample.raw)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(raw) + 1)
                length = chance.choice((1, 2, 8, 60, 400))
                match chance.randrange(4):
                    case 0:
                        del raw[at : at + length]
                    case 1:
                        raw[at : at + length] = raw[at : at + length] * 2
                    case 2:
                        raw[at : at + 1] = bytes([chance.randrange(256)])
                    case _:
                        raw[at:at] = chance.choice(
                            (b"|", b"^", b"~", b"&", b"\r", b"\n", b'"', b"<", b">", b"\x00", b"\xe9")
                        )
            yield bytes(raw)
