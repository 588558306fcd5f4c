"""Known confusions of fax and OCR: labels are found in spite of them, values repaired only by them.

Source of the pairs: error kinds counted on despeckled fax pages in fine and standard resolution.
"""

from __future__ import annotations

import re
from functools import lru_cache

_AS_PRINTED = {
    "o": "[o0q]",
    "i": "[il1|!]",
    "l": "[li1|]",
    "s": "[s5$]",
    "b": "[b86]",
    "e": "[ec]",
    "c": "[ce]",
    "a": "[ai]",
    "t": "[tf7l]",
    "f": "[ft]",
    "r": "[ri]",
    "n": "[nm]",
    "m": "(?:m|rn|nn|n)",
    "g": "[g9q]",
    "z": "[z2]",
    "d": "[d0]",
}
_DIGITS = str.maketrans({"O": "0", "o": "0", "Q": "0", "D": "0", "I": "1", "l": "1", "|": "1", "i": "1", "!": "1",
                         "S": "5", "s": "5", "B": "8", "Z": "2", "z": "2", "g": "9", "q": "9"})  # fmt: skip
_LETTERS = str.maketrans({"0": "O", "1": "i", "5": "S", "8": "B", "|": "l", "!": "i", "$": "S", "6": "b"})
SEPARATOR = r"\s*[:;.,=|#~_-]*\s*"


@lru_cache(maxsize=1024)
def tolerant(words: str) -> str:
    """A pattern for a printed label: each letter or what it is misread as, narrow gaps between words."""
    made = []
    for word in words.split():
        letters = [_AS_PRINTED.get(c, re.escape(c)) if len(words) > 4 else re.escape(c) for c in word]
        made.append("".join(letters))
    return r"[\s._-]{0,2}".join(made)


def digits(token: str) -> tuple[str, bool]:
    """A token that should be a number, with letters that stand for digits replaced; True where something was."""
    made = token.translate(_DIGITS)
    return made, made != token


def letters(token: str) -> tuple[str, bool]:
    """A token that should be a word, with digits that stand for letters replaced; case follows the neighbours."""
    made = token.translate(_LETTERS)
    if made == token:
        return token, False
    if sum(c.islower() for c in token) >= 1 and not token.isupper():
        made = made[:1] + "".join(c.lower() if token[i + 1] in "018560|!$" else c for i, c in enumerate(made[1:]))
        if made[:1] == "l":
            made = "I" + made[1:]
    return made, True


def one_confusable_apart(a: str, b: str) -> bool:
    """True where two texts of one length differ in exactly one character."""
    return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1


def distance(a: str, b: str, most: int) -> int:
    """Levenshtein distance, or `most` + 1 where it is more."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
        if min(row) > most:
            return most + 1
    return row[-1]
