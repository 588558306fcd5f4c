"""Bytes -> one JSON object with a resourceType. What a strict reader refuses is read as far as it can be, with a warning.

Tolerated: other character sets, bytes after the end, raw line breaks in strings, unpaired surrogates, NaN, newline-delimited
resources (FHIR Bulk Data, "ndjson"), which are read as one collection.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from hie.errors import Rejected
from hie.fhir import digits
from hie.model import Resource, Warning

HINT = "the body must be one FHIR R4 resource or Bundle as JSON"
DEEPEST = 64
"""Levels of objects and lists in one resource; R4's deepest structures need some twenty."""
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_ZERO = re.compile(rb"\.[0-9]*0\s*[,}\]]")
"""A decimal with a zero at its end, which a float loses."""
_KEY = re.compile(rb'(?<!\\)"\s*:')
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Doubled(dict[str, Any]):
    """An object in which a name stood twice: the last value holds, as with every other reader."""

    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Body:
    """A parsed body. `lines`: it came as newline-delimited resources, and entry n stood on line `lines[n]`."""

    outer: Resource
    warnings: list[Warning] = field(default_factory=list)
    lines: list[int] | None = None
    deep: bool = False
    """Something in it may be nested deeper than a resource may be."""


def parsed(raw: bytes) -> Resource:
    """The outer resource, without care for the digits of its numbers. Raises Rejected as `opened`."""
    body = _trimmed(raw)
    try:
        outer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _tolerant(body).outer
    return _typed(outer)


def opened(raw: bytes) -> Body:
    """The outer resource with every digit kept. Raises Rejected: `fhir-xml`, `fhir-json`, `fhir-type`, `fhir-depth`."""
    body = _trimmed(raw)
    try:
        outer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _tolerant(body)
    keys, depth, exact = measured(outer)
    if depth > DEEPEST * 4:
        raise Rejected("the body is nested too deeply", code="fhir-depth", ack="AR", err=207, hint=HINT)
    if exact or _ZERO.search(body):
        outer = digits.loads(body)
    found = Body(_typed(outer), deep=depth > DEEPEST)
    if body.count(b'":') - body.count(b'\\":') != keys and len(_KEY.findall(body)) > keys:
        found.outer = json.loads(body, parse_float=digits.number, parse_int=digits.whole, object_pairs_hook=_pairs)
    return found


def _trimmed(raw: bytes) -> bytes:
    body = raw.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    if body[:1] == b"<":
        raise Rejected("the body is XML", code="fhir-xml", ack="AR", err=207, hint="FHIR is taken as JSON only")
    return body


def _typed(outer: Any) -> Resource:
    if not isinstance(outer, dict) or not isinstance(kind := outer.get("resourceType"), str) or not _TYPE.match(kind):
        raise Rejected("the JSON has no resourceType", code="fhir-type", ack="AR", err=200, hint=HINT)
    return outer


def _tolerant(body: bytes) -> Body:
    """What orjson refuses. Slow, and only as lenient as a warning can say."""
    warnings: list[Warning] = []
    text = _decoded(body, warnings).strip(" \t\r\n\x00\ufeff")
    odd: list[str] = []
    try:
        outer = _loose(text, odd)
    except ValueError:
        return _lines(text, warnings)
    except RecursionError:
        raise Rejected("the body is nested too deeply", code="fhir-depth", ack="AR", err=207, hint=HINT) from None
    _typed(outer)
    if measured(outer)[1] > DEEPEST * 4:
        raise Rejected("the body is nested too deeply", code="fhir-depth", ack="AR", err=207, hint=HINT)
    if not warnings or odd:
        warnings.append(
            Warning("fhir-json", outer["resourceType"], "the body is not quite JSON: it was read leniently")
        )
    return Body(outer, warnings, deep=True)


def _loose(text: str, odd: list[str]) -> Any:
    def constant(name: str) -> float:
        odd.append(name)
        return float(name.replace("Infinity", "inf"))

    if not text.isascii() and _SURROGATE.search(text):
        text = _SURROGATE.sub("\ufffd", text)
    found = json.JSONDecoder(
        object_pairs_hook=_pairs,
        parse_float=digits.number,
        parse_int=digits.whole,
        parse_constant=constant,
        strict=False,
    ).decode(text)
    return _paired(found) if "\\ud" in text.lower() else found


def _paired(value: Any) -> Any:
    """Unpaired surrogates, which no writer takes, replaced by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_paired(v) for v in value]
    if isinstance(value, dict):
        made = {_paired(k): _paired(v) for k, v in value.items()}
        if not isinstance(value, Doubled):
            return made
        doubled = Doubled(made)
        doubled.names = tuple(_paired(name) for name in value.names)
        return doubled
    return value


def _lines(text: str, warnings: list[Warning]) -> Body:
    """Newline-delimited resources as one collection; a line that is none is an entry of its own, for the reader to refuse."""
    entries: list[Any] = []
    numbers: list[int] = []
    read = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(" \t\r\x00"):
            continue
        try:
            found = _loose(line.strip(" \t\r\x00"), [])
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and measured(found)[1] <= DEEPEST * 4:
            read += isinstance(found.get("resourceType"), str)
            entries.append({"resource": found})
        else:
            entries.append("")
        numbers.append(number)
        if number == 2 and not read:
            break
    if not read or len(entries) < 2:
        raise Rejected("the body is not JSON", code="fhir-json", ack="AR", err=207, hint=HINT)
    return Body({"resourceType": "Bundle", "type": "collection", "entry": entries}, warnings, numbers, True)


def _decoded(body: bytes, warnings: list[Warning]) -> str:
    charset = next((name for mark, name in _MARKS if body.startswith(mark)), "")
    if not charset and b"\x00" in body[:4]:
        charset = {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get(
            (body[:1] == b"\x00", body[1:2] == b"\x00"), ""
        )
    for name in (charset, "utf-8", "cp1252"):
        try:
            text = body.decode(name) if name else None
        except UnicodeDecodeError:
            continue
        if text is not None:
            break
    else:
        name, text = "latin-1", body.decode("latin-1")
    if name != "utf-8":
        warnings.append(Warning("fhir-charset", "", f"the body is not UTF-8, which FHIR asks for: read as {name}"))
    return text


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [name for name, _ in pairs]
    doubled = Doubled(made)
    doubled.names = tuple(dict.fromkeys(name for name in names if names.count(name) > 1))
    return doubled


def measured(value: Any) -> tuple[int, int, bool]:
    """How many names, how many levels, and whether a number stands there whose digits a float may have lost."""
    keys, depth, exact = 0, 0, False
    level: list[Any] = [value]
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                keys += len(item)
                inside: Any = item.values()
            else:
                inside = item
            for one in inside:
                if isinstance(one, dict | list):
                    below.append(one)
                elif isinstance(one, float):
                    exact = exact or one.is_integer() or len(repr(one)) > 15
        level = below
    return keys, depth, exact
