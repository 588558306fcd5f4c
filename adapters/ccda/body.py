"""Writes the record of a document: patient, Composition with its sections, or the content of an unstructured body."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from adapters.ccda import encounter
from adapters.ccda.coded import concept
from adapters.ccda.composition import composition, events
from adapters.ccda.credit import credits
from adapters.ccda.draft import Draft, put, refer, start
from adapters.ccda.identifiers import identifier, identifiers, keyed
from adapters.ccda.media import attachment
from adapters.ccda.note import settle
from adapters.ccda.participants import participants
from adapters.ccda.patient import file, patient
from adapters.ccda.people import introduce
from adapters.ccda.sections import section, sections
from adapters.ccda.security import apply
from adapters.ccda.tree import Node
from hie.model import Resource


def write(d: Draft, root: Node) -> str | None:
    """Writes everything and returns the document's instant, None where its time is less precise."""
    root.used = True
    targets = root.all("recordTarget")
    if targets:
        file(d, patient(d, targets[0]), targets[0])
    else:
        d.warn("patient-missing", root, "a document without recordTarget")
        file(d, start("Patient"), root)
    if len(targets) > 1:
        d.warn("patient-second", targets[1], "a second recordTarget: the document is filed under the first")
    since = len(d.origins)
    introduce(d, root)
    made = composition(d, root)
    ids = [made["identifier"]] if made.get("identifier", {}).get("value") else None
    visit = encounter.header(d, root)
    put(made, encounter=refer(visit) if visit else None, event=events(d, root))
    participants(d, made, root)
    apply(d, since, d.labels)
    whole = root.kid("component")
    if whole is not None:
        structured, flat = whole.kid("structuredBody"), whole.kid("nonXMLBody")
        if structured is not None:
            structured.used = whole.used = True
            put(made, section=sections(d, structured))
        if flat is not None:
            put(made, section=_unstructured(d, root, flat, made))
    if "section" not in made:
        put(made, section=_stray(d))
    if d.stays:
        made["event"] = [*made.get("event", []), *d.stays]
    settle(d)
    d.authored.append((root, d.add(made, root, ids)))
    _edition(d, root, made)
    credits(d)
    date = made.get("date", "")
    return date if len(date) > 10 else None


def _edition(d: Draft, root: Node, made: Resource) -> None:
    """The set of which the document is one version: R4 keeps it beside the document's own id in a DocumentReference."""
    node = root.kid("setId")
    family = identifier(d, node) if node is not None else None
    own = made.get("identifier", {})
    if family is None or family == own or "value" not in family:
        return
    for each in d.resources.values():
        if each["resourceType"] == "DocumentReference" and own and each.get("masterIdentifier") == own:
            each.setdefault("identifier", []).append(family)
            return
    document = start("DocumentReference")
    put(document, meta=made.get("meta"), masterIdentifier=own if "value" in own else None)
    document["identifier"] = [family]
    document["status"] = "current"
    document["type"] = made["type"]
    document["subject"] = refer(d.patient)
    # the document itself is not carried twice: its size and hash tell which of the stored originals it is
    raw = d.tree.raw
    digest = b64encode(sha1(raw, usedforsecurity=False).digest()).decode()
    document["content"] = [{"attachment": {"contentType": "text/xml", "size": len(raw), "hash": digest}}]
    d.add(document, node, [family, own] if "value" in own else [family])


def _stray(d: Draft) -> list[Resource]:
    """Sections that stand where they should not: below the root, or in a component without structuredBody."""
    found = []
    for node in d.tree.nodes:
        if node.tag == "section" and not node.used and (one := section(d, node)):
            d.warn("section-misplaced", node, "a section outside structuredBody")
            found.append(one)
    return found


def _unstructured(d: Draft, root: Node, body: Node, made: Resource) -> list[Resource]:
    """nonXMLBody -> DocumentReference with the content as attachment, and a section that points to it."""
    body.used = True
    text = body.kid("text")
    content = attachment(d, text) if text is not None else None
    if content is None:
        d.warn("body-empty", body, "an unstructured body without content")
        return []
    document = start("DocumentReference")
    if "meta" in made:
        document["meta"] = made["meta"]
    ids = keyed(identifiers(d, root))
    if ids:
        document["masterIdentifier"] = ids[0]
    document["status"] = "current"
    document["type"] = made["type"]
    document["subject"] = refer(d.patient)
    if "T" in made.get("date", ""):
        document["date"] = made["date"]
    authors = [each for each in made["author"] if "reference" in each or "identifier" in each]
    put(document, author=[{k: v for k, v in each.items() if k != "extension"} for each in authors])
    put(document, custodian=made.get("custodian"), description=made.get("title"))
    confidential = made.get("meta", {}).get("security")
    if confidential:
        document["securityLabel"] = [{"coding": confidential}]
    if (language := made.get("language")) and "language" not in content:
        content["language"] = language
    document["content"] = [{"attachment": content}]
    reference = d.add(document, body, ids or None)
    only: Resource = {"entry": [refer(reference)]}
    put(only, title=made.get("title"), code=concept(d, root.kid("code")))
    return [only]
