"""Bytes as they are kept: zstd (RFC 8878) with a dictionary of our own, without which a message of a kilobyte hardly shrinks.

A frame names the dictionary it was made with, so that what was written under an older one is read for ever: a dictionary is
never changed or taken away, a better one is added with the next number. They are made by hie.simulation.dictionary from the
project's own samples and hold nothing of anybody's.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib.resources import files

import zstandard

LEVEL = 1
LARGEST = 1 << 31
CURRENT = "1.zstd-dictionary"
_MAGIC = zstandard.FRAME_HEADER
# zstd's contexts may not be shared between threads
_local = threading.local()


def compress(data: bytes) -> bytes:
    """One frame, without a checksum: what matters has its hash beside it."""
    if (compressor := getattr(_local, "compressor", None)) is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=_dictionary(CURRENT))
    compressed: bytes = compressor.compress(data)
    return compressed


def decompress(data: bytes) -> bytes:
    """What `compress` of this or an earlier version was given; bytes that are no frame come back as they are. Raises
    ValueError for a frame that is damaged or made with a dictionary that this version does not have."""
    if not data.startswith(_MAGIC):
        return data
    try:
        number = zstandard.get_frame_parameters(data).dict_id
        return _decompressor(number).decompress(data, max_output_size=LARGEST)
    except zstandard.ZstdError as error:
        raise ValueError(f"stored bytes cannot be read: {error}") from None


def _decompressor(number: int) -> zstandard.ZstdDecompressor:
    known: dict[int, zstandard.ZstdDecompressor] | None = getattr(_local, "decompressors", None)
    if known is None:
        known = _local.decompressors = {}
    if (found := known.get(number)) is None:
        if number and number not in _numbers():
            raise ValueError(f"stored bytes need dictionary {number}, which this version does not have")
        dictionary = _dictionary(_numbers()[number]) if number else None
        found = known[number] = zstandard.ZstdDecompressor(dict_data=dictionary)
    return found


@lru_cache(maxsize=8)
def _dictionary(name: str) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(files("hie").joinpath("dictionaries", name).read_bytes())


@lru_cache(maxsize=1)
def _numbers() -> dict[int, str]:
    """Dictionary id -> file."""
    names = [file.name for file in files("hie").joinpath("dictionaries").iterdir()]
    return {_dictionary(name).dict_id(): name for name in names if name.endswith(".zstd-dictionary")}
