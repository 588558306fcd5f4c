"""Embedded or linked content (ED, observationMedia, nonXMLBody) -> Attachment and DocumentReference.

Source: CDA R2 nonXMLBody and observationMedia; FHIR R4 Attachment, DocumentReference.
"""

from __future__ import annotations

import base64
import binascii

from adapters.ccda.coded import concept
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.narrative import markup, text_of
from adapters.ccda.tree import Node
from hie.model import Resource


def attachment(d: Draft, node: Node) -> Resource | None:
    """An ED as an Attachment: base64 content checked, text encoded, a reference as its URL; None where it is empty."""
    made: Resource = {}
    kind = node.get("mediaType").strip()
    if kind:
        made["contentType"] = kind
    if language := node.get("language"):
        made["language"] = language
    reference = node.kid("reference")
    body = "".join(node.text.split()) if node.get("representation") == "B64" else ""
    if body:
        node.used = True
        try:
            content = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            d.warn("base64-invalid", node, "content is not base64: kept as the text that was sent")
            made["data"] = base64.b64encode(node.text.strip().encode()).decode()
            return made
        made["data"] = body
        made["size"] = len(content)
        _hash(d, made, node)
    elif reference is not None and (url := reference.get("value").strip()) and not url.startswith("#"):
        node.used = reference.used = True
        made["url"] = url
    elif text := _written(d, node, kind):
        made["data"] = base64.b64encode(text.encode()).decode()
        made["size"] = len(text.encode())
        made.setdefault("contentType", "text/plain")
    else:
        return None
    return made


def _written(d: Draft, node: Node, kind: str) -> str:
    """Content that came as text: its lines as they were written; markup as markup where it calls itself that."""
    if not node.kids:
        node.used = True
        return node.text.strip("\r\n") if not node.text.isspace() else ""
    if kind in ("text/html", "application/xhtml+xml", "text/xml", "application/xml") and node.kid("reference") is None:
        for each in node.walk():
            each.used = True
        return markup(node)
    return text_of(d, node)


def _hash(d: Draft, made: Resource, node: Node) -> None:
    """The SHA-1 that came with the content; FHIR's hash knows no other algorithm."""
    check, algorithm = node.get("integrityCheck"), node.get("integrityCheckAlgorithm")
    if check and algorithm in ("", "SHA-1"):
        made["hash"] = check
    if node.get("compression"):
        d.warn("content-compressed", node, "compressed content is kept as sent: FHIR cannot say how to unpack it")


def attached(d: Draft, value: Node, node: Node) -> str | None:
    """A DocumentReference for content inside a statement."""
    content = attachment(d, value)
    if content is None:
        return None
    made = start("DocumentReference")
    made["status"] = "current"
    made["subject"] = refer(d.patient)
    made["content"] = [{"attachment": content}]
    return d.add(made, node)


def media(d: Draft, node: Node) -> list[str]:
    """observationMedia, which the narrative shows by renderMultiMedia."""
    node.used = True
    value = node.kid("value")
    if value is None:
        return []
    content = attachment(d, value)
    if content is None:
        return []
    made = start("DocumentReference")
    ids = keyed(identifiers(d, node))
    put(made, identifier=ids)
    made["status"] = "current"
    made["subject"] = refer(d.patient)
    made["content"] = [{"attachment": content}]
    return [d.add(made, node, ids or None)]


def externals(d: Draft, node: Node) -> list[str]:
    """The documents that a statement points to."""
    found = []
    for link in node.all("reference"):
        document = link.kid("externalDocument")
        if document is not None and (one := external(d, document)):
            link.used = True
            found.append(one)
    return found


def external(d: Draft, node: Node) -> str:
    """reference/externalDocument -> DocumentReference; "" where it has no content to point to."""
    node.used = True
    ids = keyed(identifiers(d, node))
    text = node.kid("text")
    content = attachment(d, text) if text is not None else None
    if content is None and not ids:
        return ""
    made = start("DocumentReference")
    if ids:
        made["masterIdentifier"] = ids[0]
    made["status"] = "current"
    put(made, type=concept(d, node.kid("code")))
    made["subject"] = refer(d.patient)
    made["content"] = [{"attachment": content or {"title": ids[0]["value"]}}]
    return d.add(made, node, ids or None)
