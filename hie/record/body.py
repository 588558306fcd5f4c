"""The stored form of one record: orjson, zstd. Resources carry their labels in meta.security. Provenance stays compact (pairs of reference and place)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hie.compression import compress, decompress
from hie.fhir import digits
from hie.model import Record, Resource, SecurityLabel, Source

ZSTD = 1
_DIGITS = b'{"digits":true,'


def pack(record: Record, labels: dict[str, tuple[SecurityLabel, ...]]) -> bytes:
    """Record with its labels -> bytes (codec ZSTD)."""
    text, written = digits.marked(
        {
            "event": record.event,
            "patient": record.patient,
            "resources": [_labelled(resource, labels) for resource in record.resources],
            "sources": list(map(tuple, record.sources)),
            "warnings": list(map(tuple, record.warnings)),
            "unmapped": list(map(tuple, record.unmapped)),
            "statements": [(s.kind, tuple(s.survivor), tuple(s.prior)) for s in record.statements],
            "processing": record.processing,
            "control_id": record.control_id,
            "sender": record.sender,
            "authored": record.authored,
            "labels": _grouped(labels),
        }
    )
    # most records hold no number whose digits a float loses: the others say so, and only they are read the slow way
    return compress(_DIGITS + text[1:] if written else text)


def _grouped(labels: Mapping[str, tuple[SecurityLabel, ...]]) -> list[tuple[list[Any], list[str]]]:
    """Most resources of a record carry the same labels: (labels, references) for each set of them."""
    groups: dict[tuple[SecurityLabel, ...], list[str]] = {}
    for reference, given in labels.items():
        groups.setdefault(given, []).append(reference)
    return [
        ([(g.code, g.cause, g.system, g.confidence) for g in given], references) for given, references in groups.items()
    ]


def _labelled(resource: Resource, labels: Mapping[str, Sequence[SecurityLabel]]) -> Resource:
    """The resource with its labels in meta.security (the sender's own are among them). That it is merely normal goes
    without saying."""
    given = labels.get(f"{resource['resourceType']}/{resource.get('id')}")
    if not given or (len(given) == 1 and given[0].code == "N"):
        return resource
    security = [{"system": system, "code": code} for system, code in dict.fromkeys((g.system, g.code) for g in given)]
    return {**resource, "meta": {**resource.get("meta", {}), "security": security}}


def unpack(body: bytes, codec: int = ZSTD) -> dict[str, Any]:
    """The dict that `pack` wrote; `labels` by reference, as lists of [code, cause, system, confidence] (shared ones shared)."""
    if codec == ZSTD:
        body = decompress(body)
    unpacked: dict[str, Any] = digits.loads(body) if body.startswith(_DIGITS) else orjson.loads(body)
    unpacked["labels"] = {reference: given for given, references in unpacked["labels"] for reference in references}
    return unpacked


def labels_of(unpacked: Mapping[str, Any]) -> dict[str, tuple[SecurityLabel, ...]]:
    return {
        reference: tuple(SecurityLabel(*label) for label in given) for reference, given in unpacked["labels"].items()
    }


def source_pairs(unpacked: Mapping[str, Any]) -> list[Source]:
    return [Source(*pair) for pair in unpacked["sources"]]
