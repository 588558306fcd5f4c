"""Sections -> Composition.section: title, code, narrative, entries, the reason why one is empty; subsections inside.

Each entry is mapped on its own: one that fails costs itself, is named by a warning, and its narrative stays.
"""

from __future__ import annotations

import re
from html import escape

from adapters.ccda.absence import NULL_EXTENSION, NULL_SYSTEM
from adapters.ccda.allergy import NO_KNOWN_CODES
from adapters.ccda.coded import concept, first_text
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.kinds import kind_of
from adapters.ccda.narrative import XHTML, text_of, xhtml
from adapters.ccda.people import assigned
from adapters.ccda.security import apply, level, privacy
from adapters.ccda.statement import STATEMENTS, Section
from adapters.ccda.tree import Node
from hie.model import Resource

_ELEMENT_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_NONE_KNOWN = re.compile(r"\bno known (?:\w+ )?allerg|\bNKD?A\b|\bno allergies\b", re.IGNORECASE)
_EMPTY = {
    "NI": ("unavailable", "Unavailable"),
    "UNK": ("unavailable", "Unavailable"),
    "NAV": ("unavailable", "Unavailable"),
    "NASK": ("notasked", "Not Asked"),
    "ASKU": ("unavailable", "Unavailable"),
    "MSK": ("withheld", "Information Withheld"),
}
_INLINE_LABEL = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label"
_EMPTY_SYSTEM = "http://terminology.hl7.org/CodeSystem/list-empty-reason"


def sections(d: Draft, body: Node) -> list[Resource]:
    """All sections of a structuredBody (or of a section), in order."""
    made = []
    for component in body.all("component"):
        for node in component.all("section"):
            component.used = True
            if one := section(d, node):
                made.append(one)
    return made


def section(d: Draft, node: Node) -> Resource | None:
    """One section with its subsections; None where there is nothing in it at all."""
    node.used = True
    kind, code = kind_of(node)
    here = Section(kind, code, node)
    made: Resource = {}
    name = node.kid("id")
    if name is not None and _ELEMENT_ID.match(element := name.get("extension") or name.get("root")):
        name.used = True
        made["id"] = element
    title = text_of(d, node.kid("title"))
    shown = concept(d, node.kid("code"))
    put(made, title=title or first_text(shown), code=shown)
    here.title = title
    _participants(d, made, node)
    narrative = node.kid("text")
    div = xhtml(narrative) if narrative is not None else ""
    if div:
        made["text"] = {"status": "additional", "div": div}
    if made.get("title") is None and shown is None and not div and not node.kids:
        return None
    own = level(d, node.kid("confidentialityCode"))
    if own:
        made.setdefault("extension", []).append({"url": _INLINE_LABEL, "valueCoding": own[0]})
    since = len(d.origins)
    for link in node.all("entry"):
        link.used = True
        entry(d, link, here)
    apply(d, since, own or d.labels)
    if kind == "allergies" and narrative is not None:
        _denial(d, here, narrative, div)
    references = [each for each in dict.fromkeys(here.entries) if each in d.resources]
    put(made, entry=[refer(each) for each in references])
    _empty(made, node, bool(references))
    put(made, section=sections(d, node))
    if not (made.keys() & {"text", "entry", "section"}):
        if not (title or shown):
            return None
        # R4 wants a text, entry or subsection (cmp-1): the title is all that was said
        said = escape(made.get("title") or first_text(shown) or code, quote=False)
        if not said:
            return None
        made["text"] = {"status": "empty", "div": f'<div xmlns="{XHTML}">{said}</div>'}
    return made


def entry(d: Draft, link: Node, here: Section) -> None:
    """Maps the statements of one entry into `here.entries`."""
    for node in link.kids:
        if node.tag not in STATEMENTS:
            continue
        mark = d.mark()
        before = len(here.entries)
        try:
            found = d.dispatch(d, node, here)
            here.entries[before:before] = found
            apply(d, mark[1], privacy(d, node))
        except Exception as error:
            # whatever an entry holds must not cost the document; the class of the error holds no data
            d.rollback(mark, node)
            del here.entries[before:]
            d.warn("entry-failed", node, f"this entry could not be mapped ({type(error).__name__}); see its narrative")


def _denial(d: Draft, here: Section, narrative: Node, div: str) -> None:
    """Flags allergies beside a narrative that denies them all."""
    listed = [d.resources[each] for each in here.entries if each in d.resources]
    drugs = [r for r in listed if r["resourceType"] == "AllergyIntolerance" and r.get("category") and "code" in r]
    known = [r for r in drugs if not any(c.get("code") in NO_KNOWN_CODES for c in r["code"].get("coding", ()))]
    if known and _NONE_KNOWN.search(div) and len(div) < 600:
        d.warn("contradiction", narrative, "the narrative says that no allergies are known, the entries name some")


def _participants(d: Draft, made: Resource, node: Node) -> None:
    found = []
    for kid in node.all("author"):
        kid.used = True
        if (who := assigned(d, kid.kid("assignedAuthor"))) and who not in found:
            found.append(who)
    put(made, author=found)


def _empty(made: Resource, node: Node, filled: bool) -> None:
    null = node.null
    if not null:
        return
    if filled:
        made.setdefault("extension", []).append({"url": NULL_EXTENSION, "valueCode": null})
        return
    coding = [{"system": NULL_SYSTEM, "code": null}]
    if null in _EMPTY:
        code, display = _EMPTY[null]
        coding.insert(0, {"system": _EMPTY_SYSTEM, "code": code, "display": display})
    made["emptyReason"] = {"coding": coding}
