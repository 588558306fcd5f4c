"""What an output has too much of: the same thing said twice, and resources that nothing leads to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]

# resources that mean nothing by themselves: someone or something that a statement names
NAMED_BY_OTHERS = {"Practitioner", "Organization", "Location", "Medication", "Substance", "Device"}


def twice(resources: list[Resource]) -> Iterator[str]:
    """Resources of the same content under two ids, and values that stand twice in one list: the type or the path."""
    ids: dict[str, set[str]] = {}
    for each in resources:
        if each["resourceType"] != "Provenance":
            content = json.dumps({k: v for k, v in each.items() if k != "id"}, sort_keys=True)
            ids.setdefault(content, set()).add(str(each.get("id")))
            yield from _repeated(each["resourceType"], each)
    for content, under in ids.items():
        if len(under) > 1:
            yield str(json.loads(content)["resourceType"])


def _repeated(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _repeated(f"{path}.{key}", inner)
    elif isinstance(value, list):
        counted = Counter(json.dumps(each, sort_keys=True) for each in value)
        if any(count > 1 for count in counted.values()):
            yield path
        for each in value:
            yield from _repeated(path, each)


def orphans(resources: list[Resource]) -> Iterator[str]:
    """Types of resources that only a statement can give a meaning, and that none refers to."""
    used = {reference for each in resources for reference in _references(each) if each["resourceType"] != "Provenance"}
    agents = {
        reference
        for each in resources
        if each["resourceType"] == "Provenance"
        for reference in _references(each.get("agent", []))
    }
    for each in resources:
        if each["resourceType"] in NAMED_BY_OTHERS and f"{each['resourceType']}/{each.get('id')}" not in used | agents:
            yield each["resourceType"]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
