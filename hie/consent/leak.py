"""The last look before bytes leave: do they hold words of something withheld, in whatever escaping?"""

from __future__ import annotations

import base64
import binascii
import html
import re

_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_HL7_ESCAPE = re.compile(r"\\([FSTREP]|X[0-9A-Fa-f]+|\.[a-z]{2}[^\\]*|H|N)\\")
_HL7 = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\", "P": "#"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_TAG = re.compile(r"<[^<>]*>")


def plain_text(text: str) -> str:
    """Text in the form that is compared: lower case, one blank between words."""
    return " ".join(text.split()).casefold()


def leaks(payload: bytes, withheld: frozenset[str]) -> bool:
    """True if a withheld string stands in `payload` as whole words: plain, or escaped as JSON, XML or HL7v2, or in
    base64; UTF-8 or a single-byte charset. Case and white space do not count."""
    if not withheld or not payload:
        return False
    wanted = [plain_text(one) for one in withheld]
    return any(_holds(text, wanted) for text in _forms(payload))


def _forms(payload: bytes) -> list[str]:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = payload.decode("cp1252", "replace")
    found = [text]
    if "\\" in text:
        found.append(_JSON_ESCAPE.sub(_json, text))
        found.append(_HL7_ESCAPE.sub(_hl7, text))
    if "&" in text or "<" in text:
        unescaped = html.unescape(text)
        found += [unescaped, _TAG.sub("", unescaped), _TAG.sub(" ", unescaped)]
    for run in _BASE64.findall(text):
        inside = _decoded(run)
        if inside is not None:
            found.append(inside)
    return [plain_text(one) for one in found]


def _holds(text: str, wanted: list[str]) -> bool:
    for one in wanted:
        start = text.find(one)
        while start >= 0:
            end = start + len(one)
            before = start == 0 or not (text[start - 1].isalnum() and one[0].isalnum())
            after = end == len(text) or not (text[end].isalnum() and one[-1].isalnum())
            if before and after:
                return True
            start = text.find(one, start + 1)
    return False


def _json(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return {"b": " ", "f": " ", "n": " ", "r": " ", "t": " "}.get(match[2], match[2])


def _hl7(match: re.Match[str]) -> str:
    code = match[1]
    if code in _HL7:
        return _HL7[code]
    if code[0] == "X" and len(code) % 2:
        return bytes.fromhex(code[1:]).decode("cp1252", "replace")
    return " " if code[0] == "." else ""


def _decoded(run: str) -> str | None:
    try:
        raw = base64.b64decode(run + "=" * (-len(run) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    for charset in ("utf-8", "cp1252"):
        try:
            text = raw.decode(charset)
        except UnicodeDecodeError:
            continue
        return text if text and sum(c.isprintable() or c.isspace() for c in text) > 0.9 * len(text) else None
    return None
