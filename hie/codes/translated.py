"""Standard codes beside local ones, by the site's tables, in resources that no decoder of ours has put together: what an
application posts as FHIR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hie.codes.rows import Target

Maps = Mapping[str, Mapping[str, Target]]


def translated(resource: dict[str, Any], maps: Maps) -> dict[str, Any]:
    """The same resource where no table says anything of it, else a copy whose concepts have the standard code in front."""
    made = _node(resource, maps)
    assert isinstance(made, dict)
    return made


def _node(node: Any, maps: Maps) -> Any:
    if isinstance(node, list):
        items = [_node(item, maps) for item in node]
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if not isinstance(node, dict):
        return node
    changed = {
        key: made
        for key, value in node.items()
        if (made := _coding(value, maps) if key == "coding" else _node(value, maps)) is not value
    }
    return {**node, **changed} if changed else node


def _coding(codings: Any, maps: Maps) -> Any:
    if not isinstance(codings, list):
        return codings
    there = {(c.get("system"), c.get("code")) for c in codings if isinstance(c, dict)}
    front: list[dict[str, str]] = []
    for coding in codings:
        table = maps.get(coding.get("system", "")) if isinstance(coding, dict) else None
        target = table.get(coding.get("code", "")) if table else None
        if target and target[:2] not in there:
            there.add(target[:2])
            front.append({"system": target[0], "code": target[1], **({"display": target[2]} if target[2] else {})})
    return front + codings if front else codings
