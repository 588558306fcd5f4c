"""Note activities and external documents -> DocumentReference; acts that only group or point -> what they hold.

Source: C-CDA R2.1 companion guide, Note Activity; External Document Reference; Entry Reference.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import concept, required
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.identifiers import alias
from adapters.ccda.media import attachment, externals
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, writers
from adapters.ccda.procedure import procedure
from adapters.ccda.statement import Section, begin, finish, instant_or, nested, rest, settled, status
from adapters.ccda.times import put_when
from adapters.ccda.tree import Node
from hie.model import Resource

_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
_DOC = {"completed": "final", "active": "preliminary", "nullified": "entered-in-error"}


def note(d: Draft, node: Node, section: Section) -> list[str]:
    """A clinical note with its text."""
    text = node.kid("text")
    content = attachment(d, text) if text is not None else None
    made, ids = begin(d, node, "DocumentReference")
    made.pop("text", None)
    if content is None:
        d.warn("note-empty", node, "a note without text")
        content = absent(text.null if text is not None and text.null else "UNK")
    state = status(node)
    made["status"] = "entered-in-error" if state == "nullified" else "current"
    put(made, docStatus=_DOC.get(state), type=concept(d, node.kid("code")))
    made["category"] = [{"coding": [{"system": _CATEGORY, "code": "clinical-note", "display": "Clinical Note"}]}]
    made["subject"] = refer(d.patient)
    _, written = author(d, node)
    instant_or(d, made, "date", written)
    put(made, author=writers(d, node), authenticator=_signed(d, node))
    made["content"] = [{"attachment": content}]
    context: Resource = {}
    probe: Resource = {}
    if put_when(d, probe, "x", node.kid("effectiveTime")):
        context["period"] = probe.get("xPeriod") or {"start": probe["xDateTime"]}
    visits = []
    for link, inner in list(nested(node)):
        if inner.tag == "encounter":
            link.used = True
            found = [d.aliases[key] for key in alias(inner) if key in d.aliases]
            visits += [each for each in (found or d.dispatch(d, inner, section)) if each.startswith("Encounter/")]
            for kid in inner.all("id"):
                kid.used = True
    put(context, related=[refer(each) for each in externals(d, node)])
    put(context, encounter=[refer(each) for each in dict.fromkeys(visits)])
    put(made, context=context)
    reference = finish(d, node, made, ids)
    return [reference, *rest(d, node, section)]


def _signed(d: Draft, node: Node) -> Resource | None:
    """Who signed a note: its legal authenticator."""
    for kid in node.all("participant"):
        if kid.get("typeCode") == "LA" and (who := assigned(d, kid.kid("participantRole"))):
            kid.used = True
            return who
    return None


def comment(d: Draft, node: Node, section: Section) -> list[str]:
    """A comment on something that FHIR gives no note."""
    text = text_of(d, node.kid("text"))
    if not text:
        return []
    made, ids = begin(d, node, "Observation")
    settled(node)
    made["status"] = "final"
    made["code"] = required(d, node.kid("code"))
    made["subject"] = refer(d.patient)
    writer, written = author(d, node)
    instant_or(d, made, "issued", written)
    put(made, performer=[writer] if writer else None)
    made["valueString"] = text
    return [finish(d, node, made, ids)]


def pointer(d: Draft, node: Node, section: Section) -> list[str]:
    """An entry reference: the resource of the entry that has this id, where it is in the document."""
    found = [d.aliases[key] for key in alias(node) if key in d.aliases]
    if found:
        node.used = True
        for kid in node.kids:
            if kid.tag in ("id", "code", "statusCode"):
                kid.used = True
        return found[:1]
    d.pending.append(node)
    return []


_POINTING = {
    "Goal": ("addresses", ("Condition/", "Observation/", "ServiceRequest/")),
    "ServiceRequest": ("supportingInfo", ("",)),
    "Observation": ("hasMember", ("Observation/",)),
    "Procedure": ("reasonReference", ("Condition/", "Observation/")),
}
"""Which element of a resource may point to an entry that came later in the document."""


def settle(d: Draft) -> None:
    """Entry references to entries that stood further on, once all are mapped."""
    for node in d.pending:
        found = next((d.aliases[key] for key in alias(node) if d.aliases.get(key) in d.resources), "")
        owner = node.parent.parent if node.parent is not None else None
        source = d.made.get(id(owner), ("",))[:1]
        resource = d.resources.get(source[0]) if source else None
        element, kinds = _POINTING.get(resource["resourceType"], ("", ())) if resource else ("", ())
        if not found:
            d.warn("entry-reference-unresolved", node, "an entry refers to one that this document does not hold")
            continue
        node.used = True
        for kid in node.kids:
            kid.used = kid.used or kid.tag in ("id", "code", "statusCode")
        if resource is not None and found.startswith(kinds) and refer(found) not in resource.get(element, []):
            resource[element] = [*resource.get(element, []), refer(found)]
        elif resource is None or not element:
            d.warn("entry-reference-loose", node, "an entry refers to one that its resource has no element for")


def act(d: Draft, node: Node, section: Section) -> list[str]:
    """Any other act that happened: a procedure where it has a code, else only what is nested in it."""
    code = node.kid("code")
    if code is not None and (
        code.get("code") or code.kid("originalText") is not None or code.kid("translation") is not None
    ):
        return procedure(d, node, section)
    inner = rest(d, node, section)
    if not inner and node.null:
        d.warn("no-information", node, "a null entry: nothing is known")
    return inner
