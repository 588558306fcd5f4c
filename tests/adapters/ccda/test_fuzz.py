"""Mutated documents: a record or a named refusal, never another exception, never without end."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.ccda.decode import decode
from adapters.ccda.peek import peek
from hie.errors import Rejected
from tests.adapters.ccda.document import CONTEXT

SAMPLES = [p.read_bytes() for p in sorted((Path(__file__).parents[3] / "adapters/ccda/samples").glob("*.xml"))]
_LEAF = re.compile(rb"<(\w+)[^<>]*/>")
_ATTRIBUTE = re.compile(rb'(\w+)="([^"]*)"')
VALUES = [
    b"",
    b"0",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"2024",
    b"nan",
    b"\xc3\xa9",
    b"#",
    b"INT",
    b"true",
    b"20241399",
    b"&#0;",
]
ROUNDS = int(os.environ.get("HIE_FUZZ_CCDA", "400"))


def mutate(raw: bytes, chance: random.Random) -> bytes:
    """Drops, doubles or moves a leaf, changes an attribute, flips a byte."""
    for _ in range(chance.randint(1, 6)):
        kind = chance.randrange(5)
        leaves = list(_LEAF.finditer(raw))
        attributes = list(_ATTRIBUTE.finditer(raw))
        if kind == 0 and leaves:
            leaf = chance.choice(leaves)
            raw = raw[: leaf.start()] + raw[leaf.end() :]
        elif kind == 1 and leaves:
            leaf, other = chance.choice(leaves), chance.choice(leaves)
            raw = raw[: other.start()] + leaf[0] + raw[other.start() :]
        elif kind == 2 and attributes:
            found = chance.choice(attributes)
            raw = raw[: found.start(2)] + chance.choice(VALUES) + raw[found.end(2) :]
        elif kind == 3 and attributes:
            found, other = chance.choice(attributes), chance.choice(attributes)
            raw = raw[: found.start(2)] + other[2] + raw[found.end(2) :]
        elif raw:
            at = chance.randrange(len(raw))
            raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
    return raw


def attempt(raw: bytes) -> str:
    for call in (lambda: peek(raw), lambda: list(decode(raw, CONTEXT))):
        try:
            found = call()
        except Rejected as refused:
            outcome = refused.code
            assert outcome.startswith("ccda-")
        else:
            outcome = "decoded" if found else ""
    return outcome


def test_mutated_samples() -> None:
    chance = random.Random(20240305)
    outcomes = [attempt(mutate(chance.choice(SAMPLES), chance)) for _ in range(ROUNDS)]
    assert outcomes.count("decoded") > ROUNDS // 4


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(SAMPLES))
def test_mutations_by_hypothesis(seed: int, raw: bytes) -> None:
    attempt(mutate(raw, random.Random(seed)))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    attempt(raw)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/=\"' abcdivClinicalDocument&;#", max_size=200))
def test_anything_like_xml(text: str) -> None:
    attempt(b"<ClinicalDocument>" + text.encode())
