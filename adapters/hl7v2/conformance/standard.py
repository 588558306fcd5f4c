"""The tables of the base standard: which segments a structure has, which fields a segment, which parts a data type.

They come from hl7apy (versions 2.1 to 2.8.2), whose parser is not used: it refuses a third of what senders really send, and
names one fault where a report has to name all.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import hl7apy  # type: ignore[import-untyped]

NEWEST = "2.8.2"
_MANY = -1


class Part(NamedTuple):
    """A field of a segment or a component of a data type."""

    type: str
    """Data type (`CX`), `varies` for OBX-5, "" where the version has none."""
    title: str
    required: bool
    most: int | None
    """Repetitions; None: any number."""
    table: str
    """HL7 table (`0001`), or ""."""


class Node(NamedTuple):
    """A segment or a group of a message structure, in order."""

    name: str
    required: bool
    most: int | None
    children: tuple[Node, ...] = ()
    choice: bool = False
    """Any one of the children instead of all in order."""

    @property
    def starts(self) -> frozenset[str]:
        """Names that may come first: up to the first child that must come."""
        return _starts(self)


@lru_cache(maxsize=4096)
def _starts(node: Node) -> frozenset[str]:
    if not node.children:
        return frozenset((node.name,))
    found: frozenset[str] = frozenset()
    for child in node.children:
        found |= child.starts
        if child.required and not node.choice:
            break
    return found


class Standard:
    """One version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._library = hl7apy.load_library(version)

    def fields(self, segment: str) -> tuple[Part, ...] | None:
        """SEG-1, SEG-2 ...; None for a segment that this version does not have."""
        return _fields(self.version, segment)

    def components(self, datatype: str) -> tuple[Part, ...]:
        """The components of a data type; empty for a primitive one."""
        return _components(self.version, datatype)

    def knows(self, datatype: str) -> bool:
        return datatype in self._library.DATATYPES_STRUCTS or datatype in self._library.BASE_DATATYPES

    def values(self, table: str) -> frozenset[str]:
        """The values of an HL7 table, with those that later versions added; empty where the list has no end."""
        return _values(self.version, table)

    def structure(self, code: str, trigger: str, sent: str) -> Node | None:
        """The abstract message syntax for an event; None where this version has none."""
        for name in (f"{code}_{trigger}", structure_of(code, trigger), sent, code):
            if name in self._library.MESSAGES:
                return _structure(self.version, name)
        return None


@lru_cache(maxsize=1024)
def _fields(version: str, segment: str) -> tuple[Part, ...] | None:
    found = hl7apy.load_library(version).SEGMENTS.get(segment)
    if found is None:
        return None
    return tuple(_part(reference, occurs) for _, reference, occurs, _ in found[1] or ())


@lru_cache(maxsize=1024)
def _components(version: str, datatype: str) -> tuple[Part, ...]:
    found = hl7apy.load_library(version).DATATYPES_STRUCTS.get(datatype) or ()
    return tuple(_part(reference, occurs) for _, reference, occurs, _ in found)


@lru_cache(maxsize=1024)
def _values(version: str, table: str) -> frozenset[str]:
    found = frozenset[str]()
    for one in (version, NEWEST):
        listed = getattr(hl7apy.load_library(one), "TABLES", {}).get(f"HL7{table}")
        found |= frozenset(str(value).partition(" ")[0] for value in listed[1] or ()) if listed else frozenset()
    return frozenset() if "..." in found else found


@lru_cache(maxsize=256)
def _structure(version: str, name: str) -> Node:
    return _node(name, hl7apy.load_library(version).MESSAGES[name], (1, 1))


@lru_cache(maxsize=12)
def standard(version: str) -> Standard:
    """The nearest version that there are tables for: `2.5.1` itself, `2.3.z` as 2.3, anything unknown as the newest."""
    known = sorted(hl7apy.SUPPORTED_LIBRARIES, key=len, reverse=True)
    for one in known:
        if version == one or version.startswith(one + "."):
            return Standard(one)
    return Standard(next((one for one in known if version[:3] == one), NEWEST))


def structure_of(code: str, trigger: str) -> str:
    """HL7 table 0354: the structure that an event shares with others (ADT^A08 is an ADT_A01)."""
    return _shared().get((code, trigger), "")


@lru_cache(maxsize=1)
def _shared() -> dict[tuple[str, str], str]:
    found = {}
    for line in files("adapters.hl7v2").joinpath("tables/structures.tsv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            structure, events = line.split("\t")
            for event in events.split():
                found[(structure.partition("_")[0], event)] = structure
    return found


def _part(reference: Any, occurs: tuple[int, int]) -> Part:
    if not reference:
        return Part("", "", False, None, "")
    least, most = occurs
    title = str(reference[3] or "").replace("_", " ").lower()
    table = str(reference[4] or "").removeprefix("HL7")
    return Part(str(reference[2] or ""), title, least > 0, None if most == _MANY else most, table)


def _node(name: str, reference: Any, occurs: tuple[int, int]) -> Node:
    least, most = occurs
    children = tuple(
        _node(child, below, often)
        if kind == "GRP"
        else Node(child, often[0] > 0, None if often[1] == _MANY else often[1])
        for child, below, often, kind in reference[1] or ()
    )
    return Node(name, least > 0, None if most == _MANY else most, children, reference[0] == "choice")
