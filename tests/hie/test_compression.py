"""What is kept can be read for ever, and damage is named."""

from __future__ import annotations

import random

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.decode import decode
from hie import compression
from hie.compression import compress, decompress
from hie.model import FeedContext
from hie.simulation import messages
from hie.simulation.people import someone

MESSAGE = messages.admission(someone(random.Random(5)), "55-1", "EAST", "ADT", "EAST", "A08", "77", "V9")
"""About a kilobyte, of no file that the dictionary was made from."""


@given(st.binary(max_size=4000))
def test_what_was_kept_comes_back(data: bytes) -> None:
    assert decompress(compress(data)) == data


def test_a_record_shrinks_by_more_than_without_the_dictionary() -> None:
    (record,) = decode(MESSAGE, FeedContext())
    text = orjson.dumps(list(record.resources))
    assert len(compress(MESSAGE)) < len(MESSAGE) * 0.7
    assert len(compress(text)) < len(zstandard.compress(text)) * 0.8


def test_bytes_of_earlier_versions_are_read() -> None:
    """Frames without a dictionary, and what was kept plain."""
    assert decompress(zstandard.compress(MESSAGE)) == MESSAGE
    assert decompress(b'{"overall":"permit"}') == b'{"overall":"permit"}'


def test_a_frame_names_its_dictionary() -> None:
    assert zstandard.get_frame_parameters(compress(MESSAGE)).dict_id in compression._numbers()


def test_damage_and_an_unknown_dictionary_are_told() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        decompress(compress(MESSAGE)[:-3])
    other = zstandard.train_dictionary(
        4096, [MESSAGE[i : i + 40] + bytes([i % 256]) for i in range(200)] * 5, dict_id=99
    )
    with pytest.raises(ValueError, match="dictionary 99"):
        decompress(zstandard.ZstdCompressor(dict_data=other).compress(MESSAGE))
