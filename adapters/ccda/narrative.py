"""The narrative of a section: as safe XHTML for FHIR, and as text for the entries that point into it.

Only the elements and attributes that FHIR R4 allows in a narrative come out; there is no way for script, style sheets or
remote content to pass. Sources: CDA R2 section 4.3.5 (narrative block), FHIR R4 narrative.
"""

from __future__ import annotations

from html import escape

from adapters.ccda.draft import Draft
from adapters.ccda.tree import Node
from hie.model import Resource

XHTML = "http://www.w3.org/1999/xhtml"

_TAGS = {
    "paragraph": "p",
    "content": "span",
    "item": "li",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tfoot": "tfoot",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "colgroup": "colgroup",
    "sub": "sub",
    "sup": "sup",
    "footnote": "span",
    "footnoteRef": "a",
    "b": "b",
    "i": "i",
    "u": "u",
    "p": "p",
    "div": "div",
    "span": "span",
    "ul": "ul",
    "ol": "ol",
    "li": "li",
    "strong": "strong",
    "em": "em",
    "h1": "h1",
    "h2": "h2",
    "h3": "h3",
    "h4": "h4",
    "h5": "h5",
    "h6": "h6",
    "pre": "pre",
}
_VOID = {"br": "<br/>", "hr": "<hr/>"}
_BLOCKS = frozenset({"paragraph", "item", "tr", "list", "table", "br", "caption", "thead", "tbody", "p", "li", "div"})
_CELLS = frozenset({"td", "th", "footnote"})
_STYLES = {
    "Bold": "font-weight: bold",
    "Italics": "font-style: italic",
    "Underline": "text-decoration: underline",
    "Emphasis": "font-style: italic",
}
_ALIGN = frozenset({"left", "right", "center", "justify"})
MAX_QUOTE = 4000
"""Longest narrative, in characters of XHTML, that an entry quotes: longer ones stay in their section only."""


def xhtml(node: Node) -> str:
    """The content of a narrative element inside one FHIR `div`; "" where it says nothing."""
    parts: list[str] = []
    said = _inside(node, parts)
    return f'<div xmlns="{XHTML}">{"".join(parts)}</div>' if said else ""


def quoted(d: Draft, statement: Node) -> Resource | None:
    """FHIR narrative of an entry: the part of the section's text that its `text` points to."""
    text = statement.kid("text")
    if text is None:
        return None
    text.used = True
    target = referred(d, text)
    if target is not None:
        div = _quote(d, target, 0, text)
    else:
        plain = text_of(d, text)
        div = f'<div xmlns="{XHTML}">{escape(plain, quote=False)}</div>' if plain else ""
    if not div or (target is not None and len(div) > MAX_QUOTE):
        return None
    return {"status": "additional", "div": div}


def _quote(d: Draft, target: Node, form: int, node: Node) -> str:
    """A narrative element as XHTML (form 0) or text (1), made once; "" with a warning where quoting has no end."""
    known = d.quotes.get(id(target))
    if known is None:
        known = d.quotes[id(target)] = (xhtml_element(target), plain(target))
    found = known[form]
    if form == 0 and len(found) > MAX_QUOTE:
        return found
    d.quota -= len(found)
    if d.quota < 0 and len(found) > 200:
        d.warn("quote-limit", node, "entries quote the narrative over and over: this reference was not followed")
        return ""
    return found


def xhtml_element(node: Node) -> str:
    """As `xhtml`; a table row or cell gets the table around it that XHTML demands."""
    parts: list[str] = []
    if node.tag in ("tr", "td", "th", "tbody", "thead"):
        before = {"tr": "<table><tbody>", "td": "<table><tbody><tr>", "th": "<table><tbody><tr>"}.get(
            node.tag, "<table>"
        )
        after = {"tr": "</tbody></table>", "td": "</tr></tbody></table>", "th": "</tr></tbody></table>"}.get(
            node.tag, "</table>"
        )
        parts.append(before)
        said = _element(node, parts)
        parts.append(after)
    elif node.tag == "item" or node.tag == "text":
        said = _inside(node, parts)
    else:
        said = _element(node, parts)
    return f'<div xmlns="{XHTML}">{"".join(parts)}</div>' if said else ""


def _inside(node: Node, parts: list[str]) -> bool:
    said = False
    if node.text:
        parts.append(escape(node.text, quote=False))
        said = not node.text.isspace()
    for kid in node.kids:
        said = _element(kid, parts) or said
        if kid.tail:
            parts.append(escape(kid.tail, quote=False))
            said = said or not kid.tail.isspace()
    return said


