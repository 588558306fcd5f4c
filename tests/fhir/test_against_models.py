"""The compiled validation beside `fhir.resources` (R4B) over resources of every type, good and damaged. R4 differs from R4B
in what tests/fhir/r4_elements.py leaves out; every other disagreement has its reason here."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir.mend import ALL
from hie.fhir import digits
from hie.fhir.primitives import PRIMITIVES
from hie.fhir.validate import issues, types, valid
from tests.adapters.fhir.test_nothing_lost import KINDS, WRONG, resource

STRICTER = {
    "empty": "the models take an empty object and drop it; R4 JSON allows none",
    "code-not-in-binding": "the models check no code",
    "not-a-list": "the models take null for an element that was not sent",
    "not-an-object": "the models take null for an element that was not sent",
    **{
        f"not-a-{kind}": "the models convert (7 to a time, 'yes' to a boolean, true to a number), take null, and decode base64 "
        "with foreign characters"
        for kind in PRIMITIVES
    },
}
"""What we refuse and the models take, with the reason."""


def damaged(random: Random, made: dict[str, Any]) -> None:
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [made]
    while waiting:
        item = waiting.pop()
        for key in item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            places.append((item, key))
            waiting.append(item[key])
    owner, key = random.choice([place for place in places if place[1] != "resourceType"])
    what = random.randrange(3)
    if what == 0:
        owner[key] = deepcopy(random.choice(WRONG))
    elif what == 1 and isinstance(owner, dict):
        del owner[key]
    else:
        owner[key] = [owner[key], deepcopy(owner[key])]


def allowed(made: dict[str, Any]) -> bool:
    try:
        get_fhir_model_class(made["resourceType"]).model_validate_json(digits.dumps(made))
    except (ValueError, TypeError):  # a list where an address belongs is a TypeError of theirs
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_who_disagrees_has_a_reason(seed: int) -> None:
    random = Random(seed)
    made = {"id": "x", **resource(random, random.choice(KINDS))}
    if seed % 3:
        damaged(random, made)
    made = json.loads(digits.dumps(made))
    found = issues([made], ALL)
    assert valid([made], ALL) == (not found)
    if allowed(made):
        assert {issue.code for issue in found} <= STRICTER.keys(), found
    else:
        assert found


def test_what_came_with_r4b_is_not_r4() -> None:
    elements = {(name, element) for name, made in types().items() for element in made.elements}
    for name in ("Extension", "ParametersParameter", "TaskInput", "ElementDefinition"):
        assert not {(name, "valueCodeableReference"), (name, "valueRatioRange")} & elements
    assert not any(element == "subjectCanonical" for _, element in elements)
    assert (
        not {"Citation", "Ingredient", "SubscriptionTopic", "SubscriptionStatus", "NutritionProduct"} & types().keys()
    )


GOLDEN = sorted(
    [*Path("tests/adapters").glob("*/golden/*.json"), *Path("adapters").glob("*/samples/*.golden.json")], key=str
)


@pytest.mark.parametrize("kind", ["hl7v2", "ccda", "fhir", "fax"])
def test_a_reference_points_to_what_r4_lets_it_point_to(kind: str) -> None:
    for golden in GOLDEN:
        if kind in golden.parts:
            for made in resources(json.loads(golden.read_bytes())):
                for path, target, may in pointed(made, made["resourceType"], made["resourceType"]):
                    assert not may or {target, "Resource"} & set(may), (str(golden), path, target)


def resources(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in resources(item)]
    if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
        return [value]
    return [found for item in value.values() for found in resources(item)] if isinstance(value, dict) else []


def pointed(node: dict[str, Any], kind: str, path: str) -> list[tuple[str, str, list[str]]]:
    """(path, type that a relative reference names, types that R4 allows there), for everything below `node`."""
    found: list[tuple[str, str, list[str]]] = []
    fields = {f.alias: f for f in get_fhir_model_class(kind).model_fields.values()}
    for name, element in types()[kind].elements.items():
        if name not in node or element.primitive:
            continue
        for item in node[name] if isinstance(node[name], list) else [node[name]]:
            below = f"{path}.{name}"
            if element.kind == "Reference":
                extra = fields[name].json_schema_extra
                may = extra.get("enum_reference_types") if isinstance(extra, dict) else None
                target = str(item.get("reference", "#")).partition("/")
                if target[1] and target[0][:1].isupper():
                    found.append((below, target[0], [str(t) for t in may] if isinstance(may, list) else []))
            elif element.kind != "Resource" and isinstance(item, dict) and element.kind in types():
                found += pointed(item, element.kind, below)
    return found
