"""A resource as sent -> one that R4 allows: what can be read is read, the rest goes with its place in `unmapped`.

The fast check answers yes for most; only what it refuses is walked. A value that has no place in R4 stays as an extension
with the original text; a required element that was not sent says so (data-absent-reason), because a default would be made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from adapters.fhir.primitive import meant, original
from hie.fhir.provenance import ABSENT
from hie.fhir.validate import Element, Issue, Type, issues, types, valid
from hie.model import Resource

_ROUNDS = 12
_WRAPPED = {
    "CodeableConcept": "text",
    "HumanName": "text",
    "Address": "text",
    "Annotation": "text",
    "Dosage": "text",
    "Identifier": "value",
    "ContactPoint": "value",
    "Coding": "display",
}
"""Types that a bare string stands for, and the element that takes it."""
_UNKNOWN = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}


class Everything(frozenset[str]):
    """Known references: all. Whether one resolves is seen when the record is put together."""

    def __contains__(self, reference: object) -> bool:
        return isinstance(reference, str) and bool(reference) and reference.isprintable()


ALL = Everything()


class Change(NamedTuple):
    """What was done at one place. `lost`: values that are not in the resource any more."""

    path: tuple[str | int, ...]
    code: str
    text: str
    lost: int


def mended(resource: Resource, zone: str | None) -> list[Change]:
    """Changes `resource` until R4 allows it. Raises ValueError where that cannot be reached."""
    if valid([resource], ALL):
        return []
    changes: list[Change] = []
    for _ in range(_ROUNDS):
        found = issues([resource], ALL)
        if not found:
            return changes
        # from the end of a list to its front, so that places stay where they are
        for issue in sorted(found, key=_backwards, reverse=True):
            changes += _change(resource, issue, zone)
    if not valid([resource], ALL):
        raise ValueError("the resource cannot be made valid")
    return changes


def _backwards(issue: Issue) -> list[tuple[str, int]]:
    return [(p, 0) if isinstance(p, str) else ("", p) for p in issue.path]


def _change(resource: Resource, issue: Issue, zone: str | None) -> Iterator[Change]:
    path, code = issue.path, issue.code
    if code == "required-choice":
        owner, made = _at(resource, path)
        if isinstance(owner, dict) and made is not None:
            yield from _fill(owner, made, _choice(owner, made), path)
        return
    if not path:
        return
    owner, made = _at(resource, path[:-1] if isinstance(path[-1], str) else path[:-2])
    name = path[-1] if isinstance(path[-1], str) else path[-2]
    if not isinstance(owner, dict) or made is None or not isinstance(name, str):
        return
    if code == "required":
        yield from _fill(owner, made, name, path[:-1])
        return
    if name not in owner:
        return
    element = made.elements.get(name)
    at = path[-1] if isinstance(path[-1], int) else None
    value = owner[name]
    if at is not None:
        if not isinstance(value, list) or at >= len(value):
            return
        value = value[at]
    if element is None or code in ("unknown-element", "second-choice"):
        yield _remove(owner, name, at, path, code)
    elif code == "empty":
        _remove(owner, name, at, path, code)
    elif code == "not-a-list":
        owner[name] = [value]
        yield Change(path, "fhir-shape", "one value stood where a list belongs", 0)
    elif element.primitive:
        yield from _primitive(owner, name, at, element, value, path, zone)
    else:
        yield from _complex(owner, name, at, element, value, path)


def _primitive(
    owner: Resource,
    name: str,
    at: int | None,
    element: Element,
    value: Any,
    path: tuple[str | int, ...],
    zone: str | None,
) -> Iterator[Change]:
    if isinstance(value, list) and len(value) > 1:
        owner[name] = value[0]
        yield Change(path, "fhir-shape", "a list stood where one value belongs", sum(map(leaves, value[1:])))
        return
    made, extension = meant(element.kind, element.codes, value, zone)
    if made is None and (at is not None or extension is None or name in ("url", "reference", "id", "div")):
        yield _remove(owner, name, at, path, f"not-a-{element.kind}")
        return
    if made is None:
        del owner[name]
    elif at is not None:
        owner[name][at] = made
    else:
        owner[name] = made
    if extension is not None and at is None:
        beside = owner.setdefault("_" + name, {})
        if isinstance(beside, dict):
            beside.setdefault("extension", []).append(extension)
    if made is None:
        yield Change(path, "fhir-value", f"R4 does not allow the value as {element.kind}: kept as original text", 0)
    else:
        yield Change(path, "fhir-value", f"the value was written in a way that R4 does not allow for {element.kind}", 0)


def _complex(
    owner: Resource, name: str, at: int | None, element: Element, value: Any, path: tuple[str | int, ...]
) -> Iterator[Change]:
    replaced: Any = None
    lost = 0
    if isinstance(value, list) and value and isinstance(value[0], dict):
        replaced, lost = value[0], sum(map(leaves, value[1:]))
    elif element.kind in _WRAPPED and (kept := original(value)):
        replaced = {_WRAPPED[element.kind]: kept["valueString"]}
    elif element.kind == "Reference" and isinstance(value, str) and value.strip():
        replaced = {"reference": value} if "/" in value and " " not in value else {"display": value}
    if replaced is None:
        yield _remove(owner, name, at, path, "fhir-shape")
        return
    if at is None:
        owner[name] = replaced
    else:
        owner[name][at] = replaced
    yield Change(path, "fhir-shape", f"the value has not the shape of {element.kind}", lost)


def _fill(owner: Resource, made: Type, name: str | None, path: tuple[str | int, ...]) -> Iterator[Change]:
    """Says that a required element was not sent; what can have no extension takes its owner with it."""
    element = made.elements.get(name or "")
    if (
        name is None
        or element is None
        or element.kind in ("xhtml", "Resource")
        or made.name in ("Extension", "Narrative")
    ):
        lost = leaves(owner)
        owner.clear()
        yield Change(
            path, "fhir-required", "a required element is missing, and the rest means nothing without it", lost
        )
        return
    said = {"extension": [dict(e) for e in _UNKNOWN["extension"]]}
    if element.primitive:
        owner["_" + name] = [said] if element.many else said
    else:
        owner[name] = [said] if element.many else said
    yield Change((*path, name), "fhir-required", "a required element is missing: marked as not known", 0)


def _choice(owner: Resource, made: Type) -> str | None:
    """The element of a required choice that is missing: the one that can say most."""
    for bit in made.choices:
        names = [n for n, e in made.elements.items() if e.choice & bit and n[0] != "_"]
        if not any(n in owner or "_" + n in owner for n in names):
            ranked = sorted(
                names,
                key=lambda n: (
                    ("CodeableConcept", "dateTime").index(k)
                    if (k := made.elements[n].kind) in ("CodeableConcept", "dateTime")
                    else 2
                ),
            )
            return ranked[0] if ranked else None
    return None


def _remove(owner: Resource, name: str, at: int | None, path: tuple[str | int, ...], code: str) -> Change:
    value = owner[name] if at is None else owner[name][at]
    if at is None:
        del owner[name]
    else:
        del owner[name][at]
        beside = owner.get("_" + name)
        if isinstance(beside, list) and at < len(beside):
            del beside[at]
        if not owner[name]:
            del owner[name]
    text = {
        "unknown-element": "R4 has no such element here",
        "second-choice": "a second value of one choice",
    }.get(code, "the value has no meaning in R4 at this place")
    return Change(path, "fhir-element" if code == "unknown-element" else "fhir-value", text, leaves(value))


def _at(resource: Resource, path: tuple[str | int, ...]) -> tuple[Any, Type | None]:
    """The node at `path` and its type; (None, None) where a change further up took it."""
    node: Any = resource
    kind: str | None = str(resource.get("resourceType"))
    for step in path:
        if isinstance(step, int):
            if not isinstance(node, list) or step >= len(node):
                return None, None
            node = node[step]
        else:
            made = types().get(kind or "")
            element = made.elements.get(step) if made else None
            if not isinstance(node, dict) or step not in node or element is None:
                return None, None
            node = node[step]
            kind = element.kind
        if kind == "Resource" and isinstance(node, dict):
            kind = str(node.get("resourceType"))
    return node, types().get(kind or "")


def leaves(value: Any) -> int:
    """How many values stand in `value`, at any depth."""
    found, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif item is not None and item != "":
            found += 1
    return found
