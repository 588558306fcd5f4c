"""Structural validation of FHIR R4 resources, fast enough for every message.

Checked: unknown elements, types, cardinality, required elements and choices, formats of primitives, codes of required
bindings, empty objects, references inside the set. Not checked: value sets that are only preferred, FHIRPath invariants.
The table `tables/r4.tsv` says what R4 (4.0.1) allows; each type is compiled once, at first use, into a flat set of
look-ups. The fast pass only answers yes or no; where it says no, a second pass finds the places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from hie.fhir.primitives import GOOD, PRIMITIVES, number, text
from hie.model import Resource


class Issue(NamedTuple):
    """One thing that R4 does not allow. `path` is below the resource: (`name`, 0, `family`)."""

    reference: str
    path: tuple[str | int, ...]
    code: str


class Element(NamedTuple):
    """One row of the table, ready to use."""

    kind: str
    many: bool
    primitive: bool
    choice: int
    codes: frozenset[str] | None


class Type:
    """What one type (a resource, a data type, a backbone element) may hold."""

    __slots__ = ("choices", "elements", "name", "required")

    def __init__(self, name: str) -> None:
        self.name = name
        self.elements: dict[str, Element] = {}
        self.required: list[str] = []
        self.choices: list[int] = []
        """Bits of the choices of which one is required."""


@lru_cache(maxsize=1)
def types() -> dict[str, Type]:
    """The table, read once."""
    found: dict[str, Type] = {}
    bits: dict[tuple[str, str], int] = {}
    for line in files("hie.fhir").joinpath("tables/r4.tsv").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        owner, name, kind, card, choice, codes = line.split("\t")
        made = found.setdefault(owner, Type(owner))
        bit = 0
        if group := choice.rstrip("!"):
            bit = bits.setdefault((owner, group), 1 << len([k for k in bits if k[0] == owner]))
            if choice.endswith("!") and bit not in made.choices:
                made.choices.append(bit)
        primitive = kind in PRIMITIVES
        made.elements[name] = Element(kind, card[1] == "*", primitive, bit, frozenset(codes.split()) if codes else None)
        if primitive:
            made.elements["_" + name] = Element("Element", card[1] == "*", False, bit, None)
        if card[0] == "1":
            made.required.append(name)
    element = found["Element"] = Type("Element")
    element.elements = {
        "id": Element("string", False, True, 0, None),
        "extension": Element("Extension", True, False, 0, None),
    }
    for made in found.values():
        if "id" in made.elements and "meta" in made.elements:
            made.elements["resourceType"] = Element("code", False, True, 0, frozenset((made.name,)))
            made.required.append("resourceType")
    return found


Check = Callable[[Any, frozenset[str]], bool]
_ONE, _MANY, _PLAIN, _REFERENCE, _TEXT, _LINK, _LINKS = range(7)
Step = tuple[int, int, Callable[..., bool], "set[str] | frozenset[str]"]
"""(mode, choice bit, test, values known to be good) of one element. A link is a Reference: most are a known one alone."""


@lru_cache(maxsize=512)
def _check(name: str) -> Check:
    """The fast pass for one type: True where everything below `node` is allowed. Where a list, an object or a number
    stands for a text, TypeError or AttributeError may come instead of False: asking each value first what it is would be
    a fifth of the pass."""
    made = types()[name]
    table: dict[str, Step] = {}
    required = tuple(made.required)
    needed = sum(made.choices)

    def check(node: Any, known: frozenset[str]) -> bool:
        if type(node) is not dict or not node:
            return False
        seen = 0
        for key, value in node.items():
            try:
                mode, bit, test, good = table[key]
            except KeyError:
                step = _step(made, key)
                if step is None:
                    return False
                mode, bit, test, good = table[key] = step
            if mode == 2:
                if value not in good and not test(value):
                    return False
            elif mode == 4:
                if not (value and value.isprintable()) and not test(value):
                    return False
            elif mode == 5:
                if not (value.get("reference") in known and len(value) == 1) and not test(value, known):
                    return False
            elif mode == 0:
                if not test(value, known):
                    return False
            elif mode == 6:
                if type(value) is not list or not value:
                    return False
                for item in value:
                    if not (item.get("reference") in known and len(item) == 1) and not test(item, known):
                        return False
            elif mode == 1:
                if type(value) is not list or not value:
                    return False
                for item in value:
                    if not test(item, known):
                        return False
            elif value not in known and not test(value):
                return False
            if bit:
                if seen & bit and not (key[0] == "_" or "_" + key in node):
                    return False
                seen |= bit
        for key in required:
            if key not in node and "_" + key not in node:
                return False
        return not needed or seen & needed == needed

    return check


def _step(made: Type, key: str) -> Step | None:
    element = made.elements.get(key)
    if element is None:
        return None
    if made.name == "Reference" and key == "reference":
        return _REFERENCE, element.choice, _elsewhere, frozenset()
    if element.primitive:
        test, good = PRIMITIVES[element.kind], GOOD[element.kind]
        if element.codes is not None:
            test, good = _refuse, set(element.codes)
        if test is text and not element.many:
            return _TEXT, element.choice, test, good
        if not element.many:
            return _PLAIN, element.choice, test, good
        # null stands for a value of which only an extension is said, in the list beside
        return (
            _MANY,
            element.choice,
            lambda v, known: (type(v) is str and v in good) or v is None or test(v),
            frozenset(),
        )
    if element.kind == "Resource":
        inner: Check = _resource
    else:
        inner = _COMMON.get(element.kind) or _check(element.kind)
    if element.kind == "Reference":
        return (_LINKS if element.many else _LINK), element.choice, inner, frozenset()
    if key[0] == "_" and element.many:
        return _MANY, element.choice, lambda value, known: value is None or inner(value, known), frozenset()
    return (_MANY if element.many else _ONE), element.choice, inner, frozenset()


def _coding(node: Any, known: frozenset[str]) -> bool:
    """Most codings are system and code seen before, and a name; the others go by the table."""
    if node.get("system") in GOOD["uri"] and node.get("code") in GOOD["code"]:
        display = node.get("display")
        if len(node) == 2 if display is None else len(node) == 3 and display and display.isprintable():
            return True
    return _check("Coding")(node, known)


def _concept(node: Any, known: frozenset[str]) -> bool:
    """Most concepts are codings, and a text."""
    codings, text = node.get("coding"), node.get("text")
    if type(codings) is not list or not codings:
        return _check("CodeableConcept")(node, known)
    if len(node) == 1 if text is None else len(node) == 2 and text and text.isprintable():
        for one in codings:  # noqa: SIM110 - a generator costs as much as the test
            if not _coding(one, known):
                return False
        return True
    return _check("CodeableConcept")(node, known)


def _quantity(node: Any, known: frozenset[str]) -> bool:
    """Most quantities are a number and a unit, and its code."""
    unit, size = node.get("unit"), len(node)
    coded = size == 4 and node.get("system") in GOOD["uri"] and node.get("code") in GOOD["code"]
    if (coded or size == 2) and unit and unit.isprintable() and number(node.get("value")):
        return True
    return _check("Quantity")(node, known)


_COMMON: dict[str, Check] = {"Coding": _coding, "CodeableConcept": _concept, "Quantity": _quantity}
"""The types of which a message has most objects: what most of them look like is asked first."""


def _resource(value: Any, known: frozenset[str]) -> bool:
    kind = value.get("resourceType") if type(value) is dict else None
    return type(kind) is str and kind in types() and _check(kind)(value, known)


def _refuse(value: Any) -> bool:
    return False


def _elsewhere(value: Any) -> bool:
    return type(value) is str and (value[:1] == "#" or value[:4] in ("http", "urn:")) and value.isprintable()


def _resolves(value: Any, known: frozenset[str]) -> bool:
    return type(value) is str and (value in known or _elsewhere(value))


def valid(resources: Iterable[Resource], known: frozenset[str] | None = None) -> bool:
    """Whether every resource is valid R4 and every relative reference is to one of them (or in `known`)."""
    found = list(resources)
    if known is None:
        known = frozenset(f"{r.get('resourceType')}/{r.get('id')}" for r in found)
    rules = types()
    try:
        for resource in found:
            kind = resource.get("resourceType")
            if kind in rules:
                if not _check(kind)(resource, known):
                    return False
            elif type(kind) is not str:
                return False
    except (TypeError, AttributeError):  # no text where one belongs
        return False
    return True


def issues(resources: Iterable[Resource], known: frozenset[str] | None = None) -> list[Issue]:
    """Every violation with its place; the slow pass, for what `valid` refused."""
    found = list(resources)
    if known is None:
        known = frozenset(f"{r.get('resourceType')}/{r.get('id')}" for r in found)
    return [
        Issue(f"{resource.get('resourceType')}/{resource.get('id')}", path, code)
        for resource in found
        for path, code in _walk(resource, str(resource.get("resourceType")), (), known)
    ]


def _walk(
    node: Any, kind: str, path: tuple[str | int, ...], known: frozenset[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    made = types().get(kind)
    if made is None:
        if not path and kind == "None":
            yield path, "no-resource-type"
        return
    if type(node) is not dict:
        yield path, "not-an-object"
        return
    if not node:
        yield path, "empty"
        return
    seen = 0
    for key, value in node.items():
        element = made.elements.get(key)
        if element is None:
            yield (*path, key), "unknown-element"
            continue
        if element.choice:
            if seen & element.choice and not (key[0] == "_" or "_" + key in node):
                yield (*path, key), "second-choice"
            seen |= element.choice
        if not element.many:
            yield from _item(made, key, element, value, (*path, key), known)
        elif type(value) is not list:
            yield (*path, key), "not-a-list"
        elif not value:
            yield (*path, key), "empty"
        else:
            for at, item in enumerate(value):
                if not (item is None and (key[0] == "_" or element.primitive)):
                    yield from _item(made, key, element, item, (*path, key, at), known)
    for key in made.required:
        if key not in node and "_" + key not in node:
            yield (*path, key), "required"
    for bit in made.choices:
        if not seen & bit:
            yield path, "required-choice"


def _item(
    made: Type, key: str, element: Element, value: Any, path: tuple[str | int, ...], known: frozenset[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if made.name == "Reference" and key == "reference":
        if not _resolves(value, known):
            yield path, "dangling-reference"
    elif element.primitive:
        if not PRIMITIVES[element.kind](value):
            yield path, f"not-a-{element.kind}"
        elif element.codes is not None and value not in element.codes:
            yield path, "code-not-in-binding"
    elif element.kind == "Resource":
        kind = value.get("resourceType") if type(value) is dict else None
        if type(kind) is str and kind in types():
            yield from _walk(value, kind, path, known)
        else:
            yield path, "no-resource-type"
    else:
        yield from _walk(value, element.kind, path, known)
