"""An encounter that a statement only names by its id -> the reference that its resource has for the encounter.

Source: C-CDA R2.1 Procedure Activity (encounter entryRelationship), Medication Activity.
"""

from __future__ import annotations

from adapters.ccda.draft import Draft, refer
from adapters.ccda.identifiers import alias, identifiers, keyed
from adapters.ccda.statement import nested
from adapters.ccda.tree import Node
from hie.model import Resource

_SAYS_MORE = frozenset({"code", "effectiveTime", "participant", "performer", "entryRelationship"})


def visit(d: Draft, node: Node) -> Resource | None:
    """The encounter during which something happened: the one of this document with that id, else its identifier."""
    for link, inner in nested(node):
        if inner.tag != "encounter" or any(kid.tag in _SAYS_MORE for kid in inner.kids):
            continue
        known = next((d.aliases[key] for key in alias(inner) if key in d.aliases), "")
        ids = keyed(identifiers(d, inner))
        if not (known.startswith("Encounter/") or ids):
            continue
        link.used = inner.used = True
        found: Resource = refer(known) if known.startswith("Encounter/") else {}
        return {**found, "identifier": ids[0]} if ids else found
    return None
