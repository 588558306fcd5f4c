"""Both string libraries give the same answers."""

from __future__ import annotations

import jellyfish
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi import strings

words = st.text(alphabet="ABCDEILMNORST ", min_size=1, max_size=14)


@settings(max_examples=400)
@given(words, words)
def test_equal_within_a_billionth(a: str, b: str) -> None:
    rapidfuzz = pytest.importorskip("rapidfuzz.distance", reason="the accelerator is not installed")
    assert rapidfuzz.DamerauLevenshtein.distance(a, b) == jellyfish.damerau_levenshtein_distance(a, b)
    assert rapidfuzz.JaroWinkler.similarity(a, b) == pytest.approx(jellyfish.jaro_winkler_similarity(a, b), abs=1e-9)


def test_phonetic_codes_of_odd_words() -> None:
    for word in ("", "李", "Ñ", "X" * 500, "1"):
        assert isinstance(strings.soundex(word), str)
        assert isinstance(strings.metaphone(word), str)
