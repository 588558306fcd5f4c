"""Raw bytes made safe to look at: cut at segments or lines, named, control characters as visible signs."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import NamedTuple

SEGMENTS = {
    "ABS": "abstract", "ACC": "accident", "AIG": "general resource", "AIL": "location resource",
    "AIP": "personnel resource", "AIS": "service", "AL1": "allergy", "ARQ": "appointment request",
    "ARV": "access restriction", "BHS": "batch header", "BTS": "batch trailer", "CON": "consent",
    "DB1": "disability", "DG1": "diagnosis", "DRG": "diagnosis group", "DSC": "continuation", "ERR": "error",
    "EVN": "event", "FHS": "file header", "FT1": "financial transaction", "FTS": "file trailer", "GT1": "guarantor",
    "IAM": "adverse reaction", "IN1": "insurance", "IN2": "insurance, more", "IN3": "insurance certification",
    "MRG": "merge: prior identifiers", "MSA": "acknowledgement", "MSH": "header", "NK1": "next of kin",
    "NTE": "note", "OBR": "order or report", "OBX": "result", "ORC": "order control", "OVR": "override",
    "PD1": "patient, more", "PDA": "death and autopsy", "PID": "patient", "PR1": "procedure", "PRB": "problem",
    "PRT": "participation", "PV1": "visit", "PV2": "visit, more", "RGS": "resource group", "RF1": "referral",
    "ROL": "role", "RXA": "vaccine or drug given", "RXC": "component", "RXD": "dispense", "RXE": "encoded order",
    "RXO": "pharmacy order", "RXR": "route", "SCH": "appointment", "SFT": "software", "SPM": "specimen",
    "TQ1": "timing", "TXA": "document header", "UAC": "user credential", "UB2": "billing", "ZZZ": "site's own",
}  # fmt: skip
"""HL7v2 segments in a word or two (chapter 2 to 11)."""


class Line(NamedTuple):
    """`place` is `OBX[7]`, or the line's number; `name` what it is; `text` safe to print."""

    place: str
    name: str
    text: str


def lines(format: str, raw: bytes) -> list[Line]:
    if format == "hl7v2":
        return _segments(raw)
    text = _text(raw)
    return [Line(str(n), "", visible(line)) for n, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1)]


def _segments(raw: bytes) -> list[Line]:
    seen: Counter[str] = Counter()
    found = []
    for part in raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        if not part:
            continue
        text = _text(part)
        code = text[:3]
        known = len(code) == 3 and code.isalnum() and code.isascii()
        if not known:
            found.append(Line("", "", visible(text)))
            continue
        seen[code] += 1
        name = SEGMENTS.get(code, SEGMENTS["ZZZ"] if code[0] == "Z" else "")
        found.append(Line(f"{code}[{seen[code]}]", name, visible(text)))
    return found


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def visible(text: str) -> str:
    """Control and format characters (bidirectional overrides among them) as signs that cannot act on the page."""
    return "".join(c if c.isprintable() or c == "\t" else _sign(c) for c in text)


def _sign(char: str) -> str:
    number = ord(char)
    if number < 0x20:
        return chr(0x2400 + number)
    if number == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if unicodedata.category(char) == "Zs":
        return " "
    return f"<U+{number:04X}>"


def dump(raw: bytes) -> list[str]:
    """Sixteen bytes a line: offset, hexadecimal, and what of it is printable ASCII."""
    found = []
    for start in range(0, len(raw), 16):
        part = raw[start : start + 16]
        text = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in part)
        found.append(f"{start:08x}  {part.hex(' '):<47}  {text}")
    return found
