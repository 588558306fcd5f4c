"""The other people of the header -> standard Composition extensions: who entered, informed, receives, takes part, ordered.

Source: C-CDA R2.1 US Realm Header; C-CDA on FHIR (us-ccda) Composition extensions.
"""

from __future__ import annotations

from adapters.ccda.coded import code_of, concept, first_text
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.people import assigned, organisation
from adapters.ccda.times import period
from adapters.ccda.tree import Node
from hie.model import Resource

_CCDA = "http://hl7.org/fhir/us/ccda/StructureDefinition/"
_ROLES = (
    ("dataEnterer", "DataEntererExtension", ("assignedEntity",)),
    ("informant", "InformantExtension", ("assignedEntity", "relatedEntity")),
    ("informationRecipient", "InformationRecipientExtension", ("intendedRecipient",)),
    ("participant", "ParticipantExtension", ("associatedEntity",)),
)
_CARING = frozenset({"Practitioner", "PractitionerRole", "Organization"})
_PRIORITY = {"R": "routine", "UR": "urgent", "A": "asap", "S": "stat", "EM": "stat"}
"""ActPriority -> RequestPriority, where they mean the same."""


def participants(d: Draft, made: Resource, root: Node) -> None:
    """Adds the extensions of everybody whom the header names."""
    found: list[Resource] = []
    for tag, name, roles in _ROLES:
        for node in root.all(tag):
            node.used = True
            role = next((kid for kid in node.kids if kid.tag in roles), None)
            if who := assigned(d, role):
                found.append({"url": _CCDA + name, "valueReference": who})
                _function(d, node, who)
                if str(who.get("reference", "")).startswith("RelatedPerson/") and (
                    behind := organisation(d, role.kid("scopingOrganization") if role is not None else None)
                ):
                    # a relative has no organisation in FHIR: it takes part itself (the payer of a policy holder)
                    found.append({"url": _CCDA + name, "valueReference": behind})
    for node in root.all("inFulfillmentOf"):
        order = node.kid("order")
        if order is None:
            continue
        node.used = order.used = True
        found += [{"url": _CCDA + "OrderExtension", "valueReference": each} for each in _order(d, order)]
    for node in root.all("authorization"):
        consent = node.kid("consent")
        if consent is None:
            continue
        node.used = consent.used = True
        shown = _shown(consent.kid("code"))
        for one in keyed(identifiers(d, consent)) or ([{}] if shown else []):
            reference: Resource = {"type": "Consent"}
            if one:
                reference["identifier"] = one
            if shown:
                reference["display"] = shown
            found.append({"url": _CCDA + "AuthorizationExtension", "valueReference": reference})
    if found:
        made.setdefault("extension", []).extend(each for i, each in enumerate(found) if each not in found[:i])


def _function(d: Draft, node: Node, who: Resource) -> None:
    """What a participant is to the patient: the primary care provider, or a relative within a time."""
    function, when = node.kid("functionCode"), node.kid("time")
    resource = d.resources.get(str(who.get("reference", "")))
    if code_of(function) == "PCP" and function is not None:
        person = d.resources.get(d.patient)
        if person is not None and (resource is None or resource["resourceType"] in _CARING):
            function.used = True
            if who not in person.get("generalPractitioner", ()):
                person["generalPractitioner"] = [*person.get("generalPractitioner", []), who]
    related = resource is not None and resource["resourceType"] == "RelatedPerson"
    # a single moment is when it was said, not when the relation began and ended
    if related and resource is not None and when is not None and not when.get("value") and "period" not in resource:
        put(resource, period=period(d, when))


def _order(d: Draft, order: Node) -> list[Resource]:
    """References to an order that the document fulfils: a ServiceRequest where more than its number is said."""
    ids = keyed(identifiers(d, order))
    code, urgency = concept(d, order.kid("code")), order.kid("priorityCode")
    if not code:
        return [{"type": "ServiceRequest", "identifier": each} for each in ids]
    made = start("ServiceRequest")
    put(made, identifier=ids)
    made["status"] = "unknown"
    made["intent"] = "order"
    if (speed := _PRIORITY.get(code_of(urgency))) and urgency is not None:
        urgency.used = True
        made["priority"] = speed
    made["code"] = code
    made["subject"] = refer(d.patient)
    return [refer(d.add(made, order, ids or None), first_text(code))]


def _shown(node: Node | None) -> str:
    """The name of a code that has no place of its own: the code stays unread."""
    if node is None or not node.get("displayName"):
        return ""
    node.used = not node.get("code")
    return node.get("displayName")
