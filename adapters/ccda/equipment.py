"""Non-medicinal supplies and implants -> SupplyDelivery, DeviceUseStatement, DeviceRequest.

Source: C-CDA R2.1 Non-Medicinal Supply Activity, Product Instance, Medical Equipment Organizer, Planned Supply.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.device import devices, supplied
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.indication import reasons_of
from adapters.ccda.people import performers, uncredited
from adapters.ccda.quantities import quantity
from adapters.ccda.request import device_request
from adapters.ccda.statement import PLANNED, Section, begin, finish, negated, notes, rest, status
from adapters.ccda.times import put_when
from adapters.ccda.tree import Node
from hie.model import Resource

_USE = {
    "completed": "completed",
    "active": "active",
    "new": "intended",
    "held": "on-hold",
    "suspended": "on-hold",
    "aborted": "stopped",
    "cancelled": "stopped",
    "nullified": "entered-in-error",
}
_DELIVERY = {
    "completed": "completed",
    "active": "in-progress",
    "new": "in-progress",
    "held": "in-progress",
    "suspended": "in-progress",
    "aborted": "abandoned",
    "cancelled": "abandoned",
    "nullified": "entered-in-error",
}


def supply(d: Draft, node: Node, section: Section) -> list[str]:
    """Equipment that a patient has or was given; ordered equipment is a request."""
    if (node.get("moodCode") or "EVN") in PLANNED:
        return device_request(d, node, section)
    if negated(node):
        d.warn("negated-supply", node, "equipment said not to be there: FHIR has no status for it, see the narrative")
        return []
    counted = node.kid("quantity") is not None and (node.kid("quantity") or node).get("value") not in ("", "1")
    kind = "SupplyDelivery" if counted else "DeviceUseStatement"
    made, ids = begin(d, node, kind)
    state = status(node, _USE)
    amount = quantity(d, node.kid("quantity"))
    thing = devices(d, node)
    product = supplied(d, node)
    if not thing and product:
        own = start("Device")
        own["type"] = product
        own["patient"] = refer(d.patient)
        thing = [refer(d.add(own, node))]
    if counted:
        put(made, status=_DELIVERY.get(state))
        made["patient"] = refer(d.patient)
        item: Resource = {}
        put(item, quantity=amount, itemReference=thing[0] if thing else None)
        put(made, suppliedItem=item)
        _when(d, made, node, "occurrence")
        who = performers(d, node)
        put(made, supplier=who[0] if who else None)
        uncredited(d, node, "performer", made.get("supplier"))
    else:
        if state in _USE:
            made["status"] = _USE[state]
        else:
            made["_status"] = absent("UNK")
        made["subject"] = refer(d.patient)
        _when(d, made, node, "timing")
        made["device"] = thing[0] if thing else absent("UNK")
        reasons, indications = reasons_of(d, node, section)
        put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    section.entries += [each["reference"] for each in thing[1:] if "reference" in each]
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def _when(d: Draft, made: Resource, node: Node, stem: str) -> None:
    for each in node.all("effectiveTime"):
        if put_when(d, made, stem, each):
            return
