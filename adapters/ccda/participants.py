"""The other people of the header -> standard Composition extensions: who entered, informed, receives, takes part, ordered.

Source: C-CDA R2.1 US Realm Header; C-CDA on FHIR (us-ccda) Composition extensions.
"""

from __future__ import annotations

from adapters.ccda.coded import concept, first_text
from adapters.ccda.draft import Draft
from adapters.ccda.identifiers import identifier, identifiers, keyed
from adapters.ccda.people import assigned
from adapters.ccda.statement import status
from adapters.ccda.tree import Node
from hie.model import Resource

_CCDA = "http://hl7.org/fhir/us/ccda/StructureDefinition/"
_ROLES = (
    ("dataEnterer", "DataEntererExtension", ("assignedEntity",)),
    ("informant", "InformantExtension", ("assignedEntity", "relatedEntity")),
    ("informationRecipient", "InformationRecipientExtension", ("intendedRecipient",)),
    ("participant", "ParticipantExtension", ("associatedEntity",)),
)


def participants(d: Draft, made: Resource, root: Node) -> None:
    """Adds the extensions of everybody whom the header names."""
    found: list[Resource] = []
    for tag, name, roles in _ROLES:
        for node in root.all(tag):
            node.used = True
            role = next((kid for kid in node.kids if kid.tag in roles), None)
            if who := assigned(d, role):
                found.append({"url": _CCDA + name, "valueReference": who})
    for node in root.all("inFulfillmentOf"):
        order = node.kid("order")
        if order is None:
            continue
        node.used = order.used = True
        shown = first_text(concept(d, order.kid("code")))
        for each in order.all("id"):
            if (one := identifier(d, each)) and one.get("value"):
                reference: Resource = {"type": "ServiceRequest", "identifier": one}
                if shown:
                    reference["display"] = shown
                found.append({"url": _CCDA + "OrderExtension", "valueReference": reference})
    for node in root.all("authorization"):
        consent = node.kid("consent")
        if consent is None:
            continue
        node.used = consent.used = True
        status(consent)
        shown = first_text(concept(d, consent.kid("code")))
        for one in keyed(identifiers(d, consent)) or ([{}] if shown else []):
            reference = {"type": "Consent"}
            if one:
                reference["identifier"] = one
            if shown:
                reference["display"] = shown
            found.append({"url": _CCDA + "AuthorizationExtension", "valueReference": reference})
    if found:
        made.setdefault("extension", []).extend(each for i, each in enumerate(found) if each not in found[:i])
