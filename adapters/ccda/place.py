"""Where a node is, as a short XPath, and which populated nodes nobody has carried.

Paths are written only for what is reported: `/ClinicalDocument/component/structuredBody/component[3]/section/entry[2]`.
Element names are local names; a position appears where the parent has several children of that name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from adapters.ccda.tree import Node
from hie.model import Unmapped

STRUCTURE = frozenset({"templateId", "typeId", "realmCode", "sdtc:valueSet"})
"""Elements that say how the document is built, not what it says about the patient."""

STRUCTURE_ATTRIBUTES = frozenset(
    {
        "ID",
        "classCode",
        "moodCode",
        "typeCode",
        "determinerCode",
        "contextConductionInd",
        "contextControlCode",
        "inversionInd",
        "independentInd",
        "nullFlavor",
        "operator",
        "partType",
        "styleCode",
        "xsi:type",
        "xsi:schemaLocation",
        "xmlns",
        "schemaLocation",
        "unsorted",
        "sdtc:valueSet",
        "sdtc:valueSetVersion",
        "valueSet",
        "codeSystemName",
        "codeSystemVersion",
        "assigningAuthorityName",
        "displayable",
        "mediaType",
        "representation",
        "listType",
        "use",
        "inclusive",
        "space",
    }
)

_EMPTY_VALUES = {"negationInd": "false", "preferenceInd": "", "sdtc:deceasedInd": ""}


_MANY = 24
"""From this number of children on, the steps to all of them are counted at once."""


class Places:
    """Paths of one document, remembered as they are asked for."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._steps: dict[int, dict[int, str]] = {}

    def path(self, node: Node) -> str:
        """XPath of a node."""
        known = self._known.get(id(node))
        if known is not None:
            return known
        parent = node.parent
        made = f"/{node.tag}" if parent is None else f"{self.path(parent)}/{self._step(node, parent)}"
        self._known[id(node)] = made
        return made

    def _step(self, node: Node, parent: Node) -> str:
        """The step to a node: its name, with a position where its parent has several of that name."""
        kids, tag = parent.kids, node.tag
        if len(kids) > _MANY:
            steps = self._steps.get(id(parent))
            if steps is None:
                steps = self._steps[id(parent)] = _steps(parent)
            return steps[id(node)]
        if len(kids) == 1:
            return tag
        alike = [kid for kid in kids if kid.tag == tag]
        return tag if len(alike) == 1 else f"{tag}[{alike.index(node) + 1}]"

    def unmapped(self, nodes: list[Node], narrative: Container[str] = ()) -> list[Unmapped]:
        """Every populated node that is not `used`: one row a node, at the attribute that holds its value. A pointer to
        one of the `narrative` IDs says nothing of its own: the section keeps that text."""
        rows = []
        for node in nodes:
            if node.used:
                continue
            if node.tag == "reference" and node.get("value")[:1] == "#" and node.get("value")[1:] in narrative:
                continue
            if node.attrs and node.tag not in STRUCTURE:
                for name, value in node.attrs.items():
                    if name not in STRUCTURE_ATTRIBUTES and value and _EMPTY_VALUES.get(name) != value:
                        rows.append(Unmapped(f"{self.path(node)}/@{name}", 1))
                        break
                else:
                    if node.text and not node.text.isspace():
                        rows.append(Unmapped(self.path(node), 1))
            elif node.text and not node.text.isspace():
                rows.append(Unmapped(self.path(node), 1))
        return rows


def _steps(parent: Node) -> dict[int, str]:
    """The step to each child: its name, with a position where there are several of that name."""
    count = Counter(kid.tag for kid in parent.kids)
    seen: Counter[str] = Counter()
    made = {}
    for kid in parent.kids:
        seen[kid.tag] += 1
        made[id(kid)] = kid.tag if count[kid.tag] == 1 else f"{kid.tag}[{seen[kid.tag]}]"
    return made
