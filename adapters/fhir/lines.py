"""Bulk data as NDJSON: one resource or bundle a line, each a message of its own (FHIR Bulk Data Access, "ndjson")."""

from __future__ import annotations

import orjson

from hie.model import Batch

_BLANK = b" \t\r\n\x00"


def split(raw: bytes) -> Batch:
    """The lines of NDJSON; any other body as it is. A damaged line is a message too, and is refused alone."""
    lines = [line for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(_BLANK)]
    if len(lines) < 2 or not any(_is_object(line) for line in lines[:2]):
        return Batch((raw,))
    return Batch(tuple(lines))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
