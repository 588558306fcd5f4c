"""Free text -> plain upper-case words: mojibake repaired, accents folded, digits that stand for letters put right."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_FOLD = str.maketrans(
    {"ß": "SS", "ẞ": "SS", "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "ı": "I"}
)
_DIGIT_LETTERS = str.maketrans({"0": "O", "1": "I", "3": "E", "5": "S", "6": "G", "8": "B", "|": "I", "!": "I"})
_APOSTROPHES = "'’‘`´ʼ"


def repair(raw: str) -> str:
    """UTF-8 that was once read as Latin-1 or cp1252 ("MarÃ­a") is read again."""
    if "Ã" in raw or "Â" in raw:
        for charset in ("cp1252", "latin-1"):
            try:
                return raw.encode(charset).decode("utf-8")
            except UnicodeError:
                continue
    return raw


def plain(raw: str) -> str:
    """Upper case without accents; everything else stays."""
    if raw.isascii():
        return raw.upper()
    folded = repair(raw).upper().translate(_FOLD)
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))


@lru_cache(maxsize=100_000)
def words(raw: str) -> tuple[str, ...]:
    """Words of a name. Apostrophes join (O'Brien), hyphens and the rest part; "SM1TH" is SMITH."""
    text = plain(raw)
    if text.isalpha():
        return (text,)
    kept = []
    for character in text:
        if character.isalnum():
            kept.append(character)
        elif character not in _APOSTROPHES:
            kept.append("|" if character in "|!" else " ")
    found = []
    for word in "".join(kept).split():
        letters = sum(map(str.isalpha, word))
        if letters < len(word) and letters * 2 > len(word) and not word[:-2].isdigit():
            word = word.translate(_DIGIT_LETTERS)
        word = word.replace("|", "")
        if word:
            found.append(word)
    return tuple(found)
