"""II -> Identifier. Root and extension: system and value; a root alone is itself the value.

Source: HL7 v3 data types R1 (II); C-CDA on FHIR, "id to identifier".
"""

from __future__ import annotations

import re

from adapters.ccda.absence import REASON
from adapters.ccda.draft import Draft
from adapters.ccda.tree import Node
from hie.codes.systems import authority_uri, is_oid
from hie.model import Resource

URI_SYSTEM = "urn:ietf:rfc:3986"
_RENDERED = "http://hl7.org/fhir/StructureDefinition/rendered-value"
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\Z")
_EMPTY = frozenset({"", "0", "00000000-0000-0000-0000-000000000000"})


def identifiers(d: Draft, node: Node, tag: str = "id") -> list[Resource]:
    """Identifiers of a statement, role or entity; those without content are left out. Marks them as carried."""
    made = []
    for kid in node.kids:
        if kid.tag == tag and (one := identifier(d, kid)) and one not in made:
            made.append(one)
    return made


def identifier(d: Draft, node: Node) -> Resource | None:
    """One II, None where it names nothing (nullFlavor without a root)."""
    node.used = True
    attrs = node.attrs
    root = attrs.get("root", "").strip()
    extension = attrs.get("extension", "").strip()
    name = attrs.get("assigningAuthorityName", "").strip()
    if not extension:
        if root in _EMPTY or node.null:
            return _masked(d, node, root)
        if not is_oid(root) and not _UUID.match(root):
            # neither OID nor UUID: an id of the sender's own making
            return {"value": root}
        system = d.system(root)
        if system.startswith(("http", "urn:hie")):
            # the root of a known namespace identifies nothing without a value in it
            node.used = False
            return None
        return {"system": URI_SYSTEM, "value": system}
    made: Resource = {}
    if root not in _EMPTY:
        made["system"] = d.system(root)
    elif name:
        made["system"] = authority_uri(name, "", "", d.context.authorities)
    elif d.context.default_authority:
        made["system"] = d.context.default_authority
    made["value"] = extension
    if name:
        made["assigner"] = {"display": name}
    return made


def _masked(d: Draft, node: Node, root: str) -> Resource | None:
    """An identifier that exists but is withheld keeps its system and the reason."""
    if not root or node.null not in ("MSK", "UNK", "ASKU", "NASK"):
        return None
    reason = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": REASON[node.null]}
    return {"system": d.system(root), "_value": {"extension": [reason]}}


def keyed(ids: list[Resource]) -> list[Resource]:
    """Those identifiers that can tell one thing from another."""
    return [each for each in ids if each.get("value")]


def alias(node: Node) -> list[str]:
    """Keys (root|extension) by which other entries may point to this one."""
    return [
        f"{kid.get('root').strip()}|{kid.get('extension').strip()}"
        for kid in node.kids
        # a root alone is an id only where it is a UUID: many senders write the bare OID of a namespace
        if kid.tag == "id" and (kid.get("extension") or len(kid.get("root")) == 36) and not kid.null
    ]
