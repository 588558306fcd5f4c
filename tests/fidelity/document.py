"""A C-CDA document for the checker: its elements by plain names, the address of each, narrative by its ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

V3 = "{urn:hl7-org:v3}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
Element = etree._Element

# what turns a fragment of the implementation guide into a document: the least header a receiver may expect
HEAD = """<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:voc="urn:hl7-org:v3/voc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id root="2.25.7001" extension="{name}"/>
<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/><title>Summary</title><effectiveTime value="20240105"/>
<recordTarget><patientRole><id root="2.25.7002" extension="44"/><patient><name><given>Ada</given><family>Field</family></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19610203"/></patient></patientRole></recordTarget>
<component><structuredBody>{body}</structuredBody></component></ClinicalDocument>"""
STATEMENTS = {"act", "encounter", "observation", "organizer", "procedure", "substanceAdministration", "supply"}


def tag(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1].rsplit(":", 1)[-1] if isinstance(element.tag, str) else ""


def load(file: Path) -> Element | None:
    """The root of a document; nothing if it is not XML. What is not well-formed is read as far as it goes."""
    options = {"resolve_entities": False, "no_network": True, "remove_comments": True, "remove_pis": True}
    raw = file.read_bytes().lstrip(b"\xef\xbb\xbf\r\n\t ")
    try:
        return etree.fromstring(raw, etree.XMLParser(**options))
    except etree.XMLSyntaxError:
        try:
            return etree.fromstring(raw, etree.XMLParser(recover=True, **options))
        except etree.XMLSyntaxError:
            return None


def whole(file: Path) -> str | None:
    """A fragment (a section, an entry, a statement) as a document around it; nothing for what is a document or cannot be one."""
    text = file.read_text("utf-8-sig", "replace")
    text = re.sub(r"<\?xml.*?\?>", "", text, flags=re.S)
    root = load(file)
    if root is not None and tag(root) == "ClinicalDocument":
        return None
    name = tag(root) if root is not None else ""
    if name in STATEMENTS:
        text = f"<entry>{text}</entry>"
    if name in STATEMENTS | {"entry"}:
        text = f"<section><title>Entries</title><text>Entries</text>{text}</section>"
    if name in STATEMENTS | {"entry", "section"}:
        text = f"<component>{text}</component>"
    elif name != "component":
        return None
    whole = HEAD.format(name=re.sub(r"\W", "-", file.stem)[:40], body=re.sub(r"<!DOCTYPE.*?>", "", text))
    try:
        etree.fromstring(whole.encode())
    except etree.XMLSyntaxError:
        return None
    return whole


def address(element: Element) -> str:
    """The XPath of an element, by local names; an index only where siblings share the name."""
    steps = []
    for each in [element, *element.iterancestors()]:
        parent = each.getparent()
        name = tag(each)
        twins = [] if parent is None else [x for x in parent if tag(x) == name]
        steps.append(f"{name}[{twins.index(each) + 1}]" if len(twins) > 1 else name)
    return "/" + "/".join(reversed(steps))


def child(element: Element | None, *path: str) -> Element | None:
    for name in path:
        element = next((x for x in element if tag(x) == name), None) if element is not None else None
    return element


def children(element: Element | None, name: str) -> list[Element]:
    return [x for x in element if tag(x) == name] if element is not None else []


def below(element: Element, name: str) -> Iterator[Element]:
    return (x for x in element.iter() if tag(x) == name)


def words(element: Element | None) -> str:
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip() if element is not None else ""


class Narrative:
    def __init__(self, root: Element) -> None:
        self.by_id = {x.get("ID"): x for x in root.iter() if isinstance(x.tag, str) and x.get("ID")}

    def of(self, element: Element | None) -> str:
        """The text of an element: its own, or that of the narrative it points to."""
        if element is None:
            return ""
        pointer = child(element, "reference")
        if pointer is not None and pointer.get("value", "").startswith("#"):
            return words(self.by_id.get(pointer.get("value")[1:]))
        return words(element)


def templates(element: Element) -> set[str]:
    return {x.get("root", "") for x in children(element, "templateId")}


def section_of(element: Element) -> Element | None:
    return next((x for x in element.iterancestors() if tag(x) == "section"), None)
