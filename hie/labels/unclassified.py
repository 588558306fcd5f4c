"""Codes that no rule could classify: the work list of invariant 3. Codes only, no patient data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hie.model import Resource, SecurityLabel


def unclassified(resources: Sequence[Resource], labels: Mapping[str, tuple[SecurityLabel, ...]]) -> tuple[str, ...]:
    """`system|code` of the main codes of resources labelled `unclassified`, sorted, each once."""
    found: set[str] = set()
    for resource in resources:
        given = labels.get(f"{resource.get('resourceType')}/{resource.get('id')}", ())
        if not any(one.code == "unclassified" for one in given):
            continue
        for key in ("code", "medicationCodeableConcept", "vaccineCode"):
            concept = resource.get(key)
            for coding in concept.get("coding", ()) if isinstance(concept, dict) else ():
                found.add(f"{coding.get('system', '')}|{coding.get('code', '')}")
    return tuple(sorted(found))
