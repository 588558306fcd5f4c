"""Reaction and severity observations -> AllergyIntolerance.reaction.

Sources: C-CDA R2.1 Reaction Observation, Severity Observation; C-CDA on FHIR allergies map.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, concept
from adapters.ccda.draft import Draft
from adapters.ccda.narrative import text_of
from adapters.ccda.statement import MARKS, Section, fixed_code, negated, nested, notes, rest, settled, take
from adapters.ccda.times import put_time, start_of
from adapters.ccda.tree import Node
from hie.model import Resource

_ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"
_SEVERITY = {
    "255604002": "mild",
    "6736007": "moderate",
    "24484000": "severe",
    "371923003": "moderate",
    "371924009": "severe",
    "399166001": "severe",
    "L": "mild",
    "M": "moderate",
    "H": "severe",
}
_KINDS = frozenset({"404684003", "418799008", "55607006", "64572001", "282291009", "29308-4", "75325-1", "75321-0"})
"""Codes of a reaction that say no more than that it is a finding, symptom, problem or diagnosis."""
_EXACT = frozenset({"255604002", "6736007", "24484000", "L", "M", "H"})


def severity(d: Draft, node: Node) -> Resource | None:
    """`severity`, and the words as sent where FHIR's three degrees say less."""
    settled(node)
    value = node.kid("value")
    code = code_of(value)
    sent = concept(d, value)
    if not sent:
        return None
    said = sent.get("text") or next((c["display"] for c in sent.get("coding", ()) if "display" in c), code)
    found = _SEVERITY.get(code) or _SEVERITY.get({"mild": "L", "moderate": "M", "severe": "H"}.get(said.lower(), ""))
    if found and code in _EXACT:
        return {"severity": found}
    extension = {"extension": [{"url": _ORIGINAL, "valueString": said}]}
    return {"severity": found, "_severity": extension} if found else {"_severity": extension}


def reactions(node: Node) -> list[Node]:
    """The reaction observations nested in an allergy, taken."""
    found = take(node, "9", "2.16.840.1.113883.10.20.1.54")
    for link, inner in nested(node):
        if inner.tag == "observation" and link.get("typeCode") in ("MFST", "CAUS"):
            link.used = inner.used = True
            found.append(inner)
    return found


def reaction(d: Draft, node: Node, section: Section) -> Resource | None:
    """One AllergyIntolerance.reaction; None where it is said not to occur or says nothing."""
    settled(node)
    if negated(node):
        node.used = False
        d.warn("negated-reaction", node, "a reaction said not to occur: see the narrative")
        return None
    fixed_code(node, *MARKS, *_KINDS)
    value = node.kid("value")
    shown = concept(d, value)
    text = text_of(d, node.kid("text"))
    if shown is None and value is not None and (said := text_of(d, value)):
        shown = {"text": said}
    if shown is None and text:
        shown = {"text": text}
    if shown is None and value is not None and value.null:
        shown = absent(value.null)
    if shown is None:
        return None
    made: Resource = {"manifestation": [shown]}
    if text and text != shown.get("text"):
        made["description"] = text
    put_time(d, made, "onset", start_of(d, node.kid("effectiveTime")))
    for inner in take(node, "8", codes=("SEV",)):
        made.update(severity(d, inner) or {})
    if remarks := notes(d, node):
        made["note"] = remarks
    section.entries += rest(d, node, section)
    return made
