"""specimen participation -> Specimen. Source: CDA R2 specimen; FHIR R4 Specimen."""

from __future__ import annotations

from adapters.ccda.coded import concept
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.narrative import text_of
from adapters.ccda.quantities import quantity
from adapters.ccda.tree import Node
from hie.model import Resource


def specimens(d: Draft, node: Node) -> list[Resource]:
    """References to the specimens of a statement; an id alone is a logical reference."""
    found = []
    for link in node.kids:
        if link.tag == "specimen":
            role = link.kid("specimenRole")
        elif link.tag == "participant" and not link.used and (role := link.kid("participantRole")) is not None:
            # a collection procedure names its specimen as the product
            role = role if role.get("classCode") == "SPEC" else None
        else:
            continue
        if role is None:
            continue
        link.used = role.used = True
        ids = keyed(identifiers(d, role))
        player = role.kid("specimenPlayingEntity") or role.kid("playingEntity")
        made = start("Specimen")
        put(made, identifier=ids)
        if player is not None:
            kind = concept(d, player.kid("code"))
            if kind is None and (name := player.kid("name")) is not None and (text := text_of(d, name)):
                kind = {"text": text}
            put(made, type=kind)
            if (amount := player.kid("quantity")) is not None and (measured := quantity(d, amount)):
                made["collection"] = {"quantity": measured}
            if remark := text_of(d, player.kid("desc")):
                made["note"] = [{"text": remark}]
        if made.keys() - {"resourceType", "id", "identifier"}:
            made["subject"] = refer(d.patient)
            found.append(refer(d.add(made, link, ids or None)))
        elif ids:
            found.append({"identifier": ids[0]})
    return found


def specimen(d: Draft, node: Node) -> Resource | None:
    """The first specimen of an observation."""
    found = specimens(d, node)
    return found[0] if found else None
