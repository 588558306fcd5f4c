"""manufacturedProduct -> what was given: a code where that says all, a Medication where lot, maker or vehicle are known.

Source: C-CDA R2.1 Medication Information, Immunization Medication Information, Drug Vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, concept, first_text, named
from adapters.ccda.contact import organisation_name
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.people import organisation
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.model import Resource


@dataclass(slots=True)
class Product:
    """What a manufacturedProduct says."""

    code: Resource | None = None
    lot: str = ""
    expiry: Resource | None = None
    """`expirationDate` as it would stand in a batch."""
    maker: Resource | None = None
    vehicle: Resource | None = None
    null: str = ""


def product(d: Draft, node: Node | None, link: str = "consumable") -> Product:
    """Reads `link`/manufacturedProduct of an administration or supply."""
    made = Product()
    outer = node.kid(link) if node is not None else None
    inner = outer.kid("manufacturedProduct") if outer is not None else None
    if node is None or inner is None:
        return made
    inner.used = True
    material = inner.kid("manufacturedMaterial") or inner.kid("manufacturedLabeledDrug")
    if material is not None:
        material.used = True
        code = material.kid("code")
        made.code = concept(d, code)
        made.null = code.null if code is not None else material.null
        if (name := material.kid("name")) is not None and (text := organisation_name(name)):
            made.code = named(made.code, text, name)
        if (lot := material.kid("lotNumberText")) is not None and (text := organisation_name(lot)):
            made.lot = text
        if (expires := material.kid("expirationTime")) is not None:
            probe: Resource = {}
            if put_time(d, probe, "expirationDate", expires):
                made.expiry = probe
    made.maker = organisation(d, inner.kid("manufacturerOrganization"))
    for kid in node.all("participant"):
        if kid.get("typeCode") == "CSM" and not kid.used:
            player = kid.down("participantRole", "playingEntity")
            if player is not None:
                kid.used = True
                if code_of(role_code := kid.down("participantRole", "code")) == "412307009" and role_code is not None:
                    # drug vehicle: what the template says of every such participant
                    role_code.used = True
                vehicle = concept(d, player.kid("code"))
                if (name := player.kid("name")) is not None and (text := organisation_name(name)):
                    vehicle = {**(vehicle or {}), "text": (vehicle or {}).get("text") or text}
                made.vehicle = vehicle
    return made


def put_medication(d: Draft, target: Resource, given: Product, node: Node) -> None:
    """Sets medication[x]."""
    code = given.code or absent(given.null or "UNK")
    amount = node.kid("doseQuantity")
    # beside a dose with a unit, administrationUnitCode names the form of the product
    form = concept(d, node.kid("administrationUnitCode")) if amount is not None and amount.get("unit") else None
    if not given.code:
        d.warn("drug-missing", node, "a medication without a drug: see its narrative")
    if not (given.lot or given.maker or given.vehicle or given.expiry or form):
        target["medicationCodeableConcept"] = code
        return
    made = start("Medication")
    made["code"] = code
    put(made, manufacturer=given.maker, form=form)
    if given.vehicle:
        made["ingredient"] = [{"itemCodeableConcept": given.vehicle, "isActive": False}]
    batch: Resource = {"lotNumber": given.lot} if given.lot else {}
    batch.update(given.expiry or {})
    put(made, batch=batch)
    target["medicationReference"] = refer(d.add(made, node), first_text(code))
