"""Who subscribes to what: events, sources, categories, codes, rosters."""

from __future__ import annotations

from pathlib import Path

import pytest

from hie.errors import ConfigurationError
from hie.model import Identifier
from hie.routing import Contents, Router, codes_of, kinds_of, matches, read_roster, wanted
from hie.sections import Subscriber, Subscription

LAB = {
    "resourceType": "Observation",
    "id": "a",
    "category": [{"coding": [{"system": "x", "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
}
CONTENTS = Contents("ORU^R01", "hl7v2", "north", frozenset(kinds_of(LAB)), frozenset(codes_of(LAB)))


@pytest.mark.parametrize(
    ("subscription", "expected"),
    [
        (Subscription(), True),
        (Subscription(events=("ORU^*",)), True),
        (Subscription(events=("ADT^*",)), False),
        (Subscription(events=("hl7v2",)), True),
        (Subscription(sources=("north",)), True),
        (Subscription(sources=("south",)), False),
        (Subscription(categories=("Observation:laboratory",)), True),
        (Subscription(categories=("Observation:vital-signs",)), False),
        (Subscription(codes=("http://loinc.org|718",)), True),
        (Subscription(codes=("http://loinc.org|2345",)), False),
    ],
)
def test_a_subscription_matches_by_all_it_names(subscription: Subscription, expected: bool) -> None:
    assert matches(subscription, CONTENTS) is expected


def test_context_travels_with_what_was_asked_for() -> None:
    subscription = Subscription(categories=("Observation:laboratory",))
    assert wanted({"resourceType": "Patient", "id": "p"}, subscription)
    assert wanted(LAB, subscription)
    assert not wanted({"resourceType": "Condition", "id": "c"}, subscription)


def _router(directory: Path) -> Router:
    (directory / "roster.csv").write_text("authority,type,value\nurn:a,MR,1\n")
    subscriber = Subscriber(
        name="one",
        participant="p",
        purpose="TREAT",
        encoder="original",
        sink={"kind": "mllp"},
        subscriptions=(Subscription(roster=Path("roster.csv")),),
    )
    return Router((subscriber,), directory)


def test_a_roster_holds_whoever_is_known_by_a_number_on_it(tmp_path: Path) -> None:
    router = _router(tmp_path)
    listed, other = Identifier("urn:a", "MR", "1"), Identifier("urn:b", "MR", "77")
    assert not router.route(CONTENTS, [other])
    assert router.route(CONTENTS, [listed])
    assert router.route(CONTENTS, [other, listed]), "another clinic's record of the same person"
    assert not router.route(CONTENTS, [Identifier("urn:b", "MR", "1")]), "the value alone is nobody"
    assert not router.route(CONTENTS, [other]), "nothing is remembered: the index says who is who"


def test_a_roster_without_its_columns_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("mrn\n1\n")
    with pytest.raises(ConfigurationError, match="authority,type,value"):
        read_roster(tmp_path / "bad.csv")
