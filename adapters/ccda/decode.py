"""C-CDA document -> one Record: a Composition with every section, and the facts of its entries as FHIR R4 resources.

Refused are only: what is not XML, a DOCTYPE or entities, and a document that is no ClinicalDocument. Everything else
gives output; what could not be mapped is named in `warnings` and `unmapped`.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.ccda.body import write
from adapters.ccda.coded import code_of
from adapters.ccda.draft import Draft
from adapters.ccda.entries import dispatch
from adapters.ccda.peek import peek
from adapters.ccda.tree import MAX_DEPTH, Node, Tree, parse
from hie.errors import DecodeError
from hie.fhir.repair import sound
from hie.fhir.validate import valid
from hie.model import FeedContext, Record, Resource, Source, Unmapped, Warning

__all__ = ["decode", "peek"]


def decode(raw: bytes, context: FeedContext) -> Iterator[Record]:
    """The record of a document. Raises DecodeError (`ccda-not-xml`, `ccda-dtd`, `ccda-no-document`, `ccda-too-large`)."""
    tree = parse(raw, context.charset)
    root = _document(tree)
    d = Draft(tree, context, _sender(root))
    d.dispatch = dispatch
    authored = write(d, root)
    warnings = d.warnings()
    lost: list[Unmapped] = []
    if tree.flag:
        warnings.append(Warning(tree.flag, "/", "the declared encoding is not the one the document is written in"))
    if tree.folded:
        warnings.append(
            Warning("depth-limit", "/", f"elements deeper than {MAX_DEPTH} were folded into their ancestors")
        )
    resources = d.finished()
    sources = d.sources()
    if not valid(resources):
        resources, repaired = _repaired(resources, sources)
        warnings += repaired
        lost = [Unmapped(each.where, 1) for each in repaired]
        have = {f"{each['resourceType']}/{each['id']}" for each in resources}
        sources = tuple(source for source in sources if source.reference in have)
    number = root.kid("id")
    yield Record(
        index=0,
        event=code_of(root.kid("code")),
        patient=d.patient or None,
        resources=resources,
        sources=sources,
        warnings=tuple(warnings),
        unmapped=(*d.places.unmapped(tree.nodes, tree.ids), *lost),
        control_id=_control(number),
        sender=_name(root),
        authored=authored,
    )


def _repaired(
    resources: tuple[Resource, ...], sources: tuple[Source, ...]
) -> tuple[tuple[Resource, ...], list[Warning]]:
    """Valid resources, and a warning at the place of each element that R4 does not allow."""
    places = {source.reference: source.where for source in reversed(sources)}
    kept, issues = sound(resources)
    return tuple(kept), [
        Warning(
            "element-removed",
            places.get(issue.reference, "/"),
            f"{'.'.join(str(step) for step in issue.path if isinstance(step, str))}: {issue.code}",
        )
        for issue in issues
    ]


def _document(tree: Tree) -> Node:
    # some senders wrap the document in an envelope of their own
    for node in tree.nodes:
        if node.tag == "ClinicalDocument":
            return node
    raise DecodeError(
        "the root element is not a ClinicalDocument", code="ccda-no-document", hint="send one CDA R2 document"
    )


def _control(number: Node | None) -> str:
    if number is None:
        return ""
    root, extension = number.get("root"), number.get("extension")
    return f"{root}^{extension}" if extension else root


def _custodian(root: Node) -> Node | None:
    return root.down("custodian", "assignedCustodian", "representedCustodianOrganization")


def _sender(root: Node) -> str:
    """Who identifies things in this document: its custodian, else its author's organisation, else the root of its id."""
    author = root.down("author", "assignedAuthor", "representedOrganization")
    for node in (_custodian(root), author):
        if node is None:
            continue
        for kid in node.all("id"):
            if kid.get("root") and not kid.null:
                return f"{kid.get('root')}|{kid.get('extension')}"
        if (name := node.kid("name")) is not None and name.text.strip():
            return name.text.strip()
    number = root.kid("id")
    return number.get("root") if number is not None else ""


def _name(root: Node) -> str:
    author = root.down("author", "assignedAuthor", "representedOrganization")
    for node in (_custodian(root), author):
        if node is not None and (name := node.kid("name")) is not None and name.text.strip():
            return " ".join(name.text.split())
    return ""