def _element(node: Node, parts: list[str]) -> bool:
    tag = node.tag
    if tag in _VOID:
        parts.append(_VOID[tag])
        return False
    if tag == "col":
        parts.append("<col/>")
        return False
    if tag == "list":
        name = "ol" if node.get("listType") == "ordered" else "ul"
    elif tag == "caption":
        name = "caption" if node.parent is not None and node.parent.tag == "table" else "b"
        if node.parent is not None and node.parent.tag == "list":
            name = "li"
    elif tag in ("linkHtml", "a"):
        name = "a"
    elif tag == "renderMultiMedia":
        name = "span"
    else:
        name = _TAGS.get(tag, "span")
    parts.append(f"<{name}{_attributes(node, name)}>")
    said = _inside(node, parts)
    parts.append(f"</{name}>")
    return said


def _attributes(node: Node, name: str) -> str:
    if not node.attrs:
        return ""
    made = ""
    for key, value in node.attrs.items():
        if key == "ID":
            made += f' id="{escape(value)}"'
        elif key == "styleCode":
            style = "; ".join(_STYLES[part] for part in value.split() if part in _STYLES)
            made += f' style="{style}"' if style else ""
        elif key in ("colspan", "rowspan") and value.isdigit():
            made += f' {key}="{value}"'
        elif key == "align" and value.lower() in _ALIGN and "styleCode" not in node.attrs:
            made += f' style="text-align: {value.lower()}"'
        elif key == "href" and name == "a" and value.lower().startswith(("http://", "https://", "mailto:", "#")):
            made += f' href="{escape(value)}"'
        elif key == "IDREF" and name == "a":
            made += f' href="#{escape(value)}"'
        elif key == "revised":
            # without its style, what was struck out would read as if it held
            made += f' title="{escape(value)}"' + (
                ' style="text-decoration: line-through"' if value == "delete" else ""
            )
        elif key == "referencedObject":
            made += f' title="{escape(value)}"'
    return made


def plain(node: Node) -> str:
    """The text of a narrative element: cells parted by blanks, blocks by line ends."""
    parts: list[str] = []
    _plain(node, parts)
    lines = (" ".join(line.split()) for line in "".join(parts).split("\v"))
    return "\n".join(line for line in lines if line)


def _plain(node: Node, parts: list[str]) -> None:
    if node.text:
        parts.append(node.text)
    for kid in node.kids:
        block = kid.tag in _BLOCKS
        parts.append("\v" if block else " " if kid.tag in _CELLS else "")
        _plain(kid, parts)
        if block:
            parts.append("\v")
        if kid.tail:
            parts.append(kid.tail)


def markup(node: Node) -> str:
    """What stands inside an element, written as XML again: content of which the tags are a part."""
    parts = [escape(node.text, quote=False)]
    for kid in node.kids:
        shown = "".join(f' {name}="{escape(value)}"' for name, value in kid.attrs.items())
        inner = markup(kid)
        parts.append(f"<{kid.tag}{shown}>{inner}</{kid.tag}>" if inner else f"<{kid.tag}{shown}/>")
        parts.append(escape(kid.tail, quote=False))
    return "".join(parts)


def referred(d: Draft, node: Node) -> Node | None:
    """The narrative element that a node's `reference` names; warns where it names nothing."""
    reference = node.kid("reference")
    if reference is None:
        return None
    value = reference.get("value").strip()
    if "://" in value:
        return None
    reference.used = True
    if not value:
        return None
    target = d.tree.ids.get(value.removeprefix("#"))
    if target is None and value != "#":
        d.warn("reference-unresolved", reference, "a reference to the narrative names no ID of this document")
    return target


def text_of(d: Draft, node: Node | None) -> str:
    """Text of an ED or ST, its reference to the narrative resolved. Marks the node as carried."""
    if node is None:
        return ""
    node.used = True
    target = referred(d, node)
    if target is not None and (found := _quote(d, target, 1, node)):
        target.used = True
        inline = "" if node.text.isspace() else " ".join(node.text.split())
        # words beside the pointer are the sender's own: they stay unless the narrative says them too
        return f"{inline}\n{found}" if inline and inline.lower() not in found.lower() else found
    if not node.kids:
        return " ".join(node.text.split()) if "\n" in node.text else node.text.strip()
    return plain(node)
