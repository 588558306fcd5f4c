"""Nothing is lost without a word: every value of a message is in its output, in a mapped form of it, or listed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2.codes import table_of
from adapters.hl7v2.decode import decode
from adapters.hl7v2.reader import read
from adapters.hl7v2.rules import rows
from hie.codes.systems import from_v2_name
from hie.model import FeedContext

HERE = Path(__file__).parent / "golden"
STRUCTURE = {(row.segment, row.field) for row in rows() if row.how == "structure"}
TABLES = [
    "0001",
    "0002",
    "0004",
    "0038s",
    "0085",
    "0103",
    "0119s",
    "0119m",
    "0123",
    "0127",
    "0128",
    "0136",
    "0177",
    "0189",
    "0190",
    "0200",
    "0201",
    "0202",
    "0271",
    "0272",
    "0273",
    "0278",
    "0280",
    "0283",
    "0322",
    "0485",
]
MAPPED = {code for table in TABLES for code in table_of(table)}
"""Codes that stand in the output as the code they map to."""
WORDS = {
    "ISO",
    "ADD",
    "min",
    "TX",
    "LB",
    "PDF",
    "Base64",
    "application",
    "CG",
    "CP",
    "RE",
    "00",
    "0",
    "P",
    "AD",
    "ACTIVE",
    "OPEN",
    "Active",
    "confirmed",
    "Confirmed",
    "G",
    "F",
    "B",
    "1",
    "2",
    "AA",
    "Internet",
    "Accepted",
    "UP",
    "Deleted",
    "No Show",
    "1-2",
    "Drug",
    "999",
    "CLIA",
    "RCT",
    "Results copies to",
}
"""Structure, units of time, and statuses that have a FHIR code of another name."""
LENGTH = re.compile(r"[SMHDWL]\d+")
"""A time written as unit and number (H8, M20) stands as number and unit."""
SAID_BY_ELEMENT = {("OBX", 3), ("RXA", 9)}
"""In a vaccine message some OBX-3 are the name of an element of Immunization, and RXA-9 is its primarySource."""


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "data":
                yield base64.b64decode(value).decode("utf-8", "replace")
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif node is not None:
        yield str(node)


@pytest.mark.invariant(7)
@pytest.mark.parametrize("path", sorted(HERE.glob("*.hl7")), ids=lambda p: p.stem)
def test_every_value_is_somewhere(path: Path) -> None:
    raw = path.read_bytes()
    (message,) = read(raw)
    records = list(decode(raw, FeedContext()))
    out = [text for r in records for text in strings(list(r.resources))]
    out += [t for r in records for t in (r.control_id, r.authored or "", r.occurred or "", r.event)]
    blob = "\n".join(out).lower()
    digits = re.sub(r"\D", "", blob)
    numbers = {float(t) for t in out if re.fullmatch(r"-?\d+(\.\d+)?", t)}
    listed = {u.where for r in records for u in r.unmapped}
    lost = []
    for s in message.segments:
        for n, field in enumerate(s.fields):
            if n == 0 or not field or field == '""' or (s.name, n) in STRUCTURE:
                continue
            if path.stem.startswith(("vxu", "rsp")) and (s.name, n) in SAID_BY_ELEMENT:
                continue
            places = (f"{s.name}[{s.ordinal}]-{n}", f"{s.name}-{n}")
            if any(where == p or where.startswith((p + ".", p + "[")) for where in listed for p in places):
                continue
            for leaf in re.split(r"[\^~&]", field):
                text = message.text(leaf)
                same = text.lower() in blob or from_v2_name(text).lower() in blob
                if (
                    not text
                    or same
                    or text in MAPPED
                    or text in WORDS
                    or re.fullmatch(r"HL7\d{4,5}", text)
                    or LENGTH.fullmatch(text)
                ):
                    continue
                number = re.sub(r"\D", "", text)
                if len(number) >= 4 and (number in digits or number[:8] in digits or number[:6] in digits):
                    continue
                if re.fullmatch(r"-?\d+(\.\d+)?", text) and float(text) in numbers:
                    continue
                lost.append((places[0], text))
    assert lost == []
