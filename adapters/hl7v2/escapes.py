"""Escape sequences of ER7 text (HL7 v2.8.2 section 2.7): delimiters, formatting commands, hexadecimal, highlighting.

One pass only: what an escape produces is never read as an escape again, so `\\E\\.br\\E\\` stays the text `\\.br\\`.
Only known sequences are touched; a lone escape character, or a Windows path, is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_CODES = (
    r"[FSTREPHN]|\.(?:br|sp|sk|in|ti|fi|nf|ce)\s*[+-]?\d*|X[0-9A-Fa-f]*|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6}|Z\w{0,16}"
)

Unescape = Callable[[str], tuple[str, bool]]
"""Text as sent -> text, and whether an odd sequence was left as it is."""


@lru_cache(maxsize=64)
def unescaper(field: str, component: str, repetition: str, escape: str, sub: str, charset: str) -> Unescape:
    """The function that resolves escapes for one set of delimiters. Hexadecimal bytes are read in `charset`."""
    pattern = re.compile(f"{re.escape(escape)}({_CODES}){re.escape(escape)}")
    plain = {"F": field, "S": component, "T": sub, "R": repetition, "E": escape, "P": "#", "H": "", "N": ""}

    def unescape(text: str) -> tuple[str, bool]:
        odd = False

        def one(found: re.Match[str]) -> str:
            nonlocal odd
            code = found.group(1)
            known = plain.get(code)
            if known is not None:
                return known
            if code[0] == ".":
                return _command(code[1:3], code[3:].strip())
            if code[0] == "X" and len(code) % 2 == 1:
                return _hexadecimal(code[1:], charset)
            odd = True  # odd digits, a switch of character set, a site's own (Z): nothing is guessed
            return found.group(0)

        return pattern.sub(one, text), odd

    return unescape


def _command(name: str, argument: str) -> str:
    if name in ("br", "ce"):
        return "\n"
    count = int(argument) if argument.lstrip("+").isdigit() else 1
    if name == "sp":
        return "\n" * min(count, 20)
    if name == "sk":
        return " " * min(count, 80)
    return ""


def _hexadecimal(digits: str, charset: str) -> str:
    data = bytes.fromhex(digits).replace(b"\0", b"")
    text = data.decode(charset, "replace").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c >= " " or c in "\n\t")
