"""Bytes to text: MSH-18, then the feed's default, then UTF-8, then windows-1252, which takes nearly everything.

Source: HL7 table 0211. A fallback is always a warning, because a wrong guess changes a name.
"""

from __future__ import annotations

import re

from hie.model import Warning

TABLE_0211 = {
    "ASCII": "ascii",
    "8859/1": "iso-8859-1",
    "8859/2": "iso-8859-2",
    "8859/3": "iso-8859-3",
    "8859/4": "iso-8859-4",
    "8859/5": "iso-8859-5",
    "8859/6": "iso-8859-6",
    "8859/7": "iso-8859-7",
    "8859/8": "iso-8859-8",
    "8859/9": "iso-8859-9",
    "8859/15": "iso-8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "ISO-8859-1": "iso-8859-1",
    "8859-1": "iso-8859-1",
}
"""MSH-18 (upper case) -> Python codec."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def to_text(raw: bytes, declared: str, default: str | None) -> tuple[str, str, list[Warning]]:
    """Text without control characters, the codec used, and warnings. Never fails."""
    warnings: list[Warning] = []
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _clean(raw.decode("utf-16", "replace"), warnings), "utf-16", warnings
    if raw[:3] == b"\xef\xbb\xbf":
        raw = raw[3:]
    name = declared.strip().upper()
    named = TABLE_0211.get(name)
    if name and named is None:
        warnings.append(Warning("charset-unknown", "MSH-18", "character set is not in table 0211"))
    if named == "utf-16":
        named = "utf-8"  # the header was readable as bytes, so it is not UTF-16
    if named is not None and named.startswith(("iso-8859", "cp125")) and not raw.isascii() and _is_utf8(raw):
        # letters beyond ASCII that form valid UTF-8 by chance do not occur in practice: the header is wrong
        warnings.append(Warning("charset-wrong", "MSH-18", "the bytes are UTF-8, not the character set that was named"))
        named = "utf-8"
    for codec in dict.fromkeys(c for c in (named, default, "utf-8") if c):
        try:
            text = raw.decode(codec)
        except (UnicodeDecodeError, LookupError):
            if codec == "ascii":
                continue
            warnings.append(
                Warning("charset-wrong", "MSH-18", "bytes are not in the character set that was named or set")
            )
            continue
        return _clean(text, warnings), codec, warnings
    warnings.append(Warning("charset-fallback", "MSH-18", "read as windows-1252"))
    return _clean(raw.decode("cp1252", "replace"), warnings), "cp1252", warnings


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _clean(text: str, warnings: list[Warning]) -> str:
    if "\ufffd" in text:
        warnings.append(Warning("charset-damaged", "MSH-18", "some characters were damaged before they came here"))
    return _CONTROL.sub("", text)
