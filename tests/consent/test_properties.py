"""Damage never widens, order never matters, and more denials, labels or suspensions never add an item."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hie.consent.compile import compile_consents
from hie.consent.decide import Decisions, Request, decide
from hie.consent.item import Item
from hie.consent.jurisdiction import Policy
from tests.consent.builders import DIRECTORY, OPT_IN, OPT_OUT, consent, provision, request, thing

CODE = {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F11.20"}]}}
ITEMS = [
    thing("N", id="normal", effectiveDateTime="2021-03-04", performer=[{"reference": "Practitioner/lee"}]),
    thing("PSY", id="psy", encounter={"reference": "Encounter/visit"}),
    thing("ETHUD", id="alcohol", effectiveDateTime="2019"),
    thing("HIV", "V", id="hiv"),
    thing("?", id="unlabelled"),
    thing("OPIOIDUD", id="item", type="Condition", **CODE),
    thing("N", id="visit", type="Encounter", period={"start": "2021-01-01", "end": "2021-01-04"}),
]
REQUESTS = [
    request(),
    request("BTG"),
    request("HRESCH", "Organization/other"),
    request("HPAYMT", "Organization/clinic"),
    request("ETREAT", "Practitioner/poe", now="2023-02-03T10:00:00Z"),
    request("Registry", "Organization/other"),
]
ACTORS = [
    "Practitioner/lee",
    "Practitioner/poe",
    "Organization/system",
    "Organization/clinic",
    "Group/night",
    "CareTeam/team",
    "Organization/other",
]
RUBBISH = [
    None,
    0,
    17,
    "",
    True,
    False,
    [],
    {},
    "zzz",
    "\0",
    [None],
    ["x"],
    {"a": 1},
    "Practitioner/ghost",
    -1.5,
    "9999",
    [[]],
    {"coding": []},
]


def permitted(consents: list[Any], policy: Policy) -> list[set[str]]:
    bodies = [(f"c{n}", "1", body) for n, body in enumerate(consents)]
    compiled = compile_consents(bodies, policy, DIRECTORY)
    return [released(decide(policy, compiled, (), ask, ITEMS)) for ask in REQUESTS]


def released(found: Decisions) -> set[str]:
    return {reference for reference, verdict in found.verdicts.items() if verdict.verdict == "permit"}


def any_provision(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    if chance.random() < 0.5:
        conditions["purpose"] = chance.sample(["TREAT", "HRESCH", "BTG", "HPAYMT", "ETREAT"], chance.randint(1, 3))
    if chance.random() < 0.3:
        conditions["actor"] = chance.sample(ACTORS, chance.randint(1, 2))
    if chance.random() < 0.35:
        conditions["label"] = chance.sample(["N", "R", "V", "PSY", "ETH", "ETHUD", "HIV"], chance.randint(1, 3))
    if chance.random() < 0.15:
        conditions["period"] = {"start": "2022-01-01", "end": chance.choice(["2022-12-31", "2023-06-01T10:00:00Z"])}
    if chance.random() < 0.15:
        conditions["dataPeriod"] = {"start": "2020-01-01", "end": "2021-12-31"}
    if chance.random() < 0.15:
        conditions["icd"] = [chance.choice(["F11", "F10-F19", "I10"])]
    if chance.random() < 0.15:
        conditions["data"] = [
            (
                chance.choice(["instance", "related", "authoredby"]),
                chance.choice(["Encounter/visit", "Practitioner/lee"]),
            )
        ]
    if chance.random() < 0.1:
        conditions["types"] = [chance.choice(["Observation", "Condition"])]
    nested = [any_provision(chance, depth + 1) for _ in range(chance.choice([0, 0, 1, 2]) if depth < 3 else 0)]
    return provision(chance.choice(["permit", "deny"]), *nested, **conditions)


def any_consent(chance: random.Random) -> dict[str, Any]:
    date = chance.choice(["2020-05-05", "2021-07-01T10:00:00Z", "2022-01-10", "2022-06-30", None])
    organisation = chance.choice([[{"reference": "Organization/system"}], [{"reference": "Organization/other"}], None])
    return consent(any_provision(chance), dateTime=date, organization=organisation)


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in pairs for found in ((*at, key), *places(value, (*at, key)))]


def damaged(whole: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """One field made into something that cannot be what was meant."""
    broken = copy.deepcopy(whole)
    # a consent's own name decides nothing, and an organisation or policy of another name is another, readable one
    *way, last = chance.choice(
        [p for p in places(broken) if p[0] not in ("resourceType", "policy", "organization", "scope")]
    )
    node: Any = broken
    for step in way:
        node = node[step]
    kind = chance.randrange(5)
    if kind == 0 and isinstance(node, dict):
        node[f"{last}x"] = node.pop(last)
    elif kind == 1 and isinstance(node, dict):
        node["modifierExtension"] = [{"url": "urn:unknown", "valueBoolean": True}]
    elif kind == 2 and isinstance(node[last], str):
        node[last] = f"~{node[last]}"
    elif kind == 3 and isinstance(node, dict) and last == "reference":
        node[last] = "Practitioner/ghost"
    else:
        node[last] = copy.deepcopy(chance.choice(RUBBISH))
    return broken


@pytest.mark.invariant(3)
@pytest.mark.parametrize("policy", [OPT_OUT, OPT_IN], ids=["opt-out", "opt-in"])
def test_ten_thousand_damaged_consents_never_widen(policy: Policy) -> None:
    assert widened(policy, random.Random(20260101), 500) is None


def widened(policy: Policy, chance: random.Random, rounds: int) -> tuple[Any, ...] | None:
    """Ten damaged versions of each of `rounds` sets of consents: the first that releases more than the whole one."""
    for _ in range(rounds):
        consents = [any_consent(chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        whole = permitted(consents, policy)
        for _ in range(10):
            number = chance.randrange(len(consents))
            broken = [damaged(c, chance) if n == number else c for n, c in enumerate(consents)]
            for ask, before, after in zip(REQUESTS, whole, permitted(broken, policy), strict=True):
                if not after <= before:
                    return ask.purpose, after - before, consents[number], broken[number]
    return None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_order_never_matters(seed: int) -> None:
    chance = random.Random(seed)
    consents = [any_consent(chance) for _ in range(4)]
    shuffled = [_shuffled(c, chance) for c in chance.sample(consents, len(consents))]
    for policy in (OPT_OUT, OPT_IN):
        assert permitted(consents, policy) == permitted(shuffled, policy)


def _shuffled(node: Any, chance: random.Random) -> Any:
    if isinstance(node, dict):
        keys = chance.sample(list(node), len(node))
        return {key: _shuffled(node[key], chance) for key in keys}
    if isinstance(node, list):
        return [_shuffled(one, chance) for one in chance.sample(node, len(node))]
    return node


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_another_denial_never_adds(seed: int) -> None:
    chance = random.Random(seed)
    consents = [any_consent(chance) for _ in range(3)]
    denial = consent(_only_denies(any_provision(chance)), dateTime=chance.choice(["2019-01-01", "2022-06-30", None]))
    for before, after in zip(permitted(consents, OPT_OUT), permitted([*consents, denial], OPT_OUT), strict=True):
        assert after <= before


def _only_denies(node: dict[str, Any]) -> dict[str, Any]:
    # a consent that names BTG makes its other rules answer such a request; that is more denials, not fewer
    bare = {**node, "type": "deny"}
    return {**bare, "provision": [_only_denies(n) for n in node["provision"]]} if "provision" in node else bare


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_a_more_sensitive_confidentiality_never_adds_to_what_a_level_allows(seed: int) -> None:
    # a category may open its own permit, and an exception of a denial may speak for what the denial reaches: both are
    # the patient's words; without such words a level, a weak label and a suspension only ever close
    chance = random.Random(seed)
    consents = [_without_exceptions(any_consent(chance)) for _ in range(2)]
    compiled = compile_consents([(f"c{n}", "1", c) for n, c in enumerate(consents)], OPT_OUT, DIRECTORY)
    for ask in REQUESTS:
        before = released(decide(OPT_OUT, compiled, (), ask, ITEMS))
        raised = [one._replace(level=one.level + 1) for one in ITEMS]
        assert released(decide(OPT_OUT, compiled, (), ask, raised)) <= before
        weak: list[Item] = [one._replace(mask=one.mask | ITEMS[1].mask) for one in ITEMS]
        assert released(decide(OPT_OUT, compiled, (), ask, weak)) <= before
        suspended: Request = replace(ask, recipient_state="suspended")
        assert released(decide(OPT_OUT, compiled, (), suspended, ITEMS)) == set()


def _without_exceptions(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_exceptions(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {k: _without_exceptions(v) for k, v in node.items() if not (k == "provision" and node.get("type") == "deny")}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_remembered_between_requests_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    bodies = [(f"c{n}", "1", any_consent(chance)) for n in range(3)]
    warm = compile_consents(bodies, OPT_OUT, DIRECTORY)
    for ask in [chance.choice(REQUESTS) for _ in range(12)]:
        again = decide(OPT_OUT, compile_consents(bodies, OPT_OUT, DIRECTORY), (), ask, ITEMS)
        assert decide(OPT_OUT, warm, (), ask, ITEMS).verdicts == again.verdicts
        one_by_one = {i.reference: decide(OPT_OUT, warm, (), ask, [i]).verdicts[i.reference] for i in ITEMS}
        assert one_by_one == again.verdicts
