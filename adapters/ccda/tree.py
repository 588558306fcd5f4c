"""XML bytes -> a tree of light nodes, refusing what a clinical document never needs: a DOCTYPE, entities, endless depth.

expat drives it directly: one pass makes the nodes, the index of narrative IDs and the list of all elements that
`unmapped` walks at the end, for less than a general tree costs before anybody has looked at it. Prefixes are resolved
leniently: an undeclared `xsi:` or `sdtc:` is a common slip and harms nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.parsers import expat

from hie.errors import DecodeError

HL7 = "urn:hl7-org:v3"
SDTC = "urn:hl7-org:sdtc"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 100
"""Elements below this depth are folded into their ancestor: their text stays, their structure does not."""
MAX_ELEMENTS = 2_000_000

_DECLARED = re.compile(rb"""<\?xml\b[^>]*?\bencoding\s*=\s*["']([\w.-]+)""")
_XMLNS = re.compile(rb"""\sxmlns(?::([\w.-]+))?\s*=\s*["']([^"']*)["']""")


class Node:
    """One element. `tag` is the local name (`sdtc:` kept in front of that extension); `attrs` by local name, with
    `type` for xsi:type; `text` and `tail` as in ElementTree; `used` once a mapper has carried its value."""

    __slots__ = ("attrs", "kids", "parent", "tag", "tail", "text", "used")

    tag: str
    attrs: dict[str, str]
    parent: Node | None
    kids: list[Node]
    text: str
    tail: str
    used: bool

    def kid(self, tag: str) -> Node | None:
        """The first child called `tag`."""
        for node in self.kids:
            if node.tag == tag:
                return node
        return None

    def all(self, tag: str) -> list[Node]:
        """The children called `tag`."""
        return [node for node in self.kids if node.tag == tag]

    def down(self, *tags: str) -> Node | None:
        """The first node at the end of a path of child names."""
        node: Node | None = self
        for tag in tags:
            if node is None:
                return None
            node = node.kid(tag)
        return node

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in document order."""
        yield self
        for kid in self.kids:
            yield from kid.walk()

    def get(self, name: str) -> str:
        """An attribute, "" where it is missing."""
        return self.attrs.get(name, "")

    @property
    def null(self) -> str:
        return self.attrs.get("nullFlavor", "")


_LEAF: list[Node] = []
"""The children of every node that has none, two thirds of a document: an empty list of its own for each costs memory
and time. The parser gives a node its own list with its first child; nobody else adds children."""


class Tree:
    """A parsed document: its root, every element in order, and the elements that carry a narrative ID."""

    __slots__ = ("annotated", "flag", "folded", "ids", "nodes", "raw", "root")

    def __init__(self, root: Node, nodes: list[Node], ids: dict[str, Node], folded: int, flag: str) -> None:
        self.root = root
        self.nodes = nodes
        self.ids = ids
        self.folded = folded
        """Elements below MAX_DEPTH."""
        self.flag = flag
        """`charset-guessed` where the declared encoding was not the real one."""
        self.annotated = False
        """Whether privacy annotations (codes that begin with SEC) may occur."""
        self.raw = b""
        """The document as it came."""


class _Names(dict[str, str]):
    """Qualified name as written -> local name, filled as names are met."""

    def __init__(self, prefixes: dict[str, str], attribute: bool) -> None:
        super().__init__()
        self.prefixes = prefixes
        self.attribute = attribute

    def __missing__(self, name: str) -> str:
        if "}" in name:
            uri, _, local = name.rpartition("}")
        else:
            prefix, _, local = name.rpartition(":")
            known = "" if self.attribute and not prefix else self.prefixes.get(prefix, "")
            uri = known or (SDTC if prefix == "sdtc" else XSI if prefix == "xsi" else "")
        if uri == SDTC:
            local = f"sdtc:{local}"
        elif self.attribute and uri == XSI:
            local = f"xsi:{local}"
        self[name] = local
        return local


def parse(raw: bytes, charset: str | None = None) -> Tree:
    """The tree of a document. `charset` is tried where the declared encoding is wrong (default cp1252). Raises DecodeError (`ccda-too-large`, `ccda-not-xml`, `ccda-dtd`)."""
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"document is larger than {MAX_BYTES} bytes", code="ccda-too-large", err=207)
    tree = _read(raw, charset)
    tree.raw = raw
    return tree


def _read(raw: bytes, charset: str | None) -> Tree:
    raw, encoding = _bytes(raw)
    flag = ""
    if encoding is None and not raw.isascii():
        encoding, flag = _spoken(raw)
    try:
        return _run(raw, encoding, flag)
    except expat.ExpatError as error:
        failure = error
        recoded = _second_try(raw, error.code, charset)
    except (ValueError, LookupError):
        # the declaration names an encoding that nobody knows
        failure = None
        recoded = _second_try(raw, _INCORRECT_ENCODING, charset)
    if recoded is not None:
        try:
            return _run(recoded, "utf-8", "charset-guessed")
        except (expat.ExpatError, ValueError) as error:
            failure = error if isinstance(error, expat.ExpatError) else failure
    where = f"line {failure.lineno}" if failure else "declaration"
    reason = expat.ErrorString(failure.code) if failure else "unknown encoding"
    raise DecodeError(
        f"not well-formed XML at {where}: {reason}",
        code="ccda-not-xml",
        where=where,
        hint="send a complete XML document in the encoding it declares",
    )


_INVALID_TOKEN = 4
_UNKNOWN_ENCODING = 18
_INCORRECT_ENCODING = 19


def _spoken(raw: bytes) -> tuple[str | None, str]:
    """(encoding, flag) of bytes beyond ASCII: what is UTF-8 all through is UTF-8, whatever its declaration says."""
    declared = _DECLARED.match(raw)
    name = declared[1].decode("ascii").lower().replace("_", "-") if declared else "utf-8"
    if name == "utf-8":
        return None, ""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None, ""
    return "utf-8", "" if name == "utf8" else "charset-guessed"


def _second_try(raw: bytes, code: int, charset: str | None) -> bytes | None:
    """UTF-8 bytes for a document whose declared encoding is not the one it is written in, None if that is not it."""
    if code not in (_INVALID_TOKEN, _UNKNOWN_ENCODING, _INCORRECT_ENCODING):
        return None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode(charset or "cp1252", "replace").encode()
        except LookupError:
            return raw.decode("cp1252", "replace").encode()
    return None if code == _INVALID_TOKEN else raw


def _run(raw: bytes, encoding: str | None, flag: str) -> Tree:
    prefixes, clash = _prefixes(raw)
    parser = expat.ParserCreate(encoding, "}" if clash else None)
    parser.buffer_text = True
    parser.buffer_size = 65536
    made = _build(parser, prefixes)
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.Parse(raw, True)
    tree = made(flag)
    tree.annotated = b"SEC" in raw
    return tree


def _build(parser: expat.XMLParserType, prefixes: dict[str, str]) -> Callable[[str], Tree]:
    """Gives the parser its handlers; what comes back makes the tree once everything is read.

    Closures over plain lists: these run once for each element, and are the larger part of what a parse costs.
    """
    tags, attributes = _Names(prefixes, False), _Names(prefixes, True)
    nodes: list[Node] = []
    ids: dict[str, Node] = {}
    new = Node.__new__
    plain: set[str] = set()
    current: Node | None = None
    depth = narrative = folded = 0

    def start(name: str, attrs: dict[str, str]) -> None:
        nonlocal current, depth, narrative, folded
        depth += 1
        if depth > MAX_DEPTH:
            folded += 1
            return
        if attrs and not plain.issuperset(attrs):
            if any(":" in key or "}" in key for key in attrs):
                attrs = {attributes[k]: v for k, v in attrs.items() if not k.startswith("xmlns")}
            else:
                plain.update(attrs)
        tag = tags[name]
        parent = current
        current = node = new(Node)  # filled here: calling a method for each element is a tenth of a parse
        node.tag = tag
        node.attrs = attrs
        node.parent = parent
        node.kids = _LEAF
        node.text = node.tail = ""
        node.used = narrative > 0
        if parent is not None:
            if parent.kids:
                parent.kids.append(node)
            else:
                parent.kids = [node]
            if tag == "text" and parent.tag == "section" and not narrative:
                narrative = depth
                node.used = True
        if "ID" in attrs:
            ids.setdefault(attrs["ID"], node)
        nodes.append(node)
        if len(nodes) > MAX_ELEMENTS:
            raise DecodeError(f"more than {MAX_ELEMENTS} elements", code="ccda-too-large", err=207)

    def end(name: str) -> None:
        nonlocal current, depth, narrative
        if depth <= MAX_DEPTH and current is not None:
            current = current.parent
            if depth == narrative:
                narrative = 0
        depth -= 1

    def chars(data: str) -> None:
        if current is None or (not narrative and data.isspace()):
            return
        if current.kids:
            current.kids[-1].tail += data
        else:
            current.text += data

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = chars
    return lambda flag: Tree(nodes[0], nodes, ids, folded, flag)


def _refuse(*_: object) -> None:
    raise DecodeError(
        "document type declarations and entities are refused",
        code="ccda-dtd",
        where="DOCTYPE",
        hint="send the document without a DOCTYPE",
    )


_AROUND = b" \t\r\n\x00\x1a"
"""Blanks, padding and the end mark of old file systems, around a document."""


def _bytes(raw: bytes) -> tuple[bytes, str | None]:
    """Bytes as expat can read them: leading blanks dropped, UTF-16 and UTF-32 turned into UTF-8."""
    head = raw[:4]
    for mark, name in ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32")):
        if head == mark:
            return _recode(raw, name)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _recode(raw, "utf-16")
    if head == b"<\x00?\x00":
        return _recode(raw, "utf-16-le")
    if head == b"\x00<\x00?":
        return _recode(raw, "utf-16-be")
    if head[:3] == b"\xef\xbb\xbf":
        # the mark decides: documents with it and "encoding=utf-16" in the declaration exist
        return raw[3:].strip(_AROUND), "utf-8"
    return raw.strip(_AROUND), None


def _recode(raw: bytes, name: str) -> tuple[bytes, str]:
    try:
        return raw.decode(name).lstrip("\ufeff \t\r\n").encode(), "utf-8"
    except UnicodeError as error:
        raise DecodeError("not readable in the encoding of its byte order mark", code="ccda-not-xml") from error


def _prefixes(raw: bytes) -> tuple[dict[str, str], bool]:
    """Prefix -> namespace over the whole document, and whether one prefix means different things in it."""
    found: dict[str, str] = {"xml": XML}
    clash = False
    declared = set()
    at = raw.find(b"xmlns")
    while at > 0:  # a search for the word is many times faster than one for the pattern
        if each := _XMLNS.match(raw, at - 1):
            declared.add(each.groups(b""))
        at = raw.find(b"xmlns", at + 5)
    for prefix, uri in declared:
        name, value = prefix.decode("ascii", "replace"), uri.decode("utf-8", "replace")
        # a default declaration that is not HL7's is XHTML or a signature inside: the local name is enough there
        if name in found and found[name] != value and name:
            clash = True
        if not name and found.get("", HL7) == HL7 and value != HL7 and "" in found:
            continue
        found[name] = value
    return found, clash
