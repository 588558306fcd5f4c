"""Bodies carry ids, codes and counts. Content that reaches an event by mistake does not reach the log."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hie.audit.events import FIELDS, MASKED, Kind, event

CANARIES = [
    "Zebrowski, Marguerite",
    "zebrowski marguerite",
    "Übelkeit",
    "12 Elm St",
    "(555) 010-7788",
    "a\nb",
    "<b>",
    "x" * 201,
]


@pytest.mark.invariant(8)
@pytest.mark.parametrize("canary", CANARIES)
def test_text_that_is_no_code_is_masked(canary: str) -> None:
    for field in sorted(FIELDS - {"policy"}):
        for value in (canary, [canary, "ok"], {canary: 3}):
            found = event(Kind.DECISION, canary, {field: value})
            assert canary not in str(orjson.loads(found.body))
            assert MASKED.encode() in found.body
            assert found.actor == MASKED


@pytest.mark.parametrize(
    "value",
    [
        "20260131-00000042",
        "us-opt-out",
        "ADT^A01",
        "Consent/9f3a",
        "http://loinc.org|1234-5",
        "127.0.0.1",
        "INC-4#7",
        "::1",
        "feed/north",
        "",
    ],
)
def test_ids_and_codes_stay(value: str) -> None:
    assert orjson.loads(event(Kind.LOGIN, "node", {"name": value}).body) == {"name": value}


def test_a_policy_keeps_its_name_and_version() -> None:
    assert (
        event(Kind.DECISION, "node", {"policy": "us-opt-out 2026.1 3f2a"}).body
        == b'{"policy":"us-opt-out/2026.1/3f2a"}'
    )


def test_a_field_nobody_declared_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no field"):
        event(Kind.DECISION, "node", {"family_name": "x"})


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers().filter(lambda n: abs(n) < 2**53) | st.text()))
def test_a_body_is_canonical(body: dict[str, int | str]) -> None:
    forward = event(Kind.MATCH, "node", body, at=1)
    backward = event(Kind.MATCH, "node", dict(reversed(body.items())), at=1)
    assert forward == backward


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate" / "audit.md").read_text()
    for kind in Kind:
        assert f"`{kind.value}`" in page
        assert len(kind.value) <= 32
