"""Strict on emit: what R4 does not allow never leaves a decoder. The offending element goes, with a place to report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hie.fhir.primitives import PRIMITIVES
from hie.fhir.validate import Issue, issues, valid
from hie.model import Resource

_ROUNDS = 12


def sound(resources: Iterable[Resource]) -> tuple[list[Resource], list[Issue]]:
    """Valid resources and what had to go to make them so. Changes the resources it was given.

    Removes invalid elements, then what became empty or lacks a required part, up to the resource itself; references to
    a resource that went are removed as well.
    """
    kept = list(resources)
    if valid(kept):
        return kept, []
    removed: list[Issue] = []
    for _ in range(_ROUNDS):
        found = issues(kept)
        if not found:
            return kept, removed
        removed.extend(found)
        gone = set()
        by_reference = {f"{r.get('resourceType')}/{r.get('id')}": r for r in kept}
        for issue in sorted(
            found, key=lambda i: [str(p) if isinstance(p, str) else f"{p:09d}" for p in i.path], reverse=True
        ):
            if not _remove(by_reference[issue.reference], issue):
                gone.add(issue.reference)
        kept = [r for r in kept if f"{r.get('resourceType')}/{r.get('id')}" not in gone]
    bad = {issue.reference for issue in issues(kept)}
    removed.extend(issues(kept))
    return [r for r in kept if f"{r.get('resourceType')}/{r.get('id')}" not in bad], removed


def _remove(resource: Resource, issue: Issue) -> bool:
    """Takes the element at the path away; where a required part is missing, its owner. False: the resource must go."""
    path = issue.path
    if issue.code in ("required", "required-choice"):
        path = path[:-1] if issue.code == "required" else path
    if not path:
        return False
    node: Any = resource
    if issue.code == "not-a-base64Binary" and _padded(resource, path):
        return True
    for step in path[:-1]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return True  # an issue further up has taken it already
    last = path[-1]
    if isinstance(node, dict):
        node.pop(last, None)
    elif isinstance(node, list) and isinstance(last, int) and last < len(node):
        del node[last]
    return True


def _padded(resource: Resource, path: tuple[str | int, ...]) -> bool:
    """Many senders leave the filling at the end of base64 out: a whole document is not lost for two characters."""
    node: Any = resource
    for step in path[:-1]:
        node = node[step]
    value = node.get(path[-1]) if isinstance(node, dict) else None
    if not isinstance(value, str):
        return False
    text = "".join(value.split()).rstrip("=")
    text += "=" * (-len(text) % 4)
    if text == value or not PRIMITIVES["base64Binary"](text):
        return False
    node[path[-1]] = text
    return True
