"""Names as clinics write them -> words that can be compared. The raw name stays with the record."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mpi.text import plain, words

GENERATIONS = {
    "JR": "JR", "JUNIOR": "JR", "JNR": "JR", "SR": "SR", "SENIOR": "SR", "SNR": "SR", "I": "SR", "1ST": "SR",
    "II": "II", "2ND": "II", "III": "III", "3RD": "III", "IV": "IV", "4TH": "IV", "V": "V", "5TH": "V",
}  # fmt: skip
"""Suffixes that tell one generation from another. Degrees (MD, RN, ESQ) say nothing about who somebody is."""
DEGREES = frozenset("MD DO RN PHD ESQ DDS DMD PA NP CPA DVM".split())
TITLES = frozenset("MR MRS MS MISS DR REV HON PROF SIR MX MASTER SRA SENORA DON DONA SISTER FR".split())
PARTICLES = frozenset(
    "DE LA LAS LOS DEL DA DAS DO DOS DI DU LE VAN VON DER DEN TER TEN AL EL BIN BINT IBN ABU Y E SAN SANTA ST SAINT ZU ZUR".split()
)
GLUED = frozenset("MC MAC O D FITZ".split())
"""Prefixes that senders write apart or together (Mc Donald, O Brien)."""
NOBODY = frozenset(
    "UNKNOWN UNK UNKN UNKNWN ANON ANONYMOUS TEST TESTING TESTPATIENT NONE NA NULL NFN FNU LNU NLN NMN NMI NOFIRSTNAME NOLASTNAME "
    "PATIENT REFUSED DECLINED UNIDENTIFIED TRAUMA XX XXX XXXX ZZZ ZZTEST NONAME NOTGIVEN NOTKNOWN UNNAMED DUMMY".split()
)
INFANT = frozenset("BABY BABYBOY BABYGIRL BB BG NEWBORN NB INFANT BBOY BGIRL INF BABE NEONATE TRIPLET".split())
INFANT_MORE = INFANT | frozenset("BOY GIRL MALE FEMALE TWIN OF BY TO".split())
ORDERS = {
    "A": 1,
    "B": 2,
    "C": 3,
    "D": 4,
    "1": 1,
    "2": 2,
    "3": 3,
    "4": 4,
    "I": 1,
    "II": 2,
    "ONE": 1,
    "TWO": 2,
    "THREE": 3,
}


class Given(NamedTuple):
    names: tuple[str, ...] = ()
    """First name; then aliases in quotes or brackets, and two-word names written as one."""
    middle: tuple[str, ...] = ()
    suffix: str = ""
    placeholder: bool = False
    """Stands for a child that had no name yet ("BABY BOY A")."""
    order: int = 0
    mother: str = ""
    """The mother's given name where the placeholder tells it ("BABYGIRL OF MARIA")."""
    junk: bool = False


@lru_cache(maxsize=100_000)
def given(raw: str) -> Given:
    """First field of a name: may hold middle names, a nickname in quotes, a generation, a placeholder."""
    alias: tuple[str, ...] = ()
    for opening, closing in (("(", ")"), ('"', '"'), ("“", "”")):
        start = raw.find(opening)
        end = raw.find(closing, start + 1)
        if 0 <= start < end:
            alias = words(raw[start + 1 : end])[:1]
            raw = raw[:start] + " " + raw[end + 1 :]
    parts = [w for w in words(raw) if w not in TITLES] or list(words(raw))
    if not parts:
        return Given(names=alias)
    if parts[0] in INFANT or any(w in ("BABY", "NEWBORN", "BABYBOY", "BABYGIRL") for w in parts) or (
        parts[0] in ("BOY", "GIRL", "TWIN", "MALE", "FEMALE") and (len(parts) == 1 or parts[1] in ORDERS or parts[1] in INFANT_MORE)
    ):  # fmt: skip
        return _infant(parts)
    if "".join(parts) in NOBODY or parts[0] in NOBODY or _keyboard(parts[0]):
        return Given(junk=True)
    suffix = ""
    if len(parts) > 1 and parts[-1] in GENERATIONS and parts[-1] not in ("I", "V"):
        suffix = GENERATIONS[parts.pop()]
    if len(parts) > 1 and parts[0] in GLUED:
        parts[:2] = ["".join(parts[:2])]
    joined = ("".join(parts[:2]),) if len(parts) > 1 and len(parts[0]) > 1 and len(parts[1]) > 1 else ()
    return Given((parts[0], *alias, *joined), tuple(parts[1:]), suffix)


def _infant(parts: list[str]) -> Given:
    rest = [w for w in parts if w not in INFANT_MORE]
    order = 0
    for word in reversed(rest):
        if word in ORDERS:
            order = ORDERS[word]
            rest.remove(word)
            break
    mother = rest[0] if rest else ""
    if mother.endswith("S") and "".join(parts).startswith(mother + "B"):
        mother = mother[:-1]  # "MARIAS BABY"
    return Given(placeholder=True, order=order, mother=mother if len(mother) > 1 else "")


def _keyboard(word: str) -> bool:
    return word in ("ASDF", "QWERTY", "ASDFG", "ABC", "ABCD") or (len(word) > 2 and len(set(word)) == 1)


@lru_cache(maxsize=100_000)
def middle(raw: str) -> tuple[str, ...]:
    if not raw:
        return ()
    parts = words(raw)
    return tuple(w for w in parts if w not in NOBODY and w not in TITLES)


class Family(NamedTuple):
    names: tuple[str, ...] = ()
    """The name without particles, its parts by a blank; then, where it has particles or several parts, all in one word."""
    suffix: str = ""
    junk: bool = False


@lru_cache(maxsize=100_000)
def family(raw: str) -> Family:
    """GARCIA-LOPEZ and GARCIA LOPEZ are one; DE LA CRUZ is CRUZ and DELACRUZ; MC DONALD is MCDONALD."""
    parts = list(words(raw))
    suffix = ""
    while len(parts) > 1 and (parts[-1] in DEGREES or (parts[-1] in GENERATIONS and parts[-1] not in ("I", "V"))):
        last = parts.pop()
        suffix = GENERATIONS.get(last, suffix)
    if not parts:
        return Family(suffix=suffix)
    if "".join(parts) in NOBODY or all(w in NOBODY for w in parts) or _keyboard(parts[0]):
        return Family(suffix=suffix, junk=True)
    if parts[0] in INFANT and len(parts) > 1:
        parts = [w for w in parts if w not in INFANT_MORE] or parts
    if len(parts) > 1 and parts[0] in GLUED:
        parts[:2] = ["".join(parts[:2])]
    core = [w for w in parts if w not in PARTICLES] or parts
    joined = "".join(parts)
    spaced = " ".join(core)
    return Family((spaced,) if joined == spaced else (spaced, joined), suffix)


@lru_cache(maxsize=1000)
def suffix(raw: str) -> str:
    for word in words(raw):
        if word in GENERATIONS:
            return GENERATIONS[word]
    return ""


@lru_cache(maxsize=1000)
def sex(raw: str) -> str:
    """M, F or "" (other, unknown and unsaid are no evidence)."""
    return {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}.get(plain(raw).strip(), "")


def is_doe(given_name: str, family_name: str) -> bool:
    """John and Jane Doe are nobody."""
    return family_name in ("DOE", "ROE") and given_name in ("JOHN", "JANE", "BABY", "JON", "JANIE", "JAMES")
