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

_ESCAPES = re.compile(rb"\x1b(?:\$[@AB]|\$\([CD]|\([BIJ]|\.[AF])")
"""ISO 2022: ESC and the set that follows."""
_TWICE = re.compile("[ÂÃ][\x80-\xbf]")
"""UTF-8 that somebody read as Latin-1 and wrote as UTF-8 again."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def wide(raw: bytes) -> str:
    """The UTF-16 codec of a payload that is in UTF-16, marked or not; "" for others."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    start = raw[:6]
    return "utf-16-le" if start == b"M\0S\0H\0" else "utf-16-be" if start == b"\0M\0S\0H" else ""


def to_text(raw: bytes, declared: str, default: str | None) -> tuple[str, str, list[Warning]]:
    """Text without control characters, the codec used, and warnings. Never fails. `declared` is MSH-18, `~` between its
    repetitions."""
    warnings: list[Warning] = []
    if codec := wide(raw):
        return _clean(raw.decode(codec, "replace"), warnings), codec, warnings
    if raw[:3] == b"\xef\xbb\xbf":
        raw = raw[3:]
    name, *others = (one.strip().upper() for one in declared.split("~"))
    named = TABLE_0211.get(name)
    if name and named is None:
        warnings.append(Warning("charset-unknown", "MSH-18", "character set is not in table 0211"))
    if named == "utf-16":
        named = "utf-8"  # the header was readable as bytes, so it is not UTF-16
    if named is not None and named.startswith(("iso-8859", "cp125")) and not raw.isascii() and _is_utf8(raw):
        # letters beyond ASCII that form valid UTF-8 by chance do not occur in practice: the header is wrong
        warnings.append(Warning("charset-wrong", "MSH-18", "the bytes are UTF-8, not the character set that was named"))
        named = "utf-8"
    if b"\x1b" in raw and (found := _switching(raw, [name, *others], warnings)):
        return _clean(found, warnings), "iso2022_jp_2", warnings
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


def _switching(raw: bytes, declared: list[str], warnings: list[Warning]) -> str:
    """Text that changes its character set by ISO 2022 escapes (Japanese, and what comes with it); "" where it is none.
    A further repetition of MSH-18 announces it; some senders announce nothing."""
    if not _ESCAPES.search(raw):
        return ""
    try:
        text = raw.decode("iso2022_jp_2")
    except UnicodeDecodeError:
        return ""
    if not any(TABLE_0211.get(one, "").startswith("iso2022") for one in declared):
        warnings.append(Warning("charset-fallback", "MSH-18", "read as ISO 2022, whose escapes are in the text"))
    return text


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _clean(text: str, warnings: list[Warning]) -> str:
    if "\ufffd" in text:
        warnings.append(Warning("charset-damaged", "MSH-18", "some characters were damaged before they came here"))
    elif not text.isascii() and _TWICE.search(text):
        warnings.append(Warning("charset-doubtful", "MSH-18", "some characters look encoded twice: kept as sent"))
    return _CONTROL.sub("", text)
