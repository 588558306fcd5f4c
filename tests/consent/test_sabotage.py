"""The tests of invariants 3 and 4 are worth something: each fails when what it guards is broken on purpose."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hie.consent import decide as deciding
from hie.consent import select
from hie.consent.condition import BROKEN, MAYBE, NO, ItemTest, RequestTest
from tests.consent.builders import OPT_OUT, asked, compiled, consent, provision, request, thing
from tests.consent.test_properties import widened


def open_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = RequestTest.match

    def match(self: RequestTest, request: Any, permit: bool) -> int:
        found = honest(self, request, permit)
        return NO if found in (MAYBE, BROKEN) else found

    monkeypatch.setattr(RequestTest, "match", match)


def open_items(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ItemTest.match

    def match(self: ItemTest, item: Any, permit: bool) -> int:
        found = honest(self, item, permit)
        return NO if found == MAYBE else found

    monkeypatch.setattr(ItemTest, "match", match)


def drop_unknown_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hie.consent.provision.unknown_elements", lambda node, known: [])


def permits_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "UNDECIDED", select.SILENT)


@pytest.mark.broken(3)
@pytest.mark.parametrize("sabotage", [open_doubt, open_items, drop_unknown_elements, permits_win])
def test_a_consent_read_with_open_hands_is_caught(sabotage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    assert widened(OPT_OUT, random.Random(20260101), 500) is not None


@pytest.mark.broken(4)
def test_forgetting_the_candidates_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = compiled(consent(provision("deny")))
    assert asked(compiled(), request(), thing(), candidates=[refused]).overall == "deny"
    honest = deciding.select

    def only_own(consents: Any, ask: Any) -> Any:
        return select.Selection((), 1) if consents is refused else honest(consents, ask)

    monkeypatch.setattr(deciding, "select", only_own)
    refused.selections.clear()
    assert asked(compiled(), request(), thing(), candidates=[refused]).overall == "permit"


def test_nothing_is_broken_now() -> None:
    assert widened(OPT_OUT, random.Random(1), 20) is None
