"""Confidentiality and privacy annotations of a document, a section or an entry -> meta.security of what came from them.

A section speaks for its entries and the document for its sections, as far as they do not speak for themselves (context
conduction). "Normal" is not copied onto every resource. Sources: CDA R2 confidentialityCode; HL7 DS4P for CDA (privacy
annotation, security observation); FHIR R4 security labels.
"""

from __future__ import annotations

from adapters.ccda.coded import code_of, coding
from adapters.ccda.draft import Draft
from adapters.ccda.tree import Node
from hie.model import Resource

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LEVELS = frozenset("ULMNRV")
_OBSERVATIONS = frozenset({"SECCLASSOBS", "SECCATOBS", "SECCONOBS", "SECINTOBS"})
_ABOUT_OTHERS = frozenset({"Patient", "Practitioner", "PractitionerRole", "Organization", "Location"})


def level(d: Draft, node: Node | None) -> list[Resource]:
    """The labels of a confidentialityCode: its level, or its code as sent."""
    code = code_of(node)
    if node is None or not code:
        return []
    if code in LEVELS:
        node.used = True
        return [{"system": CONFIDENTIALITY, "code": code}]
    sent = coding(d, node)
    node.used = sent is not None
    return [{k: v for k, v in sent.items() if k != "display"}] if sent else []


def privacy(d: Draft, node: Node) -> list[Resource]:
    """The labels of the privacy annotations inside a statement."""
    if not d.tree.annotated:
        return []
    found: list[Resource] = []
    for each in node.walk():
        if each.tag == "observation" and code_of(each.kid("code")) in _OBSERVATIONS:
            for value in each.all("value"):
                for label in level(d, value):
                    if label not in found:
                        found.append(label)
    return found


def apply(d: Draft, since: int, labels: list[Resource]) -> None:
    """Labels the resources whose origin was noted after `since`, where they have no level of their own."""
    special = [each for each in labels if each["code"] != "N"]
    if not special:
        return
    for reference in dict.fromkeys(reference for reference, _ in d.origins[since:]):
        resource = d.resources.get(reference)
        if resource is None or resource["resourceType"] in _ABOUT_OTHERS:
            continue
        meta = resource.setdefault("meta", {})
        present = meta.setdefault("security", [])
        present += [each for each in special if each not in present]
