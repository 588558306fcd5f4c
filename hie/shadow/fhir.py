"""Two FHIR Bundles beside each other, by resource and element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

IGNORED = frozenset({"id", "meta", "fullUrl", "timestamp", "request", "text", "reference"})
"""What each system says in its own way: its ids, its write time, its generated text, its references by its ids."""


def read(raw: bytes) -> dict[str, Any] | None:
    """A Bundle or resource; None where the bytes are none."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and "resourceType" in found else None


def fingerprint(body: dict[str, Any]) -> tuple[str, ...]:
    """Patient identifiers and the kinds of resources with their own identifiers: ids are each system's own."""
    return tuple(sorted(f"{r['resourceType']} {value}" for r in _resources(body) for value in _identifiers(r)))


def differences(ours: dict[str, Any], theirs: dict[str, Any], ignored: frozenset[str] = IGNORED) -> Counter[str]:
    """Element path without positions (`Observation.valueQuantity.value only here`) -> number of values."""
    mine, other = (Counter(_facts(body, ignored)) for body in (ours, theirs))
    found: Counter[str] = Counter()
    for (path, _), n in (mine - other).items():
        found[f"{path} only here"] += n
    for (path, _), n in (other - mine).items():
        found[f"{path} only there"] += n
    return found


def _resources(body: dict[str, Any]) -> list[dict[str, Any]]:
    if body["resourceType"] != "Bundle":
        return [body]
    resources = (entry.get("resource") for entry in body.get("entry", ()) if isinstance(entry, dict))
    return [r for r in resources if isinstance(r, dict) and "resourceType" in r]


def _identifiers(resource: dict[str, Any]) -> list[str]:
    given = resource.get("identifier", ())
    return [str(i.get("value", "")) for i in (given if isinstance(given, list) else [given]) if isinstance(i, dict)]


def _facts(body: dict[str, Any], ignored: frozenset[str]) -> Iterator[tuple[str, str]]:
    for resource in _resources(body):
        yield from _leaves(resource, resource["resourceType"], ignored)


def _leaves(value: Any, path: str, ignored: frozenset[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ignored and name != "resourceType":
                yield from _leaves(inner, f"{path}.{name}", ignored)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path, ignored)
    else:
        yield path, str(value)
