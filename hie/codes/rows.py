"""What a site says of the codes of its senders: one row a code, from a sheet or a ConceptMap, ready to be compiled.

The first column names where the code comes from, as the message does or as the work list shows it: the coding system as
sent (`99LAB`), an OID, a URI, `HL70069` for a field that implies that table, `OBX-3` for a field whose codes come without
any system, `-` for codes without a system wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from hie.codes.systems import OID_TO_URI, THO, V2_NAME_TO_URI, from_oid, from_v2_name, is_oid
from hie.errors import ConfigurationError
from hie.spelling import meant

NO_SYSTEM = "-"
_OID_LIKE = re.compile(r"[\d.]+\Z")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z")
_TABLE = re.compile(r"HL7-?\d*\Z", re.IGNORECASE)
_V2_TABLE = re.compile(r"HL7-?(\d{4})\Z", re.IGNORECASE)
_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}\Z")
_LOCAL = "urn:hie:system:"

Target = tuple[str, str, str]
"""System URI, code, display ("" where none is given)."""


class Row(NamedTuple):
    file: str
    line: int
    source: str
    code: str
    target: Target | None
    """None: somebody decided that no standard code says this; the code stays as it was sent."""


class Sheet(NamedTuple):
    """One file, read."""

    rows: tuple[Row, ...] = ()
    errors: tuple[ConfigurationError, ...] = ()
    warnings: tuple[ConfigurationError, ...] = ()


def is_uri(text: str) -> bool:
    """Whether `text` is an absolute URI; what begins as `urn:oid:` must go on as an OID."""
    if text.startswith("urn:oid:"):
        return is_oid(text[8:])
    return _URI.match(text) is not None and not text.endswith(":")


def keys_of(source: str, names: Mapping[str, str]) -> frozenset[str]:
    """Every name under which a decoder may look for the table that the first column calls `source`. `names`: what the
    site calls its coding systems (Feed.code_systems). Raises ValueError, with what is wrong, for a form that none has."""
    if source == NO_SYSTEM:
        return frozenset([""])
    if table := _V2_TABLE.match(source):
        return frozenset([f"HL7{table.group(1)}", f"{THO}v2-{table.group(1)}"])
    if _TABLE.match(source):
        raise ValueError("an HL7 table is written HL7 and four digits, such as HL70069")
    if _PLACE.match(source):
        return frozenset([source])
    if source in names:
        return frozenset([source, names[source]])
    if _OID_LIKE.match(source) and "." in source:
        if not is_oid(source):
            raise ValueError("is no OID: digits and single dots, and no part begins with a zero")
        return frozenset([source, f"urn:oid:{source}", from_oid(source)])
    if ":" in source:
        if not is_uri(source):
            raise ValueError("is no URI: no blanks, and urn:oid: is followed by an OID")
        bare = source.removeprefix("urn:oid:")
        found = {source, *(name for name, uri in names.items() if uri == source)}
        if bare != source:
            found |= {bare, from_oid(bare)}
        if source.startswith(_LOCAL):
            found.add(source.removeprefix(_LOCAL))
        return frozenset(found)
    return frozenset([source, from_v2_name(source, names)])


@lru_cache(maxsize=256)
def target_system(text: str) -> str:
    """The URI of the system of a standard code: a URI, an OID, or a name of HL7 table 0396. Raises ConfigurationError without
    file and line."""
    if ":" in text and is_uri(text):
        return OID_TO_URI.get(text[8:], text) if text.startswith("urn:oid:") else text
    if is_oid(text) and "." in text:
        return from_oid(text)
    if known := V2_NAME_TO_URI.get(text.upper()):
        return known
    hint = meant(text.upper(), V2_NAME_TO_URI) or "a URI, an OID, or a name of HL7 table 0396 such as LN"
    raise ConfigurationError("names no code system", code="unknown-system", hint=hint)
