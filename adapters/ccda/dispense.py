"""Medication supplies -> MedicationDispense (what was handed over) and MedicationRequest (what is to be).

Sources: C-CDA R2.1 Medication Supply Order, Medication Dispense, Instruction; IHE PCC Medication Fulfillment Instructions.
"""

from __future__ import annotations

from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.narrative import text_of
from adapters.ccda.people import author, performers
from adapters.ccda.product import Product, product, put_medication
from adapters.ccda.quantities import number, quantity
from adapters.ccda.statement import (
    INTENT,
    PLANNED,
    Section,
    begin,
    finish,
    nested,
    notes,
    rest,
    settled,
    status,
    take,
    unread_code,
)
from adapters.ccda.times import period, put_time, put_when
from adapters.ccda.tree import Node
from hie.fhir.dates import ORIGINAL_TEXT_URL
from hie.model import Resource

REQUEST = {
    "active": "active",
    "new": "draft",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
DISPENSE = {
    "active": "in-progress",
    "new": "preparation",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}


def supply(d: Draft, node: Node, section: Section, parent: Product | None = None) -> list[str]:
    """A supply: dispensed (EVN) or ordered (INT, RQO ...). Without a product of its own it is of its parent's drug."""
    own = product(d, node, "product")
    given = own if own.code or parent is None else parent
    if (node.get("moodCode") or "EVN") in PLANNED:
        made, ids = begin(d, node, "MedicationRequest")
        made["status"] = REQUEST.get(status(node, REQUEST), "unknown")
        made["intent"] = "order" if node.get("moodCode") in ("INT", "RQO") else INTENT[node.get("moodCode")]
        put_medication(d, made, given, node)
        made["subject"] = refer(d.patient)
        writer, written = author(d, node)
        put_time(d, made, "authoredOn", written)
        put(made, requester=writer, note=notes(d, node))
        dispense_request(d, made, node, section)
        section.entries += rest(d, node, section)
        return [finish(d, node, made, ids)]
    made, ids = begin(d, node, "MedicationDispense")
    made["status"] = DISPENSE.get(status(node, DISPENSE), "unknown")
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    who = performers(d, node) or ([writer] if (writer := author(d, node)[0]) else [])
    put(made, performer=[{"actor": each} for each in who])
    put(made, quantity=quantity(d, node.kid("quantity")))
    when = node.kid("effectiveTime")
    if when is not None and not put_time(d, made, "whenHandedOver", when):
        span = period(d, when)
        if span:
            if "start" in span:
                made["whenPrepared"] = span["start"]
            if "end" in span:
                made["whenHandedOver"] = span["end"]
    orders, others = supplies(d, node, section, given)
    put(made, authorizingPrescription=[o for o in orders if o["reference"].startswith("MedicationRequest/")])
    section.entries += [each["reference"] for each in others]
    put(made, note=notes(d, node) + fulfilment(d, node))
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def supplies(d: Draft, node: Node, section: Section, given: Product) -> tuple[list[Resource], list[Resource]]:
    """References to the orders and to the dispenses nested in an administration."""
    orders: list[Resource] = []
    dispenses: list[Resource] = []
    for link, inner in list(nested(node)):
        if inner.tag == "supply":
            link.used = True
            for each in supply(d, inner, section, given):
                target = dispenses if each.startswith("MedicationDispense/") else orders
                target.append(refer(each))
    return [o for o in orders if o["reference"].startswith(("MedicationRequest/", "ServiceRequest/"))], dispenses


def owed(d: Draft, supplies: list[str], order: str) -> None:
    """Supplies nested in an order were made for it."""
    for each in supplies:
        element = "authorizingPrescription" if each.startswith("MedicationDispense/") else "basedOn"
        if each.startswith(("MedicationDispense/", "MedicationRequest/")) and each != order:
            d.resources[each].setdefault(element, [refer(order)])


def dispense_request(d: Draft, made: Resource, node: Node, section: Section) -> None:
    """Refills, amount and validity of a supply order."""
    node.used = True
    request: Resource = {}
    when = node.kid("effectiveTime")
    probe: Resource = {}
    if put_when(d, probe, "x", when):
        request["validityPeriod"] = probe.get("xPeriod") or {"start": probe["xDateTime"]}
    repeats = node.kid("repeatNumber")
    if repeats is not None and (value := number(repeats.get("value"))) is not None and value >= 0:
        repeats.used = True
        # C-CDA counts the fills that are allowed, the first one among them; FHIR those after the first. Some senders count
        # as FHIR does, so that the number as sent stays beside it
        request["numberOfRepeatsAllowed"] = max(int(value) - 1, 0)
        request["_numberOfRepeatsAllowed"] = {
            "extension": [{"url": ORIGINAL_TEXT_URL, "valueString": repeats.get("value")}]
        }
    put(request, quantity=quantity(d, node.kid("quantity")))
    who = performers(d, node)
    if who and str(who[0].get("reference", "")).startswith("Organization/"):
        request["performer"] = who[0]
    elif who:
        made.setdefault("performer", who[0])
    put(made, dispenseRequest=request)
    if "identifier" not in made:
        settled(node)
    for inner in take(node, "20"):
        settled(inner)
        unread_code(inner)
        if text := text_of(d, inner.kid("text")):
            made.setdefault("note", []).append({"text": text})
    put(made, note=made.get("note", []) + fulfilment(d, node))


def same_drug(d: Draft, node: Node, given: Product) -> bool:
    """Whether a supply names no drug of its own, or the one it is nested in."""
    own = product(d, node, "product")
    return own.code is None or given.code is None or own.code == given.code


def fulfilment(d: Draft, node: Node) -> list[Resource]:
    """What the pharmacy is to know."""
    made = []
    for inner in take(node, "1.3.6.1.4.1.19376.1.5.3.1.4.3.1", codes=("FINSTRUCT",)):
        settled(inner)
        if text := text_of(d, inner.kid("text")):
            made.append({"text": text})
    return made
