"""Product instances and devices of a statement -> Device, with the parts of its UDI.

Source: C-CDA R2.1 Product Instance, UDI Organizer (companion guide); FHIR R4 Device.
"""

from __future__ import annotations

from adapters.ccda.coded import concept, first_text
from adapters.ccda.contact import organisation_name
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.people import organisation
from adapters.ccda.statement import is_a, take
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.model import Resource

FDA_UDI = "2.16.840.1.113883.3.3719"
_UDI_PARTS = {
    "304": "deviceIdentifier",
    "308": "distinctIdentifier",
    "315": "lotNumber",
    "319": "serialNumber",
    "316": "manufactureDate",
    "309": "expirationDate",
    "301": "brand",
    "317": "modelNumber",
    "302": "catalog",
    "303": "manufacturer",
    "318": "safety",
    "320": "safety",
}
"""Observations of the UDI organizer by template, and what each is of a Device."""


def devices(d: Draft, node: Node) -> list[Resource]:
    """References to the devices that take part in a statement."""
    found = []
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if role is None or kid.used:
            continue
        if (
            kid.get("typeCode") in ("DEV", "NRD", "RDV")
            or role.kid("playingDevice") is not None
            or role.get("classCode") == "MANU"
        ):
            kid.used = True
            if (one := device(d, role, node)) and one not in found:
                found.append(one)
    return found


def codes(d: Draft, node: Node) -> list[Resource]:
    """What the devices of a statement are, without a Device: those of an act that did not happen belong to nobody."""
    found = []
    for kid in node.all("participant"):
        player = kid.down("participantRole", "playingDevice")
        if player is None or kid.used:
            continue
        if shown := concept(d, player.kid("code")):
            kid.used = player.used = True
            found.append(shown)
    return found


def used_device(d: Draft, node: Node) -> Resource | None:
    """The first device of an observation."""
    found = devices(d, node)
    return found[0] if found else None


def device(d: Draft, role: Node, owner: Node | None = None) -> Resource | None:
    """Reference to the Device of a participantRole; `owner` may hold the UDI organizer that describes it."""
    role.used = True
    ids = identifiers(d, role)
    made = start("Device")
    put(made, identifier=keyed(ids))
    for kid in role.all("id"):
        if kid.get("root") == FDA_UDI and kid.get("extension"):
            made["udiCarrier"] = [{"carrierHRF": kid.get("extension")}]
    player = role.kid("playingDevice")
    label: list[Resource] = []
    if player is not None:
        player.used = True
        put(made, type=concept(d, player.kid("code")))
        for tag, kind in (("manufacturerModelName", "model-name"), ("softwareName", "user-friendly-name")):
            part = player.kid(tag)
            if part is not None and (text := organisation_name(part) or first_text(concept(d, part))):
                label.append({"name": text, "type": kind})
    maker = role.kid("scopingEntity")
    if maker is not None:
        maker.used = True
        if text := next((t for kid in maker.all("desc") if (t := organisation_name(kid))), ""):
            made["manufacturer"] = text
        for kid in maker.all("id"):
            # that the FDA knows the UDI is what its root says; a Device has no room for the number of a maker
            kid.used = kid.get("root") == FDA_UDI and not kid.get("extension")
    if owner is not None:
        _udi(d, made, label, owner)
    put(made, deviceName=label)
    shown = (label[0]["name"] if label else "") or first_text(made.get("type"))
    if not made.keys() - {"resourceType", "id", "identifier"}:
        return {"identifier": keyed(ids)[0]} if keyed(ids) else None
    made["patient"] = refer(d.patient)
    return refer(d.add(made, role, keyed(ids) or None), shown)


def _udi(d: Draft, made: Resource, label: list[Resource], owner: Node) -> None:
    for organizer in take(owner, "311"):
        for each in organizer.kids:
            if each.tag != "component":
                continue
            part = each.kid("observation")
            if part is None:
                continue
            name = next((what for number, what in _UDI_PARTS.items() if is_a(part, number)), "")
            value = part.kid("value")
            if not name or value is None:
                continue
            each.used = part.used = True
            if (code := part.kid("code")) is not None:
                code.used = True
            if name in ("manufactureDate", "expirationDate"):
                put_time(d, made, name, value)
                continue
            if name == "safety":
                # of magnetic resonance, of latex
                if shown := concept(d, value):
                    made.setdefault("safety", []).append(shown)
                continue
            value.used = True
            text = value.get("extension") or value.get("value") or value.text.strip() or value.get("displayName")
            if not text:
                value.used = False
            elif name == "brand":
                label.append({"name": text, "type": "user-friendly-name"})
            elif name == "catalog":
                made["partNumber"] = text
            elif name == "deviceIdentifier":
                made.setdefault("udiCarrier", [{}])[0][name] = text
            else:
                made[name] = text


def supplied(d: Draft, node: Node) -> Resource | None:
    """The product of a supply (manufacturedProduct) as a Device type or organisation-less product."""
    product = node.down("product", "manufacturedProduct")
    if product is None:
        return None
    product.used = True
    material = product.kid("manufacturedMaterial")
    made = concept(d, material.kid("code")) if material is not None else None
    if material is not None and (name := material.kid("name")) is not None and (text := organisation_name(name)):
        made = {**(made or {}), "text": (made or {}).get("text") or text}
    organisation(d, product.kid("manufacturerOrganization"))
    return made
