"""Labels of HL7v2 segments by their own codes and words, for forwarding of the stored bytes.

What a decoder did not map (Z segments, odd fields) reached no resource, so nobody labelled it; the stored bytes still
say it. Read here without the decoder: a segment is a line, its fields are cut at the sender's delimiters.
"""

from __future__ import annotations

import re

from hie.codes import security
from hie.codes.systems import V2_NAME_TO_URI
from hie.labels.rules import RuleSet, shipped
from hie.model import SecurityLabel

HINT = 0.4
_SPARED = frozenset({"MSH", "EVN", "PID", "SFT", "UAC"})
"""Who and whence: a name or an address that reads like a term says nothing, and a message cannot be without them."""
_NAME = re.compile(r"([A-Z][A-Z0-9]{2})(?=[^A-Za-z0-9]|\Z)")
_HIGHLIGHT = re.compile(r"\\[HN]\\")
_ESCAPE = re.compile(r"\\(?:\.[a-z]{2}[^\\]{0,8}|[FSTREP])\\")


def sensitive_segments(raw: bytes, rules: RuleSet | None = None) -> dict[str, tuple[SecurityLabel, ...]]:
    """Place (`ZHV[1]`, as in Provenance) -> labels, for every segment whose words or codes earn one."""
    rules = rules or shipped()
    text = _text(raw)
    field = text[3:4]
    if text[:3] != "MSH" or not field or field.isalnum():
        return {}
    marks = text[4:6].split(field)[0]
    component, repetition = marks[:1] or "^", marks[1:] or "~"
    found: dict[str, tuple[SecurityLabel, ...]] = {}
    ordinals: dict[str, int] = {}
    for name, body in _segments(text):
        ordinals[name] = ordinals.get(name, 0) + 1
        if name in _SPARED:
            continue
        laboratory = name in ("OBX", "OBR")
        labels = {code: list_name for code, _, list_name, _ in rules.text(body, laboratory, True)}
        for part in re.split("[" + re.escape(field + repetition) + "]", body):
            pieces = part.split(component)
            for at in (0, 3):
                if len(pieces) > at + 2 and (system := V2_NAME_TO_URI.get(pieces[at + 2].strip().upper())):
                    for hit in rules.coding(system, pieces[at].strip(), "", laboratory, True):
                        labels.setdefault(hit.label, "codes")
        if labels:
            found[f"{name}[{ordinals[name]}]"] = (
                SecurityLabel("N", "nothing else is known of it", security.CONFIDENTIALITY),
                *(
                    SecurityLabel(code, f'{name} has a term of the list "{which}"', security.ACT_CODE, HINT)
                    for code, which in labels.items()
                ),
            )
    return found


def _text(raw: bytes) -> str:
    start = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\x0b\t ")
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError:
        text = start.decode("cp1252", "replace")
    at = text.find("MSH")
    return _ESCAPE.sub(" ", _HIGHLIGHT.sub("", text[at:])) if at >= 0 else ""


def _segments(text: str) -> list[tuple[str, str]]:
    """(name, body); a line that begins with no segment name belongs to the one before it."""
    found: list[tuple[str, str]] = []
    for line in re.split(r"[\r\n]+", text):
        match = _NAME.match(line.lstrip())
        if match:
            found.append((match[1], line))
        elif found and line:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line}")
    return found
