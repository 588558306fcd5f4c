"""Service delivery locations and healthcare facilities -> Location. Source: C-CDA R2.1 Service Delivery Location."""

from __future__ import annotations

from adapters.ccda.coded import concept
from adapters.ccda.contact import address, addresses, organisation_name, telecoms
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import alias, identifiers, keyed
from adapters.ccda.people import organisation
from adapters.ccda.tree import Node
from hie.model import Resource


def place(d: Draft, role: Node | None) -> Resource | None:
    """Reference to the place of a participantRole or healthCareFacility; a logical one where only an id is sent."""
    if role is None:
        return None
    known = d.made.get(id(role))
    if known:
        return refer(known[0], known[1])
    role.used = True
    ids = keyed(identifiers(d, role))
    kind = concept(d, role.kid("code"))
    inner = role.kid("playingEntity") or role.kid("location")
    title, where, reach = "", addresses(d, role), telecoms(d, role)
    if inner is not None:
        inner.used = True
        title = next((text for kid in inner.all("name") if (text := organisation_name(kid))), "")
        if not where and (sent := inner.kid("addr")) is not None and (made_address := address(d, sent)):
            where = [made_address]
    if not (title or where or kind or reach):
        for key in alias(role):
            if key in d.people:
                return refer(*d.people[key].split("\x1f", 1))
        return {"identifier": ids[0]} if ids else None
    made = start("Location")
    put(made, identifier=ids, name=title, type=[kind] if kind else None, telecom=reach)
    if where:
        made["address"] = where[0]
        if len(where) > 1:
            d.warn("second-address", role, "a place has one address in FHIR: the first was taken")
    owner = role.kid("serviceProviderOrganization") or role.kid("scopingEntity")
    if owner is not None and owner.tag == "serviceProviderOrganization":
        put(made, managingOrganization=organisation(d, owner))
    shown = (
        title
        or (kind or {}).get("text", "")
        or next((c["display"] for c in (kind or {}).get("coding", ()) if "display" in c), "")
    )
    reference = d.add(made, role, ids or None)
    for key in alias(role):
        d.people.setdefault(key, f"{reference}\x1f{shown}")
    d.made[id(role)] = (reference, shown)
    return refer(reference, shown)


def places(d: Draft, node: Node) -> list[Resource]:
    """The location participants of a statement."""
    found = []
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if role is None or kid.used:
            continue
        if kid.get("typeCode") in ("LOC", "ELOC", "DST", "ORG", "RML") or role.get("classCode") == "SDLOC":
            kid.used = True
            if (one := place(d, role)) and one not in found:
                found.append(one)
    return found
