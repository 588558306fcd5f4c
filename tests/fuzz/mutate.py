"""What lines, disks, typists and programmers do to messages and documents. Everything comes from the given chance."""

from __future__ import annotations

import random
import re

ODD = [
    b"", b'""', b"0", b"-1", b"-0", b"+5", b".5", b"007", b"1e999", b"nan", b"99999999999999999999", b"2024", b"199911",
    b"00000000", b"00010101000000", b"20240230", b"20241399", b"20240310023000", b"202403101530-0599", b"\xff", b"\x00",
    b"\xc2\xb5", b"\xe2\x80\xae", b"\xed\xa0\x80", b"&#0;", b"&amp;", b"<", b"\\X4\\", b"\\.br\\", b"\\E\\", b"\\F", b"#", b"INT",
    b"true", b"MSH", b"PID|", b"OBX|1|NM|", b"MSH|^~\\&|", b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b" ", b"\t", b"x" * 300,
]  # fmt: skip
_IN_XML = [odd for odd in ODD if not set(odd) & set(b'<"&\x00') and odd.decode("utf-8", "ignore").encode() == odd]
"""What may stand in an attribute: most documents should come as far as the mappings."""
_LEAF = re.compile(rb"<(\w+)[^<>]*/>")
_ELEMENT = re.compile(rb"<(\w+)(?:\s[^<>]*)?>[^<>]*</\1>")
_ATTRIBUTE = re.compile(rb'([\w:]+)="([^"]*)"')


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """Bytes: changed, cut, doubled, put in, taken out."""
    at, length = chance.randrange(len(raw) + 1), chance.choice((1, 2, 8, 60, 400))
    match chance.randrange(6):
        case 0:
            return raw[:at] + raw[at + length :]
        case 1:
            return raw[:at] + raw[at : at + length] * 2 + raw[at + length :]
        case 2:
            return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
        case 3:
            return raw[:at]
        case 4:
            return raw[:at] + chance.choice(ODD) + raw[at + length :]
        case _:
            return raw[:at] + chance.choice(ODD) + raw[at:]


def message(raw: bytes, chance: random.Random) -> bytes:
    """HL7 v2: segments dropped, doubled, moved, renamed; fields emptied, repeated, swapped, filled with oddities; other
    delimiters, line ends and character sets."""
    for _ in range(chance.randint(1, 6)):
        lines = re.split(rb"[\r\n]+", raw)
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(10):
            case 0:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = chance.choice((b"ZZZ", b"OBX", b"NTE", b"PID", b"SPM", b"obx", b"PV1", b"")) + lines[at][3:]
            case 4 | 5 | 6:
                lines[at] = _field(lines[at], chance)
            case 7:
                return b"\r".join(lines).replace(b"|", chance.choice((b"#", b"!", b"|", b"\x01", b"A")))
            case 8:
                raw = chance.choice((b"\n", b"\r\n", b"\r\r", b"\n\r")).join(lines)
                return b"\xef\xbb\xbf" + raw if chance.random() < 0.3 else b"\x0b" + raw + b"\x1c\r"
            case _:
                raw = damaged(raw, chance)
                continue
        raw = b"\r".join(lines)
    return raw


def _field(line: bytes, chance: random.Random) -> bytes:
    mark = chance.choice((b"|", b"|", b"^", b"~", b"&"))
    parts = line.split(mark)
    at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
    match chance.randrange(5):
        case 0:
            parts[at] = b""
        case 1:
            parts[at] = chance.choice(ODD)
        case 2:
            parts[at], parts[other] = parts[other], parts[at]
        case 3:
            parts[at] = chance.choice((b"~", b"^", b"&")).join([parts[at]] * chance.choice((2, 3, 40)))
        case _:
            parts.insert(at, chance.choice(ODD))
    return mark.join(parts)


def document(raw: bytes, chance: random.Random) -> bytes:
    """C-CDA: elements dropped, doubled, moved, renamed; attributes changed, swapped, taken out."""
    for _ in range(chance.randint(1, 6)):
        element = _LEAF if chance.random() < 0.7 else _ELEMENT
        leaf, other = _some(element, raw, chance), _some(element, raw, chance)
        found, second = _some(_ATTRIBUTE, raw, chance), _some(_ATTRIBUTE, raw, chance)
        if leaf is None or other is None or found is None or second is None:
            return damaged(raw, chance)
        match chance.randrange(40) if chance.random() < 0.1 else chance.randrange(7):
            case 0:
                raw = raw[: leaf.start()] + raw[leaf.end() :]
            case 1:
                raw = raw[: other.start()] + leaf[0] + raw[other.start() :]
            case 2:
                raw = raw[: leaf.start()] + leaf[0].replace(leaf[1], other[1]) + raw[leaf.end() :]
            case 3:
                raw = raw[: found.start(2)] + chance.choice(_IN_XML) + raw[found.end(2) :]
            case 4:
                raw = raw[: found.start(2)] + second[2] + raw[found.end(2) :]
            case 5:
                raw = raw[: found.start()] + raw[found.end() :]
            case 6:
                raw = (
                    raw[: found.end()]
                    + b' nullFlavor="'
                    + chance.choice((b"UNK", b"NI", b"OTH", b"x"))
                    + b'"'
                    + raw[found.end() :]
                )
            case _:
                raw = damaged(raw, chance)
    return raw


def _some(pattern: re.Pattern[bytes], raw: bytes, chance: random.Random) -> re.Match[bytes] | None:
    """One match, found from anywhere on: looking for all of them each time would cost more than reading the document."""
    return pattern.search(raw, chance.randrange(len(raw) + 1)) or pattern.search(raw)
